"""The schema's version: brought up to date at start-up, with one cheap query and no Alembic when it already is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from countersign.domain.errors import StorageError
from countersign.storage.database import Database
from countersign.storage.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config

NEWEST = "0001"
"""The revision that this version of the code needs; a test compares it with the migrations."""

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 0x636F756E74  # any number that other programs in the same Postgres are unlikely to lock


def current(database: Database) -> str | None:
    """The revision of the schema; None in an empty database."""
    try:
        return database.read_now(_revision)
    except ProgrammingError:
        return None
    except StorageError as error:
        if isinstance(error.__cause__, OperationalError) and "no such table" in str(error.__cause__):
            return None
        raise


def upgrade(database: Database) -> bool:
    """Bring the schema up to date; True when something was done.

    Safe when several processes start at once. Raises `StorageError` when the schema is newer than this version.
    """
    found = current(database)
    if found == NEWEST:
        return False
    if found is not None and found > NEWEST:
        raise StorageError(
            f"the database has schema {found}, newer than this version's {NEWEST}",
            code="schema_newer",
            hint="Run the version of Countersign that made it, or restore an older backup.",
        )
    _upgrade(database)
    return True


def check(database: Database) -> tuple[str, ...]:
    """Differences between the database's schema and the code's; empty when they agree."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def differences(connection: Connection) -> tuple[str, ...]:
        options = {"compare_type": True, "compare_server_default": True}
        migration = MigrationContext.configure(connection, opts=options)
        return tuple(str(difference) for difference in compare_metadata(migration, metadata))

    return database.read_now(differences)


def write_revision(message: str, revision: str, database: Database) -> Path:
    """For developers: write the migration from the schema of `database` to the code's into the migrations folder."""
    from alembic import command

    with database.engine.connect() as connection:
        script = command.revision(_config(connection), message, autogenerate=True, rev_id=revision)
    assert script is not None
    assert not isinstance(script, list)
    return Path(script.path)


def newest_migration() -> str | None:
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(_FOLDER)).get_current_head()


def _revision(connection: Connection) -> str | None:
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(database: Database) -> None:
    from alembic import command

    with database.engine.connect() as connection:
        if database.is_sqlite:
            _prepare_sqlite(connection)
        else:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        command.upgrade(_config(connection), "head")
        connection.commit()
        # The connection carries settings of a migration: the pool opens a fresh one instead.
        connection.invalidate()


def _prepare_sqlite(connection: Connection) -> None:
    """Rebuilding a table drops the old one, which must not cascade; the write lock keeps a second process out."""
    raw = connection.connection.cursor()
    raw.execute("PRAGMA foreign_keys=OFF")
    raw.close()
    connection.exec_driver_sql("PRAGMA user_version=0")


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
