"""Question sets in the database: made, drafted, decided, and emptied when what they were drafted from is erased."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, func, insert, or_, select, update

from countersign.access.principal import Principal
from countersign.domain.clock import from_iso, iso
from countersign.domain.errors import LimitExceeded, NotFound
from countersign.domain.ids import new_id
from countersign.evaluation.questions import (
    MAX_QUESTIONS,
    Expected,
    NewQuestion,
    Origin,
    Question,
    QuestionSet,
    State,
)
from countersign.record.ledger import DocumentKey
from countersign.storage.rights import permitted_documents, satisfied_rights
from countersign.storage.tables import document, question, question_expected, question_set

_IN: Final = 500


@dataclass(frozen=True, slots=True)
class Added:
    """`known` stood in the set already, with the same words."""

    added: int
    known: int


@dataclass(frozen=True, slots=True)
class SeenQuestion:
    """A question as this reader may see it. `withheld`: it was drafted from a document that they may not read, and its
    words are left out; of expected documents that they may not read the names are."""

    question: Question
    withheld: bool = False


# -- sets -------------------------------------------------------------------------------------------------------
def list_sets(connection: Connection, tenant: str) -> list[QuestionSet]:
    """By name."""
    query = select(question_set).where(question_set.c.tenant == tenant).order_by(question_set.c.name)
    rows = list(connection.execute(query).mappings())
    counts = _counts(connection, [row["id"] for row in rows])
    return [_set(row, counts.get(row["id"], {})) for row in rows]


def find_set(connection: Connection, tenant: str, name: str) -> QuestionSet:
    """Raises `NotFound` (`question_set_not_found`)."""
    where = question_set.c.tenant == tenant, question_set.c.name == name
    row = connection.execute(select(question_set).where(*where)).mappings().first()
    if row is None:
        raise NotFound(
            f"there is no question set {name!r}",
            code="question_set_not_found",
            hint="`countersign questions list` shows the sets; `questions import` and `questions draft` make one.",
        )
    return _set(row, _counts(connection, [row["id"]]).get(row["id"], {}))


def ensure_set(connection: Connection, tenant: str, name: str, actor: str, now: datetime) -> str:
    """The id of the set of that name, made when there is none."""
    where = question_set.c.tenant == tenant, question_set.c.name == name
    known = connection.execute(select(question_set.c.id).where(*where)).scalar()
    if known is not None:
        return known
    made = new_id("qst")
    row = {"id": made, "tenant": tenant, "name": name, "created": iso(now), "created_by": actor}
    connection.execute(insert(question_set).values(**row))
    return made


def add_questions(
    connection: Connection,
    set_id: str,
    new: Sequence[tuple[NewQuestion, str]],
    *,
    origin: Origin,
    state: State,
    actor: str,
    now: datetime,
) -> Added:
    """`new` are questions, each with the id of the answer that it asked for (or empty). Raises `LimitExceeded`."""
    same = question.c.set_id == set_id
    known = set(connection.execute(select(question.c.text).where(same)).scalars())
    known |= set(connection.execute(select(question.c.first_text).where(same)).scalars())
    wanted = [(each, answer) for each, answer in new if each.text not in known]
    last = connection.execute(select(func.coalesce(func.max(question.c.n), 0)).where(same)).scalar_one()
    if last + len(wanted) > MAX_QUESTIONS:
        raise LimitExceeded(
            f"a set has at most {MAX_QUESTIONS} questions",
            code="questions_too_many",
            hint="Make another set.",
        )
    rows: list[dict[str, Any]] = []
    expected: list[dict[str, Any]] = []
    for n, (each, answer) in enumerate(wanted, last + 1):
        identity = new_id("qn")
        decided = (
            {"decided": iso(now), "decided_by": actor}
            if state != "draft"
            else {"decided": None, "decided_by": ""}
        )
        rows.append({
            "id": identity, "set_id": set_id, "n": n, "text": each.text, "first_text": "", "language": each.language,
            "origin": origin, "state": state, "document_id": each.document_id, "page": each.page, "answer_id": answer,
            "made": iso(now), "made_by": actor, **decided,
        })  # fmt: skip
        expected += [_expected_row(identity, place, one) for place, one in enumerate(each.expected)]
    for table, values in ((question, rows), (question_expected, expected)):
        for start in range(0, len(values), _IN):
            connection.execute(insert(table), values[start : start + _IN])
    return Added(len(wanted), len(new) - len(wanted))


# -- reading ----------------------------------------------------------------------------------------------------
def questions_of(
    connection: Connection, set_id: str, states: Sequence[State] = ("draft", "confirmed", "dropped")
) -> list[Question]:
    """In their order; those that an erasure emptied are left out."""
    query = select(question).where(
        question.c.set_id == set_id, question.c.state.in_(states), question.c.text != ""
    )
    return _with_expected(connection, list(connection.execute(query.order_by(question.c.n)).mappings()))


def one_question(connection: Connection, tenant: str, question_id: str) -> tuple[Question, QuestionSet]:
    """Raises `NotFound` (`question_not_found`)."""
    query = select(question).join(question_set).where(question_set.c.tenant == tenant, question.c.text != "")
    row = connection.execute(query.where(question.c.id == question_id)).mappings().first()
    if row is None:
        raise NotFound(
            "there is no such question",
            code="question_not_found",
            hint="`countersign questions show SET` shows their ids.",
        )
    found = connection.execute(select(question_set).where(question_set.c.id == row["set_id"])).mappings()
    [asked] = _with_expected(connection, [row])
    return asked, _set(found.one(), {})


def seen_by(connection: Connection, reader: Principal, questions: Sequence[Question]) -> list[SeenQuestion]:
    """As this reader's rights admit, at this moment: a drafted question quotes its document."""
    drafted = sorted({each.document_id for each in questions if each.document_id})
    readable: set[str] = set()
    for start in range(0, len(drafted), _IN):
        readable |= permitted_documents(connection, reader, drafted[start : start + _IN])
    named = _readable_names(connection, reader, questions)
    return [_seen(each, readable, named) for each in questions]


def _seen(
    each: Question, readable: set[str], named: frozenset[tuple[str, str]] | set[tuple[str, str]]
) -> SeenQuestion:
    withheld = bool(each.document_id) and each.document_id not in readable
    expected = tuple(
        one if (one.source, one.external_id) in named else Expected(one.source, "") for one in each.expected
    )
    return SeenQuestion(
        replace(each, text="" if withheld else each.text, expected=expected, page=None)
        if withheld
        else replace(each, expected=expected),
        withheld,
    )


def existing(
    connection: Connection, tenant: str, names: Iterable[str]
) -> dict[str, list[tuple[str, str, str]]]:
    """What this tenant has under these external ids: source, document id, status; deleted ones are not there."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    wanted = sorted(set(names))
    for start in range(0, len(wanted), _IN):
        query = select(document.c.external_id, document.c.source, document.c.id, document.c.status).where(
            document.c.tenant == tenant,
            document.c.external_id.in_(wanted[start : start + _IN]),
            document.c.deleted.is_(None),
        )
        for row in connection.execute(query.order_by(document.c.source)):
            found.setdefault(row.external_id, []).append((row.source, row.id, row.status))
    return found


# -- deciding ---------------------------------------------------------------------------------------------------
def decide(
    connection: Connection, question_id: str, state: State, text: str, actor: str, now: datetime
) -> None:
    """`text` empty leaves the words. Back to `draft`, a question has the words that it was drafted with."""
    row = (
        connection.execute(select(question).where(question.c.id == question_id).with_for_update())
        .mappings()
        .one()
    )
    first = row["first_text"]
    values: dict[str, Any] = {"state": state, "decided": iso(now), "decided_by": actor}
    if state == "draft":
        values |= {"text": first or row["text"], "first_text": "", "decided": None, "decided_by": ""}
    elif text and text != row["text"]:
        values |= {"text": text, "first_text": first or row["text"]}
    connection.execute(update(question).where(question.c.id == question_id).values(**values))


def decide_all(connection: Connection, set_id: str, state: State, actor: str, now: datetime) -> int:
    """Every draft of a set that still has words."""
    where = question.c.set_id == set_id, question.c.state == "draft", question.c.text != ""
    decided = update(question).where(*where).values(state=state, decided=iso(now), decided_by=actor)
    return connection.execute(decided).rowcount


# -- erasing ----------------------------------------------------------------------------------------------------
def erase_drafted(
    connection: Connection,
    documents: Sequence[str],
    keys: Sequence[DocumentKey],
    holds: ColumnElement[bool] | None,
) -> int:
    """Empty what was drafted from these documents or holds their words, and forget their names; says how many
    questions that changed."""
    about = [question.c.document_id.in_(documents[at : at + _IN]) for at in range(0, len(documents), _IN)]
    emptied = or_(*about) if holds is None else or_(*about, holds)
    ids = set(connection.execute(select(question.c.id).where(emptied, question.c.text != "")).scalars())
    _empty(connection, sorted(ids))
    for key in keys:
        named = and_(
            question_expected.c.source == key.source,
            question_expected.c.external_id == key.external_id,
            question_expected.c.question_id.in_(
                select(question.c.id).join(question_set).where(question_set.c.tenant == key.tenant)
            ),
        )
        ids |= set(connection.execute(select(question_expected.c.question_id).where(named)).scalars())
        connection.execute(delete(question_expected).where(named))
    return len(ids)


def empty_asked(connection: Connection, answers: Sequence[str]) -> int:
    """Empty the questions that were taken from these answers: what the answer may not keep, no set keeps."""
    ids = connection.execute(
        select(question.c.id).where(question.c.answer_id.in_(answers), question.c.text != "")
    )
    return _empty(connection, list(ids.scalars()))


def _empty(connection: Connection, ids: Sequence[str]) -> int:
    for start in range(0, len(ids), _IN):
        part = ids[start : start + _IN]
        connection.execute(delete(question_expected).where(question_expected.c.question_id.in_(part)))
        values = {"text": "", "first_text": "", "state": "dropped", "page": None}
        connection.execute(update(question).where(question.c.id.in_(part)).values(**values))
    return len(ids)


# -- rows -------------------------------------------------------------------------------------------------------
def _counts(connection: Connection, sets: Sequence[str]) -> dict[str, dict[str, int]]:
    query = select(question.c.set_id, question.c.state, func.count().label("count")).where(
        question.c.set_id.in_(sets), question.c.text != ""
    )
    counts: dict[str, dict[str, int]] = {}
    for row in connection.execute(query.group_by(question.c.set_id, question.c.state)).mappings():
        counts.setdefault(row["set_id"], {})[row["state"]] = row["count"]
    return counts


def _set(row: RowMapping, counts: Mapping[str, int]) -> QuestionSet:
    return QuestionSet(
        row["id"], row["name"], row["tenant"], from_iso(row["created"]), row["created_by"],
        counts.get("draft", 0), counts.get("confirmed", 0), counts.get("dropped", 0),
    )  # fmt: skip


def _with_expected(connection: Connection, rows: Sequence[RowMapping]) -> list[Question]:
    ids = [row["id"] for row in rows]
    expected: dict[str, list[Expected]] = {}
    for start in range(0, len(ids), _IN):
        query = select(question_expected).where(question_expected.c.question_id.in_(ids[start : start + _IN]))
        for one in connection.execute(query.order_by(question_expected.c.n)):
            said = Expected(one.source, one.external_id, one.page)
            expected.setdefault(one.question_id, []).append(said)
    return [_question(row, tuple(expected.get(row["id"], ()))) for row in rows]


def _question(row: RowMapping, expected: tuple[Expected, ...]) -> Question:
    return Question(
        id=row["id"], n=row["n"], text=row["text"], language=row["language"], origin=row["origin"],
        state=row["state"], expected=expected, made_by=row["made_by"], made=from_iso(row["made"]),
        document_id=row["document_id"], page=row["page"], decided_by=row["decided_by"],
        decided=from_iso(row["decided"]) if row["decided"] else None, edited=bool(row["first_text"]),
    )  # fmt: skip


def _expected_row(question_id: str, place: int, one: Expected) -> dict[str, Any]:
    return {
        "question_id": question_id, "n": place, "source": one.source, "external_id": one.external_id,
        "page": one.page,
    }  # fmt: skip


def _readable_names(
    connection: Connection, reader: Principal, questions: Sequence[Question]
) -> set[tuple[str, str]]:
    names = sorted({one.external_id for each in questions for one in each.expected})
    mine = satisfied_rights(connection, reader.tenant, reader.terms)
    found: set[tuple[str, str]] = set()
    for start in range(0, len(names), _IN):
        query = select(document.c.source, document.c.external_id).where(
            document.c.tenant == reader.tenant,
            document.c.external_id.in_(names[start : start + _IN]),
            document.c.rights_id.in_(mine),
            document.c.deleted.is_(None),
        )
        found |= {(row.source, row.external_id) for row in connection.execute(query)}
    return found
