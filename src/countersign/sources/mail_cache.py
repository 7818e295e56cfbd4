"""Heads of messages that were seen before, so that a pass asks only for what is new. Losing it costs a longer pass."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from countersign.sources.cache_file import cache_file

_CREATE = """CREATE TABLE IF NOT EXISTS head (
    box TEXT NOT NULL, name TEXT NOT NULL, revision TEXT NOT NULL, head BLOB NOT NULL, size INTEGER NOT NULL,
    received TEXT NOT NULL, pass INTEGER NOT NULL, PRIMARY KEY (box, name)) WITHOUT ROWID"""


@dataclass(frozen=True, slots=True)
class Known:
    name: str
    revision: str
    head: bytes
    size: int
    received: str = ""


class HeadCache:
    """One file for all boxes of a source."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "heads.db"

    @contextmanager
    def box(self, box: str) -> Generator[Shelf]:
        """The heads of one folder. What was not used until the end is forgotten, as the message is gone."""
        with cache_file(self._path, (_CREATE,)) as connection:
            before = connection.execute("SELECT max(pass) FROM head WHERE box = ?", (box,)).fetchone()[0]
            shelf = Shelf(connection, box, (before or 0) + 1)
            yield shelf
            shelf.forget_unused()

    def keep_only(self, boxes: Iterable[str]) -> None:
        """Forget every box but these, at the end of a whole pass."""
        with cache_file(self._path, (_CREATE,)) as connection:
            there = {row[0] for row in connection.execute("SELECT DISTINCT box FROM head")}
            connection.executemany("DELETE FROM head WHERE box = ?", [(box,) for box in there - set(boxes)])


class Shelf:
    """The heads of one box during one pass."""

    def __init__(self, connection: sqlite3.Connection, box: str, number: int) -> None:
        self._connection = connection
        self._box = box
        self._number = number

    def known(self, names: Iterable[str]) -> dict[str, Known]:
        """What is known of these, now marked as used."""
        found: dict[str, Known] = {}
        self._connection.execute("BEGIN")
        for name in names:
            row = self._connection.execute(
                "UPDATE head SET pass = ? WHERE box = ? AND name = ? RETURNING revision, head, size, received",
                (self._number, self._box, name),
            ).fetchone()
            if row is not None:
                found[name] = Known(name, *row)
        self._connection.execute("COMMIT")
        return found

    def keep(self, heads: Iterable[Known]) -> None:
        rows = [(self._box, k.name, k.revision, k.head, k.size, k.received, self._number) for k in heads]
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT OR REPLACE INTO head VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        self._connection.execute("COMMIT")

    def forget_unused(self) -> None:
        self._connection.execute("DELETE FROM head WHERE box = ? AND pass <> ?", (self._box, self._number))
