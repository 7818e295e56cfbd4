"""What is known of pages that were fetched: for conditional requests, and so that what was judged is what is read. Losing
it costs requests, not documents. Texts are kept for one pass only, so that nothing of a page outlives its erasure here."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countersign.sources.cache_file import cache_file

_TABLES = (
    """CREATE TABLE IF NOT EXISTS page (url TEXT PRIMARY KEY, etag TEXT NOT NULL, changed TEXT NOT NULL,
    mime TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL, said TEXT NOT NULL, pass INTEGER NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS body (url TEXT PRIMARY KEY, body BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS failure (url TEXT PRIMARY KEY, times INTEGER NOT NULL, pass INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS led (url TEXT PRIMARY KEY, final TEXT NOT NULL, pass INTEGER NOT NULL)",
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A page that was good. `links` is what hangs on it while it cannot be fetched."""

    url: str
    etag: str
    changed: str
    """The server's `Last-Modified`, as it wrote it."""
    mime: str
    digest: str
    size: int
    links: tuple[str, ...] = ()
    canonical: str = ""
    noindex: bool = False


class PageCache:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "pages.db"

    def forget_bodies(self) -> None:
        if self._path.exists():
            with self.opened() as pages:
                pages.forget_bodies()

    @contextmanager
    def opened(self) -> Generator[Pages]:
        with cache_file(self._path, _TABLES) as connection:
            yield Pages(connection)


class Pages:
    """The pages during one pass, or for one reading."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        counted = (
            "SELECT max(n) FROM (SELECT max(pass) AS n FROM page UNION ALL SELECT max(pass) FROM failure)"
        )
        self._pass = int(self._one(counted)[0] or 0) + 1

    def get(self, url: str) -> Kept | None:
        row = self._one("SELECT url, etag, changed, mime, digest, size, said FROM page WHERE url = ?", url)
        if row is None:
            return None
        *plain, said = row
        more = json.loads(said)
        return Kept(*plain, links=tuple(more["links"]), canonical=more["canonical"], noindex=more["noindex"])

    def body(self, url: str) -> bytes | None:
        """The text that came with this pass, None where it did not come again."""
        row = self._one("SELECT body FROM body WHERE url = ?", url)
        return bytes(row[0]) if row else None

    def forget_bodies(self) -> None:
        self._connection.execute("DELETE FROM body")

    def put(self, page: Kept, body: bytes) -> None:
        said = json.dumps({"links": page.links, "canonical": page.canonical, "noindex": page.noindex})
        plain = (page.url, page.etag, page.changed, page.mime, page.digest, page.size)
        self._connection.execute(
            "INSERT OR REPLACE INTO page VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*plain, said, self._pass)
        )
        self._connection.execute("INSERT OR REPLACE INTO body VALUES (?, ?)", (page.url, body))

    def still(self, url: str) -> None:
        """It was seen in this pass, or it is not known to be gone."""
        self._connection.execute("UPDATE page SET pass = ? WHERE url = ?", (self._pass, url))

    def led(self, url: str, final: str) -> None:
        """A redirect led from one to the other."""
        self._connection.execute("INSERT OR REPLACE INTO led VALUES (?, ?, ?)", (url, final, self._pass))

    def led_to(self, url: str) -> str:
        row = self._one("UPDATE led SET pass = ? WHERE url = ? RETURNING final", self._pass, url)
        return str(row[0]) if row else ""

    def failed(self, url: str) -> int:
        """How many passes in a row it failed in, this one included."""
        row = self._one(
            "INSERT INTO failure VALUES (?, 1, ?) ON CONFLICT (url) DO UPDATE"
            " SET times = times + 1, pass = excluded.pass RETURNING times",
            url,
            self._pass,
        )
        return int(row[0])

    def finish(self) -> None:
        """Forget what this pass did not see."""
        for forget in (
            "DELETE FROM page WHERE pass <> ?",
            "DELETE FROM failure WHERE pass <> ?",
            "DELETE FROM led WHERE pass <> ?",
        ):
            self._connection.execute(forget, (self._pass,))

    def _one(self, statement: str, *values: object) -> Any:
        return self._connection.execute(statement, values).fetchone()
