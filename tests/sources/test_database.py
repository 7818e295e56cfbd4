"""The database connector on real SQLite and real Postgres: rows as documents, rights from columns, nothing written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, make_url, text

from countersign.domain.documents import Rights
from countersign.domain.errors import ConfigError, SourceError
from countersign.domain.workspace import RightsRule, Secret, SourceSettings
from countersign.sources.connector import Listed
from countersign.sources.database import DatabaseConnector
from countersign.sources.facts import rights_of
from countersign.sources.registry import Surroundings
from countersign.testing.source_connector_suite import SourceConnectorSuite
from tests.postgres import postgres_server, postgres_url
from tests.sources.wire import Wire

__all__ = ["postgres_server", "postgres_url"]

BASE: dict[str, Any] = {
    "query": "SELECT * FROM tariff",
    "key": "id",
    "title": "title",
    "body": ("body",),
    "any_of": "readers",
}
CREATE = "CREATE TABLE tariff (id {key}, title TEXT, body TEXT, readers TEXT, changed TEXT, until TEXT)"


class Bank:
    """A customer's database with one table, and a connector over it."""

    def __init__(self, url: str, root: Path, key: str = "INTEGER PRIMARY KEY") -> None:
        self.url, self.root = url, root
        self.engine: Engine = create_engine(url)
        self.run(CREATE.format(key=key))

    def run(self, statement: str, **values: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def add(
        self, key: Any, title: str = "Fee", body: str = "The fee is 500.", readers: Any = "staff"
    ) -> None:
        self.run(
            "INSERT INTO tariff (id, title, body, readers) VALUES (:key, :title, :body, :readers)",
            key=key,
            title=title,
            body=body,
            readers=readers,
        )

    def connector(
        self,
        rules: tuple[RightsRule, ...] = (),
        tenants: tuple[str, ...] = ("bank",),
        url: str = "",
        **options: Any,
    ) -> DatabaseConnector:
        chosen = {**BASE, **options}
        settings = SourceSettings(
            name="core",
            connector="database",
            url=url or self.url,
            rights_rules=rules,
            options={name: value for name, value in chosen.items() if value is not None},
        )
        return DatabaseConnector(settings, Surroundings(self.root, tenants, self.root / "cache"))

    def listed(self, **more: Any) -> dict[str, Listed]:
        return {item.document.external_id: item for item in self.connector(**more).list()}


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Bank]:
    bank = Bank(f"sqlite:///{tmp_path / 'bank.db'}", tmp_path)
    yield bank
    bank.engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def bank(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bank]:
    url = (
        f"sqlite:///{tmp_path / 'bank.db'}"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_url")
    )
    opened = Bank(url, tmp_path)
    yield opened
    opened.engine.dispose()


def code_of(call: Any) -> str:
    with pytest.raises((SourceError, ConfigError)) as raised:
        call()
    return raised.value.code


def test_a_row_is_a_document_with_its_rights(bank: Bank) -> None:
    bank.add(7, "Тариф «Жас»", "Комиссия <b>500</b>\n\nСрок: 30 дней", '["group:hr", "user:olga"]')
    [item] = bank.connector().list()
    assert item.document.external_id == "7"
    assert item.document.title == "Тариф «Жас»"
    assert item.document.rights == Rights.of(["group:hr", "user:olga"])
    assert item.document.rights_origin == "columns readers"
    content = bank.connector().read("7", 10_000).decode()
    assert "<h1>Тариф «Жас»</h1>" in content
    assert "Комиссия &lt;b&gt;500&lt;/b&gt;" in content, "a text column is text, never markup"
    assert item.size == len(content.encode())


def test_the_revision_changes_exactly_with_what_is_read(bank: Bank) -> None:
    bank.add(1)
    bank.add(2)
    before = bank.listed()
    bank.run("UPDATE tariff SET readers = 'board' WHERE id = 1")
    bank.run("UPDATE tariff SET body = 'The fee is 700.' WHERE id = 2")
    after = bank.listed()
    assert after["1"].revision == before["1"].revision, "rights are compared at every pass whatever it says"
    assert after["1"].document.rights == Rights.of(["group:board"])
    assert after["2"].revision != before["2"].revision
    bank.run("DELETE FROM tariff WHERE id = 1")
    assert set(bank.listed()) == {"2"}
    assert code_of(lambda: bank.connector().read("1", 10_000)) == "source_file_gone"


@pytest.mark.parametrize(
    ("said", "rights", "problem"),
    [
        ("hr, staff", Rights.of(["group:hr", "group:staff"]), ""),
        ('["hr"]', Rights.of(["group:hr"]), ""),
        ("tenant:*", Rights.of(["tenant:*"]), ""),
        (None, Rights.of([]), ""),
        ("", Rights.of([]), ""),
        ('["hr"', Rights(), "rights_unsupported"),
        ('{"hr": true}', Rights(), "rights_unsupported"),
        ("!hr", Rights(), "rights_unsupported"),
        ("role:admin", Rights(), "rights_unsupported"),
        ("[1]", Rights(), "rights_unsupported"),
    ],
)
def test_rights_of_a_column_are_understood_or_nobody(
    sqlite: Bank, said: str | None, rights: Rights, problem: str
) -> None:
    sqlite.add(1, readers=said)
    document = sqlite.listed()["1"].document
    assert (document.rights, document.quarantine) == (rights, problem)
    assert document.rights.nobody == (rights.nobody or bool(problem))


@pytest.mark.parametrize(
    ("denied", "problem"),
    [(None, ""), ("", ""), ("[]", ""), ("interns", "rights_unsupported"), ('["x"]', "rights_unsupported")],
)
def test_a_deny_entry_is_quarantined(sqlite: Bank, denied: str | None, problem: str) -> None:
    sqlite.add(1)
    sqlite.run("UPDATE tariff SET until = :denied", denied=denied)
    document = sqlite.listed(deny="until")["1"].document
    assert (document.quarantine, document.rights.nobody) == (problem, bool(problem))


def test_lists_of_postgres_are_lists(postgres_url: str, tmp_path: Path) -> None:
    bank = Bank(postgres_url, tmp_path)
    bank.add(1, readers="hr,staff")
    query = (
        "SELECT id, title, body, string_to_array(readers, ',') AS readers, ARRAY[]::text[] AS denied,"
        " json_build_array('kk') AS every FROM tariff"
    )
    [item] = bank.connector(query=query, deny="denied", all_of="every").list()
    assert item.document.rights == Rights.of(["group:hr", "group:staff"], ["group:kk"])
    bank.engine.dispose()


def test_rules_and_columns_must_both_agree(sqlite: Bank) -> None:
    sqlite.add(1, readers="staff")
    sqlite.add(2, readers="staff")
    rules = (RightsRule("1", ("group:kz",)),)
    found = sqlite.listed(rules=rules)
    assert found["1"].document.rights == Rights.of(["group:staff"]).intersect(Rights.of(["group:kz"]))
    assert found["2"].document.rights.nobody
    found = sqlite.listed(rules=rules, any_of=None, all_of="readers")
    assert not found["1"].document.rights.nobody
    assert found["2"].document.rights.nobody, "columns that narrow grant nothing by themselves"
    assert sqlite.listed(any_of=None)["1"].document.rights.nobody


def test_keys_that_are_missing_or_stand_twice_are_told_and_shown_to_nobody(tmp_path: Path) -> None:
    bank = Bank(f"sqlite:///{tmp_path / 'bank.db'}", tmp_path, key="TEXT")
    for key in ("a", "B", "b", "B", None, "", "x" * 600, "line\nbreak", "good/../../etc"):
        bank.add(key)
    items = list(bank.connector().list())
    problems = sorted(item.problem for item in items if item.problem)
    assert problems == ["source_key_missing"] * 2 + ["source_key_unusable"] * 2
    ids = [item.document.external_id for item in items]
    assert len(ids) == len(set(ids))
    twice = [item.document for item in items if item.document.quarantine == "source_key_duplicate"]
    assert [(d.external_id, d.rights.nobody) for d in twice] == [("B", True)]
    sound = {item.document.external_id for item in items if not item.problem and not item.document.quarantine}
    assert sound == {"a", "b", "good/../../etc"}
    assert "fee" in bank.connector().read("good/../../etc", 10_000).decode()
    bank.engine.dispose()


def test_a_column_that_is_no_key_ends_the_pass(tmp_path: Path) -> None:
    bank = Bank(f"sqlite:///{tmp_path / 'bank.db'}", tmp_path)
    bank.run(
        "INSERT INTO tariff (id, title, readers) WITH RECURSIVE n(i) AS"
        " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500) SELECT i, 'same', 'staff' FROM n"
    )
    assert code_of(lambda: list(bank.connector(key="title").list())) == "source_key_not_unique"
    bank.engine.dispose()


def test_dates_that_cannot_be_are_not_believed(sqlite: Bank, caplog: pytest.LogCaptureFixture) -> None:
    for key, changed, until in (
        (1, "2025-03-01", "2026-12-31"),
        (2, "2999-01-01T00:00:00+05:00", None),
        (3, "yesterday", None),
        (4, None, "soon"),
        (5, "0001-01-01T00:00:00+14:00", None),
    ):
        sqlite.add(key)
        sqlite.run("UPDATE tariff SET changed=:c, until=:u WHERE id=:k", c=changed, u=until, k=key)
    found = {key: item.document for key, item in sqlite.listed(modified="changed", valid_to="until").items()}
    assert found["1"].modified == datetime(2025, 3, 1, tzinfo=UTC)
    assert found["1"].valid_to == datetime(2026, 12, 31, tzinfo=UTC)
    assert [found[key].modified for key in "235"] == [None] * 3
    assert [found[key].quarantine for key in "12345"] == ["", "", "", "metadata_invalid", ""]
    assert "3 rows say that they changed at a time that cannot be" in caplog.text
    backwards = "SELECT *, '2025-01-01' AS begins, '2024-01-01' AS ends FROM tariff"
    item = next(iter(sqlite.connector(query=backwards, valid_from="begins", valid_to="ends").list()))
    assert (item.document.quarantine, item.document.rights.nobody) == ("metadata_invalid", True)


def test_a_list_query_notices_changes_without_the_text(bank: Bank) -> None:
    bank.add(1)
    options = {"list_query": "SELECT id, title, readers, changed FROM tariff", "modified": "changed"}
    [item] = bank.connector(**options).list()
    assert item.revision == "", "no stamp: it is read every time"
    bank.run("UPDATE tariff SET changed = '2026-01-02'")
    [item] = bank.connector(**options).list()
    assert item.revision == "2026-01-02"
    assert b"500" in bank.connector(**options).read("1", 1_000)
    options["list_query"] = "SELECT id, title, changed FROM tariff"
    assert code_of(lambda: list(bank.connector(**options).list())) == "source_column_missing"
    assert code_of(lambda: bank.connector(list_query="SELECT id FROM tariff")) == "config_invalid"


def test_fields_are_shown_by_name_where_there_is_no_text(bank: Bank) -> None:
    bank.add(1, title="Перевод", body="500 | 700", readers="staff")
    [item] = bank.connector(body=None).list()
    assert item.document.filename == "1.html"
    assert next(bank.connector(title=None).list()).document.title == "1"
    assert "<p>body: 500 | 700</p>" in bank.connector(body=None).read("1", 10_000).decode()
    options: dict[str, Any] = {"body": None, "fields": ("body",), "labels": {"body": "Комиссия, ₸"}}
    assert "<p>Комиссия, ₸: 500 | 700</p>" in bank.connector(**options).read("1", 10_000).decode()
    marked = bank.connector(body_format="markdown").read("1", 10_000).decode()
    assert marked == "# Перевод\n\n500 | 700\n\n"


@pytest.mark.parametrize(
    "key", ["1' OR '1'='1", "1; DROP TABLE tariff", "%(x)s", ":id", '"', "\\", "' UNION SELECT 1 --"]
)
def test_a_key_is_a_value_and_never_a_part_of_the_query(tmp_path: Path, postgres_url: str, key: str) -> None:
    for url in (f"sqlite:///{tmp_path / 'bank.db'}", postgres_url):
        bank = Bank(url, tmp_path, key="TEXT PRIMARY KEY")
        bank.add("other")
        assert code_of(lambda bank=bank: bank.connector().read(key, 10_000)) == "source_file_gone"
        bank.add(key, body="mine")
        assert b"mine" in bank.connector().read(key, 10_000)
        assert set(bank.listed()) == {key, "other"}
        bank.engine.dispose()


@pytest.mark.parametrize(
    "query",
    [
        "SELECT *, ' :a 50% x' AS note FROM tariff;",
        "WITH t AS (SELECT * FROM tariff) SELECT t.*, '12:30' AS note FROM t",
        "SELECT *, 'a' || ':b' AS note FROM tariff -- why: so\n",
    ],
)
def test_a_query_is_sent_as_it_was_written(bank: Bank, query: str) -> None:
    bank.add(1)
    content = bank.connector(query=query, body=("note",)).read("1", 10_000).decode()
    assert any(part in content for part in (":a 50% x", "12:30", "a:b"))


def test_casts_and_intervals_of_postgres_are_sent_as_they_were_written(
    postgres_url: str, tmp_path: Path
) -> None:
    bank = Bank(postgres_url, tmp_path)
    bank.add(1)
    query = "SELECT id::bigint AS id, title, to_char(now(), 'HH24:MI:SS') AS body, readers FROM tariff WHERE id % 2 = 1"
    assert set(bank.listed(query=query)) == {"1"}
    bank.engine.dispose()


def test_nothing_can_be_written(bank: Bank, tmp_path: Path) -> None:
    bank.add(1)
    for query in ("DELETE FROM tariff RETURNING *", "UPDATE tariff SET title = 'x' RETURNING *"):
        assert code_of(lambda query=query: list(bank.connector(query=query).list())) == "source_query_failed"
    if bank.engine.dialect.name == "postgresql":
        bank.run(
            "CREATE FUNCTION sneak() RETURNS int AS $$ DELETE FROM tariff; SELECT 1 $$ LANGUAGE sql VOLATILE"
        )
        query = "SELECT sneak() AS id, 'a' AS title, 'b' AS body, 'c' AS readers"
        assert code_of(lambda: list(bank.connector(query=query).list())) == "source_query_failed"
    assert set(bank.listed()) == {"1"}
    assert code_of(lambda: list(bank.connector(url="sqlite:///missing.db").list())) == "source_unavailable"
    assert not (tmp_path / "missing.db").exists()


def test_a_statement_that_takes_too_long_is_ended(bank: Bank) -> None:
    from datetime import timedelta

    endless = (
        "SELECT pg_sleep(300)::text AS id, '' AS title, '' AS body, '' AS readers"
        if bank.engine.dialect.name == "postgresql"
        else "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
        " SELECT max(i) AS id, '' AS title, '' AS body, '' AS readers FROM n"
    )
    connector = bank.connector(query=endless, timeout=timedelta(milliseconds=200))
    assert code_of(lambda: list(connector.list())) == "source_timeout"


def test_a_server_that_dies_while_it_lists_is_an_error_and_no_short_list(
    postgres_url: str, tmp_path: Path
) -> None:
    bank = Bank(postgres_url, tmp_path)
    bank.run(
        "INSERT INTO tariff (id, title, body, readers) SELECT i, 't', repeat('x', 2000), 'staff'"
        " FROM generate_series(1, 5000) i"
    )
    listing = bank.connector().list()
    seen = [next(listing) for _ in range(150)]
    bank.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with pytest.raises(SourceError) as raised:
        seen.extend(listing)
    assert raised.value.code == "source_unavailable"
    assert len(seen) < 5000
    bank.engine.dispose()


def test_an_error_tells_neither_password_nor_data(postgres_url: str, tmp_path: Path) -> None:
    secret = Secret("${env:CORE}", "hunter2-very-secret")
    away = make_url(postgres_url).set(host="127.0.0.1", port=1, username="reader", query={})
    bank = Bank(postgres_url, tmp_path)
    bank.add(1, body="4400430211234567")
    hidden = away.render_as_string(hide_password=False)
    for options, url in (
        ({}, hidden),
        ({"query": "SELECT body::int AS id, title, body, readers FROM tariff"}, ""),
        ({"query": "SELECT nonsense FROM tariff"}, ""),
    ):
        with pytest.raises(SourceError) as raised:
            list(bank.connector(url=url, password=secret, **options).list())
        told = f"{raised.value.message} {raised.value.hint} {raised.value.__cause__}"
        assert secret.value not in told
        assert "4400430211234567" not in told
        assert "reader" not in told
    bank.engine.dispose()
    leaky = "postgresql://reader@127.0.0.1/x?password=hunter2"
    assert code_of(lambda: list(bank.connector(url=leaky).list())) == "secret_in_file"
    assert code_of(lambda: list(bank.connector(url="nosuch://x/y").list())) == "source_database_unknown"


def test_a_document_over_the_limit_is_refused(bank: Bank) -> None:
    bank.add(1, body="x" * 1_000)
    assert code_of(lambda: bank.connector().read("1", 999)) == "source_file_too_large"


def test_several_tenants_need_one_to_be_named(sqlite: Bank) -> None:
    sqlite.add(1)
    sqlite.add(2)
    sqlite.run("UPDATE tariff SET until = 'telecom' WHERE id = 2")
    found = sqlite.listed(tenants=("bank", "telecom"), tenant="until")
    assert found["1"].document.quarantine == "tenant_missing"
    assert (found["2"].document.tenant, found["2"].document.quarantine) == ("telecom", "")
    sqlite.run("UPDATE tariff SET until = 'elsewhere'")
    assert {item.document.quarantine for item in sqlite.listed(tenant="until").values()} == {"wrong_tenant"}


def test_a_row_whose_rights_changed_after_it_was_listed_is_not_read(bank: Bank) -> None:
    """Else a text that was just closed would be indexed under the rights that it had before."""
    bank.add(1)
    reading = bank.connector()
    assert len(list(reading.list())) == 1
    bank.run("UPDATE tariff SET readers = 'board', body = 'Secret'")
    assert code_of(lambda: reading.read("1", 10_000)) == "source_changed_while_read"
    assert len(list(reading.list())) == 1
    assert b"Secret" in reading.read("1", 10_000)


# -- what every connector must do ---------------------------------------------------------------------------------
class RowsWorld:
    secrets = ("hunter2-very-secret",)

    def __init__(self, bank: Bank, url: str, wire: Wire | None = None) -> None:
        self.bank, self.url, self.wire = bank, url, wire

    def connector(self) -> DatabaseConnector:
        secret = Secret("${env:CORE}", self.secrets[0])
        return self.bank.connector(url=self.url, password=secret, deny="until")

    def put(self, name: str, text: str, groups: tuple[str, ...]) -> None:
        self.remove(name)
        self.bank.add(name, body=text, readers=",".join(groups))

    def remove(self, name: str) -> None:
        self.bank.run("DELETE FROM tariff WHERE id = :name", name=name)

    def forbid(self, name: str) -> None:
        self.bank.run("UPDATE tariff SET until = 'interns' WHERE id = :name", name=name)

    def break_after(self, count: int | None) -> None:
        assert self.wire is not None
        self.wire.cut(count)

    def id_of(self, name: str) -> str:
        return name


class TestSqlite(SourceConnectorSuite):
    breaks = False

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[RowsWorld]:
        bank = Bank(f"sqlite:///{tmp_path / 'bank.db'}", tmp_path, key="TEXT PRIMARY KEY")
        yield RowsWorld(bank, "sqlite:///bank.db")
        bank.engine.dispose()


class TestPostgres(SourceConnectorSuite):
    cuts = (0, 100, 1_000, 2_500)

    @pytest.fixture
    def world(self, tmp_path: Path, postgres_url: str) -> Iterator[RowsWorld]:
        bank = Bank(postgres_url, tmp_path, key="TEXT PRIMARY KEY")
        inside = make_url(postgres_url)
        socket = Path(str(inside.query["host"])) / f".s.PGSQL.{inside.port or 5432}"
        with Wire(str(socket)) as wire:
            away = inside.set(host="127.0.0.1", port=wire.port, password=None, query={"sslmode": "disable"})
            yield RowsWorld(bank, away.render_as_string(), wire)
        bank.engine.dispose()


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=12), st.lists, max_leaves=4))
def test_no_rights_however_strange_grant_by_accident(said: object) -> None:
    rights, problem = rights_of(said)
    for term in (term for clause in rights.clauses for term in clause):
        assert term == "tenant:*" or term.startswith(("group:", "user:"))
    assert not problem or rights.nobody
    assert rights_of(["staff"], None, said)[0].nobody or not said
