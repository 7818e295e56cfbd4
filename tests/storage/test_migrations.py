"""Migrations make exactly the schema that the code declares, on both databases."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, text

from countersign.domain.errors import StorageError
from countersign.storage import migrate
from countersign.storage.database import Database
from countersign.storage.tables import metadata

OpenDatabase = Callable[[str], Database]

HOW_TO = "the schema changed: run `python tools/new_migration.py REVISION MESSAGE` (see its docstring)"


@pytest.fixture
def opened() -> Iterator[OpenDatabase]:
    databases: list[Database] = []

    def open_database(url: str) -> Database:
        databases.append(Database(url))
        return databases[-1]

    yield open_database
    for database in databases:
        database.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path, opened: OpenDatabase) -> Database:
    if request.param == "sqlite":
        return opened(f"sqlite:///{tmp_path / 'x.db'}")
    return opened(request.getfixturevalue("postgres_url"))


def shape(database: Database) -> dict[str, Any]:
    """Everything that reflection can see, in an order that does not matter."""
    seen = inspect(database.engine)
    tables = sorted(set(seen.get_table_names()) - {"alembic_version", "sqlite_sequence"})

    def sort(values: list[Any]) -> list[str]:
        return sorted(str(value) for value in values)

    return {
        name: {
            "columns": sort(
                [(c["name"], str(c["type"]), c["nullable"], c.get("comment")) for c in seen.get_columns(name)]
            ),
            "primary": seen.get_pk_constraint(name),
            "foreign": sort(seen.get_foreign_keys(name)),
            "indexes": sort(seen.get_indexes(name)),
            "unique": sort(seen.get_unique_constraints(name)),
            "checks": sort(seen.get_check_constraints(name)),
        }
        for name in tables
    }


def test_migrations_make_exactly_the_declared_schema(database: Database) -> None:
    assert migrate.current(database) is None
    assert migrate.upgrade(database)
    assert migrate.current(database) == migrate.NEWEST == migrate.newest_migration()
    assert migrate.check(database) == (), HOW_TO
    migrated = shape(database)
    with database.engine.begin() as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection)
    assert migrated == shape(database), HOW_TO


def test_an_up_to_date_schema_is_left_alone(database: Database) -> None:
    assert migrate.upgrade(database)
    assert not migrate.upgrade(database)


def test_a_newer_schema_is_refused(database: Database) -> None:
    migrate.upgrade(database)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError) as caught:
        migrate.upgrade(database)
    assert caught.value.code == "schema_newer"


def test_several_processes_may_start_at_once(database: Database, opened: OpenDatabase) -> None:
    others = [opened(database.url) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(migrate.upgrade, others))
    assert migrate.check(database) == ()


def test_starting_on_an_up_to_date_schema_does_not_load_the_migration_tool(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    database = Database(url)
    migrate.upgrade(database)
    database.close()
    code = f"""
import sys
from countersign.storage.database import Database
from countersign.storage import migrate
database = Database({url!r})
assert not migrate.upgrade(database)
database.close()
assert "alembic" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
