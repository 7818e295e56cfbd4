"""Rights: three ways to decide agree, interning is stable, and `why` names what is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from countersign.access.explain import Explanation
from countersign.access.principal import Principal, Role
from countersign.access.terms import parse_term, satisfies, valid_term
from countersign.domain.clock import iso
from countersign.domain.documents import Rights
from countersign.domain.errors import IntegrityError, NotFound, UsageError
from countersign.storage.database import Database
from countersign.storage.rights import (
    explain,
    intern,
    permitted_documents,
    rights_id_of,
    satisfied_rights,
)
from countersign.storage.tables import document, rights, rights_term

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
NAMES = ["a", "b", "c", "қор", 'q"uo\\te', "tenant:*", "user:x"]
TENANTS = ["bank", "telecom"]

terms = st.one_of(
    st.sampled_from(NAMES).map(lambda name: f"group:{name}"),
    st.sampled_from(NAMES).map(lambda name: f"user:{name}"),
    st.just("tenant:*"),
)
right_sets = st.lists(st.frozensets(terms, max_size=3), max_size=3).map(
    lambda clauses: Rights(tuple(clauses))
)
principals = st.builds(
    Principal,
    st.sampled_from(NAMES),
    st.sampled_from(TENANTS),
    st.frozensets(st.sampled_from(NAMES), max_size=4),
)


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('rights') / 'r.db'}")
    database.create_tables()
    yield database
    database.close()


def by_reference(principal: Principal, tenant: str, wanted: Rights) -> bool:
    """Written out from the contract, without any of the product's helpers."""
    own = {"tenant:*", "user:" + principal.name} | {"group:" + group for group in principal.groups}
    if principal.tenant != tenant or len(wanted.clauses) == 0:
        return False
    return all(any(term in own for term in clause) for clause in wanted.clauses)


def by_cedar(principal: Principal, cases: list[tuple[str, Rights]]) -> list[bool]:
    """Cedar as the oracle: one permit a document, its clauses as conditions; no permit means deny."""
    import cedarpy

    policies: list[str] = []
    for number, (tenant, wanted) in enumerate(cases):
        conditions = [f"principal.tenant == {json.dumps(tenant)}"]
        conditions += [f"principal.terms.containsAny({_cedar_set(clause)})" for clause in wanted.clauses]
        if wanted.clauses:
            policies.append(
                f'permit(principal, action, resource == Document::"{number}") when {{ {" && ".join(conditions)} }};'
            )
    entity = {
        "uid": {"type": "Person", "id": "p"},
        "attrs": {"tenant": principal.tenant, "terms": sorted(principal.terms)},
        "parents": [],
    }
    requests = [
        {
            "principal": 'Person::"p"',
            "action": 'Action::"read"',
            "resource": f'Document::"{n}"',
            "context": {},
        }
        for n in range(len(cases))
    ]
    results = cedarpy.is_authorized_batch(requests, "\n".join(policies), [entity])
    return [result.allowed for result in results]


def _cedar_set(clause: frozenset[str]) -> str:
    return json.dumps(sorted(clause), ensure_ascii=False)


@settings(max_examples=150, deadline=None)
@given(
    principal=principals,
    cases=st.lists(st.tuples(st.sampled_from(TENANTS), right_sets), min_size=1, max_size=12),
)
def test_database_cedar_and_reference_agree(
    sqlite: Database, principal: Principal, cases: list[tuple[str, Rights]]
) -> None:
    ids = [sqlite.write_now(intern, tenant, wanted) for tenant, wanted in cases]
    satisfied = sqlite.read_now(satisfied_rights, principal.tenant, principal.terms)
    expected = [by_reference(principal, tenant, wanted) for tenant, wanted in cases]
    assert [rights_id in satisfied for rights_id in ids] == expected
    assert by_cedar(principal, cases) == expected
    assert [
        tenant == principal.tenant and satisfies(wanted, principal.terms) for tenant, wanted in cases
    ] == expected


def test_both_databases_decide_alike(database: Database) -> None:
    cases = {
        "everyone": Rights.of(["tenant:*"]),
        "hr": Rights.of(["group:hr"]),
        "hr and board": Rights.of(["group:hr"], ["group:board"]),
        "hr or board": Rights.of(["group:hr", "group:board"]),
        "aigul": Rights.of(["user:aigul"]),
        "nobody": Rights(),
        "nobody by an empty clause": Rights.of([], ["group:hr"]),
    }
    ids = {name: database.write_now(intern, "bank", wanted) for name, wanted in cases.items()}

    def seen(tenant: str, *groups: str, name: str = "x") -> set[str]:
        found = database.read_now(satisfied_rights, tenant, Principal(name, tenant, frozenset(groups)).terms)
        return {case for case, rights_id in ids.items() if rights_id in found}

    assert seen("bank") == {"everyone"}
    assert seen("bank", "hr") == {"everyone", "hr", "hr or board"}
    assert seen("bank", "board") == {"everyone", "hr or board"}
    assert seen("bank", "hr", "board", name="aigul") == {
        "everyone",
        "hr",
        "hr and board",
        "hr or board",
        "aigul",
    }
    assert seen("telecom", "hr", "board", name="aigul") == set()


def test_interning_depends_on_meaning_not_on_order(database: Database) -> None:
    first = Rights((frozenset({"group:a", "group:b"}), frozenset({"group:c"})))
    second = Rights((frozenset({"group:c"}), frozenset({"group:b", "group:a"}), frozenset({"group:c"})))
    ids = {database.write_now(intern, "bank", wanted) for wanted in (first, second, first)}
    assert ids == {rights_id_of("bank", first)} and 0 < min(ids) < 2**63
    assert database.write_now(intern, "telecom", first) not in ids
    with database.engine.connect() as connection:
        assert connection.execute(
            select(rights.c.clause_count).where(rights.c.tenant == "bank")
        ).scalars().all() == [2]
        assert len(connection.execute(select(rights_term)).all()) == 6


@pytest.mark.parametrize(
    "term",
    [
        "group:a,group:b",
        "group:a;group:b",
        "group:",
        "tenant:bank",
        "deny:hr",
        "hr",
        "group:a\n",
        "user:a\tb",
    ],
)
def test_a_term_that_could_read_as_another_is_never_stored(database: Database, term: str) -> None:
    with pytest.raises(UsageError) as caught:
        database.write_now(intern, "bank", Rights((frozenset({term}),)))
    assert caught.value.code == "rights_unsupported"


def test_two_sets_under_one_number_stop_everything(database: Database) -> None:
    wanted = Rights.of(["group:a"])
    number = rights_id_of("bank", wanted)
    row = {"id": number, "tenant": "bank", "canonical": "group:other", "clause_count": 1}
    database.write_now(lambda connection: connection.execute(insert(rights).values(row)))
    with pytest.raises(IntegrityError) as caught:
        database.write_now(intern, "bank", wanted)
    assert caught.value.code == "rights_collision"


@given(terms)
def test_terms_written_by_people_are_read_as_they_are(term: str) -> None:
    assert valid_term(term) and parse_term(term) == term


def test_a_bare_name_is_a_group_and_a_denial_is_not_a_right() -> None:
    assert parse_term("hr") == "group:hr"
    assert [parse_term(text) for text in ("!hr", "", "role:x", "a,b", "tenant:bank", " hr")] == [None] * 6
    assert valid_term("group:HR staff ")


# -- why --------------------------------------------------------------------------------------------------------
def add_document(database: Database, **said: object) -> None:
    def add(connection: object) -> None:
        wanted = said.pop("rights", Rights.of(["group:hr"], ["group:staff"]))
        assert isinstance(wanted, Rights)
        tenant = str(said.get("tenant", "bank"))
        row: dict[str, object] = {
            "id": "doc_1", "tenant": tenant, "source": "intranet", "external_id": "hr/bonus.docx", "title": "Bonus policy",
            "status": "indexed", "reason": "", "version": 1, "rights_id": intern(connection, tenant, wanted),  # type: ignore[arg-type]
            "rights_origin": "sidecar manifest.jsonl line 12", "own_rights": wanted.canonical(),
            "created": iso(NOW), "updated": iso(NOW), "seq": 1,
        } | said  # fmt: skip
        connection.execute(insert(document).values(row))  # type: ignore[attr-defined]

    database.write_now(add)


def why(
    database: Database,
    *groups: str,
    viewer: Principal | None = None,
    tenant: str = "bank",
    name: str = "doc_1",
) -> Explanation:
    return database.read_now(explain, viewer, Principal("aigul", tenant, frozenset(groups)), name, NOW)


def test_why_names_the_clause_that_is_missing_and_where_the_right_came_from(database: Database) -> None:
    add_document(database)
    no = why(database, "staff")
    assert not no.permitted
    assert [(clause.terms, clause.satisfied_by) for clause in no.clauses] == [
        (("group:hr",), ""), (("group:staff",), "group:staff")
    ]  # fmt: skip
    assert [gate.detail for gate in no.gates if not gate.open] == ["missing: one of group:hr"]
    assert no.rights_origin == "sidecar manifest.jsonl line 12"
    yes = why(database, "staff", "hr", name="hr/bonus.docx")
    assert yes.permitted and yes.missing == () and yes.title == "Bonus policy"


@pytest.mark.parametrize(
    ("said", "gate"),
    [
        ({"status": "quarantined", "reason": "rights_unsupported"}, "status"),
        ({"deleted": iso(NOW)}, "status"),
        ({"valid_from": iso(NOW + timedelta(days=1))}, "valid_from"),
        ({"valid_to": iso(NOW)}, "valid_to"),
        ({"superseded_at": iso(NOW - timedelta(days=1))}, "superseded"),
        ({"rights": Rights()}, "rights"),
    ],
)
def test_every_other_gate_is_named(database: Database, said: dict[str, object], gate: str) -> None:
    add_document(database, **said)
    no = why(database, "staff", "hr")
    assert not no.permitted and [g.name for g in no.gates if not g.open] == [gate]


def test_another_tenant_is_a_gate_for_the_owner_of_the_workspace_only(database: Database) -> None:
    add_document(database, tenant="telecom")
    assert [g.name for g in why(database, "staff", "hr").gates if not g.open] == ["tenant"]
    operator = Principal("op", "bank", roles=frozenset({Role.OPERATOR}))
    with pytest.raises(NotFound):
        why(database, "staff", "hr", viewer=operator)


def test_absent_and_forbidden_look_the_same_and_operators_see_structure_without_content(
    database: Database,
) -> None:
    add_document(database)
    plain = Principal("aigul", "bank", frozenset({"staff"}))
    answers: set[tuple[str, str]] = set()
    for name in ("doc_1", "doc_2"):
        with pytest.raises(NotFound) as caught:
            why(database, "staff", viewer=plain, name=name)
        answers.add((caught.value.message, caught.value.hint))
    assert len(answers) == 1
    for role in (Role.OPERATOR, Role.AUDITOR):
        seen = why(database, "staff", viewer=Principal("op", "bank", roles=frozenset({role})))
        assert seen.clauses and seen.gates and (seen.title, seen.external_id) == ("", "")
    reader = Principal("aigul", "bank", frozenset({"staff", "hr"}))
    assert why(database, "staff", "hr", viewer=reader).title == "Bonus policy"


def test_stored_answers_ask_for_rights_as_they_are_now(database: Database) -> None:
    add_document(database, superseded_at=iso(NOW - timedelta(days=1)))
    both = Principal("aigul", "bank", frozenset({"staff", "hr"}))
    assert database.read_now(permitted_documents, both, ["doc_1", "doc_2"]) == {"doc_1"}
    assert (
        database.read_now(permitted_documents, Principal("aigul", "bank", frozenset({"hr"})), ["doc_1"])
        == set()
    )
    assert (
        database.read_now(permitted_documents, Principal("aigul", "telecom", both.groups), ["doc_1"]) == set()
    )
    database.write_now(lambda c: c.execute(update(document).values(deleted=iso(NOW), status="deleted")))
    assert database.read_now(permitted_documents, both, ["doc_1"]) == set()


def test_the_page_of_rights_stays_small(tmp_path: Path) -> None:
    """Deciding is one statement, whatever the number of right sets."""
    database = Database(f"sqlite:///{tmp_path / 'many.db'}")
    database.create_tables()

    def fill(connection: object) -> None:
        for number in range(2000):
            intern(connection, "bank", Rights.of([f"group:g{number}"], ["group:staff"]))  # type: ignore[arg-type]

    database.write_now(fill)
    me = Principal("aigul", "bank", frozenset({"staff", "g7", "g8"}))
    assert len(database.read_now(satisfied_rights, "bank", me.terms)) == 2
    database.close()
