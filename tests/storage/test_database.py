"""The one door to the database: many writes share a commit, one failure undoes only itself, nothing half-written."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select

from countersign.domain.errors import StorageError
from countersign.storage.database import Database, last_seq, next_seq
from countersign.storage.tables import setting


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'test.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    opened = Database(url, busy_timeout_s=0.2)
    opened.create_tables()
    yield opened
    opened.close()


def put(connection: Connection, name: str) -> str:
    connection.execute(insert(setting).values(name=name, value="1"))
    return name


def fail_after(connection: Connection, name: str) -> None:
    put(connection, name)
    raise ValueError("no")


def names(connection: Connection) -> set[str]:
    return set(connection.execute(select(setting.c.name)).scalars())


@pytest.mark.anyio
async def test_concurrent_mutations_get_numbers_without_gaps_or_doubles(database: Database) -> None:
    numbers = await asyncio.gather(*(database.write(next_seq) for _ in range(200)))
    assert sorted(numbers) == list(range(1, 201))
    assert await database.read(last_seq) == 200


@pytest.mark.anyio
async def test_one_failure_in_a_shared_commit_undoes_only_itself(database: Database) -> None:
    outcomes = await asyncio.gather(
        database.write(put, "a"),
        database.write(fail_after, "b"),
        database.write(put, "c"),
        return_exceptions=True,
    )
    assert outcomes[0] == "a"
    assert isinstance(outcomes[1], ValueError)
    assert outcomes[2] == "c"
    assert await database.read(names) == {"a", "c"}


@pytest.mark.anyio
async def test_a_broken_statement_in_a_shared_commit_undoes_only_itself(database: Database) -> None:
    await database.write(put, "a")
    outcomes = await asyncio.gather(
        database.write(put, "b"), database.write(put, "a"), database.write(put, "c"), return_exceptions=True
    )
    assert [isinstance(outcome, Exception) for outcome in outcomes] == [False, True, False]
    assert await database.read(names) == {"a", "b", "c"}


@pytest.mark.anyio
async def test_a_locked_database_says_so_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    database = Database(f"sqlite:///{path}", busy_timeout_s=0.2)
    database.create_tables()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError) as raised:
        await database.write(put, "a")
    assert raised.value.code == "database_locked"
    assert "Nothing was written" in raised.value.hint
    other.execute("ROLLBACK")
    other.close()
    assert await database.write(put, "a") == "a"
    database.close()


@pytest.mark.anyio
async def test_a_full_disk_says_so_and_nothing_is_half_written(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    database.create_tables()

    def fill(connection: Connection) -> None:
        put(connection, "a")
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        connection.execute(insert(setting).values(name="big", value="x" * 1_000_000))

    with pytest.raises(StorageError) as raised:
        await database.write(fill)
    assert raised.value.code == "disk_full"
    assert await database.read(names) == set()
    database.close()


@pytest.mark.anyio
async def test_a_closed_database_refuses(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    database.create_tables()
    database.close()
    with pytest.raises(StorageError) as raised:
        await database.write(put, "a")
    assert raised.value.code == "database_closed"
