"""Makes the database let go of deleted bytes: pages rewritten, write-ahead log emptied."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from countersign.storage.database import Database

_MAX_VACUUM_BYTES = 4 * 1024**3
_IN_MEMORY_BYTES = 128 * 1024**2
_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Compaction:
    """`how` says what was done; `remains` what may still hold deleted bytes, and until when."""

    how: tuple[str, ...]
    remains: tuple[str, ...]


def compact(database: Database, tables: Sequence[str]) -> Compaction:
    return _compact_sqlite(database) if database.is_sqlite else _compact_postgres(database, tables)


def _compact_sqlite(database: Database) -> Compaction:
    """`secure_delete` has already overwritten deleted rows with zeros; this rewrites the file and empties the log."""
    how, remains = ["secure_delete overwrote the rows with zeros"], list[str]()
    pooled = database.engine.raw_connection()
    try:
        raw = pooled.driver_connection
        assert raw is not None
        size = Path(raw.execute("PRAGMA database_list").fetchone()[2]).stat().st_size
        if size <= _MAX_VACUUM_BYTES:
            raw.execute("PRAGMA temp_store=" + ("MEMORY" if size <= _IN_MEMORY_BYTES else "FILE"))
            raw.execute("VACUUM")
            how.append("VACUUM rewrote the file")
        else:
            remains.append(f"the file ({size} bytes) was too large to rewrite online; freed pages hold zeros")
        if _truncate_log(raw):
            how.append("the write-ahead log was emptied")
        else:
            remains.append("the write-ahead log, until the reader that holds it ends")
    finally:
        pooled.invalidate()
    return Compaction(tuple(how), tuple(remains))


def _truncate_log(raw: object) -> bool:
    until = time.monotonic() + _PATIENCE_S
    while True:
        busy = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]  # type: ignore[attr-defined]
        if not busy:
            return True
        if time.monotonic() > until:
            return False
        time.sleep(0.05)


def _compact_postgres(database: Database, tables: Sequence[str]) -> Compaction:
    """A plain VACUUM only frees space; FULL writes each table anew and unlinks the old file. It locks the table."""
    how, remains = list[str](), ["Postgres' write-ahead log and its archives, until they are rotated"]
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET lock_timeout = '15s'"))
        for table in tables:
            try:
                connection.execute(text(f'VACUUM (FULL) "{table}"'))
                how.append(f"VACUUM FULL {table}")
            except OperationalError:
                connection.execute(text(f'VACUUM "{table}"'))
                remains.append(
                    f"freed space of table {table}, until it is reused: others were using the table"
                )
        connection.execute(text("CHECKPOINT"))
        connection.invalidate()
    return Compaction(tuple(how), tuple(remains))
