"""A small SQLite file in the cache folder of a source: thrown away when it cannot be read, and never missed."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from countersign.domain.errors import SourceError


@contextmanager
def cache_file(path: Path, tables: Sequence[str]) -> Generator[sqlite3.Connection]:
    """A connection in autocommit mode. What is deleted is overwritten. Raises `SourceError` (`source_cache_failed`)."""
    try:
        connection = _connect(path, tables)
        try:
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise _failed(error) from None


def _connect(path: Path, tables: Sequence[str]) -> sqlite3.Connection:
    try:
        try:
            return _opened(path, tables)
        except sqlite3.DatabaseError:
            path.unlink(missing_ok=True)
            return _opened(path, tables)
    except OSError as error:
        raise _failed(error) from None


def _opened(path: Path, tables: Sequence[str]) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        for statement in ("PRAGMA secure_delete = ON", "PRAGMA synchronous = OFF", *tables):
            connection.execute(statement)
        connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _failed(error: Exception) -> SourceError:
    return SourceError(
        f"the cache of a source cannot be used ({type(error).__name__})",
        code="source_cache_failed",
        hint="Look at the disk of the state folder; `sources` in it may be deleted at any time.",
    )
