"""The working file of an audit: one SQLite file that survives being killed, so that nothing is read twice.

It keeps what was listed, what each content said (by its hash), and what comparing found. One process writes it at a time.
Evidence quotes documents, so file and folder are their owner's alone.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from countersign.corpus.readiness import rows
from countersign.corpus.readiness.checks import Contents
from countersign.corpus.readiness.inside import part_of
from countersign.corpus.readiness.seams import Profile, Statement
from countersign.domain.clock import from_iso, iso
from countersign.domain.documents import SourceDocument
from countersign.domain.errors import Conflict, StorageError
from countersign.domain.ids import new_id
from countersign.domain.readiness import DocumentKey, ReadinessFinding

FILE: Final = "working.db"
_FORMAT: Final = "2"
_BATCH: Final = 500
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS run (
  id TEXT PRIMARY KEY, started TEXT NOT NULL, finished TEXT, cpu_s REAL NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS doc (
  id INTEGER PRIMARY KEY, source TEXT NOT NULL, tenant TEXT NOT NULL, external_id TEXT NOT NULL,
  run TEXT NOT NULL, listed TEXT NOT NULL DEFAULT '', said TEXT NOT NULL, size INTEGER NOT NULL, revision TEXT NOT NULL, problem TEXT NOT NULL,
  parent INTEGER, sha256 TEXT NOT NULL DEFAULT '', read_revision TEXT NOT NULL DEFAULT '',
  settings TEXT NOT NULL DEFAULT '', done TEXT NOT NULL DEFAULT '',
  UNIQUE (source, tenant, external_id));
CREATE INDEX IF NOT EXISTS doc_run ON doc (run, done);
CREATE INDEX IF NOT EXISTS doc_parent ON doc (parent);
CREATE TABLE IF NOT EXISTS content (
  doc INTEGER PRIMARY KEY REFERENCES doc (id) ON DELETE CASCADE, text_sha256 TEXT NOT NULL, signature BLOB NOT NULL,
  words INTEGER NOT NULL, title TEXT NOT NULL, language TEXT NOT NULL, mime TEXT NOT NULL, status TEXT NOT NULL,
  reason TEXT NOT NULL, pages INTEGER, links TEXT NOT NULL, statements TEXT NOT NULL, findings TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS finding (
  doc INTEGER NOT NULL REFERENCES doc (id) ON DELETE CASCADE, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS finding_doc ON finding (doc);
CREATE TABLE IF NOT EXISTS stopped (source TEXT PRIMARY KEY, code TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Listing:
    """One listed document as the working file holds it. `read_revision` is what was read last, under `settings`."""

    row: int
    document: SourceDocument
    size: int
    revision: str
    problem: str
    sha256: str
    read_revision: str
    settings: str


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of one document at the end: `contents` None when it could not be read at all."""

    row: int
    document: SourceDocument
    size: int
    problem: str
    contents: Contents | None


class WorkingFile:
    """Implements `ProfileStore`. `scope` names what is audited and how; another scope in the same folder is refused."""

    def __init__(self, folder: Path, scope: str) -> None:
        """Raises `Conflict` (`audit_running`, `audit_other_scope`), `StorageError`."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._guard = _locked(folder)
            path = folder / FILE
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        except OSError as error:
            raise StorageError(
                f"{folder} cannot hold an audit: {error.strerror}",
                code="file_not_writable",
                hint="Choose another place.",
            ) from error
        self._prepare(scope)
        self.run, self.started, self.continued = self._begin()
        self._listing = new_id("lst")

    def _prepare(self, scope: str) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA foreign_keys=ON")
        self._db.execute("PRAGMA secure_delete=ON")
        self._db.execute("CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
        known = dict(self._db.execute("SELECT name, value FROM meta"))
        if known.get("format", _FORMAT) != _FORMAT:
            for table in ("finding", "content", "doc", "run", "stopped"):
                self._db.execute(f"DROP TABLE IF EXISTS {table}")
        self._db.executescript(_SCHEMA)
        if known.get("scope", scope) != scope:
            self.close()
            raise Conflict(
                "this folder holds an audit of something else",
                code="audit_other_scope",
                hint="Choose another folder, or audit the same sources and paths.",
            )
        self._db.executemany(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)", [("format", _FORMAT), ("scope", scope)]
        )

    def _begin(self) -> tuple[str, datetime, bool]:
        row = self._db.execute("SELECT id, started FROM run WHERE finished IS NULL").fetchone()
        return (row[0], from_iso(row[1]), True) if row else ("", _NEVER, False)

    def begin(self, now: datetime) -> str:
        """The run under way: the one that was stopped, or a new one."""
        if not self.run:
            self.run, self.started = new_id("aud"), from_iso(iso(now))
            self._db.execute("INSERT INTO run (id, started) VALUES (?, ?)", (self.run, iso(now)))
        return self.run

    def finish(self, now: datetime) -> None:
        """This run is whole: what it did not list is forgotten."""
        with self._transaction():
            self._db.execute("DELETE FROM doc WHERE run <> ?", (self.run,))
            self._db.execute("UPDATE run SET finished = ? WHERE id = ?", (iso(now), self.run))

    def spent(self, cpu_s: float) -> float:
        """Add to the run's processor time; returns all of it, over every time it was begun."""
        self._db.execute("UPDATE run SET cpu_s = cpu_s + ? WHERE id = ?", (cpu_s, self.run))
        return float(self._db.execute("SELECT cpu_s FROM run WHERE id = ?", (self.run,)).fetchone()[0])

    def close(self) -> None:
        self._db.close()
        self._guard.close()

    def _transaction(self) -> Any:
        return _Transaction(self._db)

    # -- listing ------------------------------------------------------------------------------------------------
    def forget(self) -> None:
        """Read everything again, whatever an earlier audit knows."""
        self._db.execute("UPDATE doc SET read_revision = '', sha256 = '', settings = '', done = ''")

    def note(self, listed: Iterable[tuple[SourceDocument, int, str, str]]) -> int:
        """(document, size, revision, problem) of everything that a source lists, in one transaction."""
        values = [
            (
                d.source,
                d.tenant,
                d.external_id,
                self.run,
                self._listing,
                rows.document_to_json(d),
                size,
                revision,
                problem,
            )
            for d, size, revision, problem in listed
        ]
        with self._transaction():
            self._db.executemany(
                "INSERT INTO doc (source, tenant, external_id, run, listed, said, size, revision, problem) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (source, tenant, external_id) DO UPDATE SET "
                "run = excluded.run, listed = excluded.listed, said = excluded.said, size = excluded.size, revision = excluded.revision, "
                "problem = excluded.problem",
                values,
            )
        return len(values)

    def stopped(self, source: str, code: str) -> None:
        """The listing of a source ended before its end, or (`code` empty) reached it."""
        if code:
            self._db.execute("INSERT OR REPLACE INTO stopped VALUES (?, ?)", (source, code))
            return
        gone = "run = ? AND source = ? AND parent IS NULL AND listed <> ?"
        with self._transaction():  # what was listed before this run was stopped, and is there no more
            self._db.execute("DELETE FROM stopped WHERE source = ?", (source,))
            self._db.execute(f"UPDATE doc SET run = '' WHERE {gone}", (self.run, source, self._listing))  # noqa: S608
            inside = (
                "UPDATE doc SET run = '' WHERE run <> '' AND parent IN (SELECT id FROM doc WHERE run = '')"
            )
            while self._db.execute(inside).rowcount:
                pass

    def problems(self) -> dict[str, str]:
        return dict(self._db.execute("SELECT source, code FROM stopped ORDER BY source"))

    def waiting(self) -> Iterator[Listing]:
        """Everything listed in this run that this run has not done yet; parts inside other files come with their carrier."""
        last = 0
        while batch := self._db.execute(
            "SELECT id, said, size, revision, problem, sha256, read_revision, settings FROM doc "
            "WHERE run = ? AND done <> ? AND parent IS NULL AND id > ? ORDER BY id LIMIT ?",
            (self.run, self.run, last, _BATCH),
        ).fetchall():
            for row in batch:
                last = row[0]
                yield Listing(row[0], rows.document_from_json(row[1]), *row[2:])

    def counts(self) -> tuple[int, int]:
        """(done, listed) of this run, without the parts inside files."""
        query = "SELECT COUNT(*), SUM(done = ?) FROM doc WHERE run = ? AND parent IS NULL"
        listed, done = self._db.execute(query, (self.run, self.run)).fetchone()
        return int(done or 0), int(listed)

    # -- what reading found ---------------------------------------------------------------------------------------
    def keep(self, listing: Listing) -> None:
        """It did not change since it was read: what is known stands, for it and for the parts inside it."""
        with self._transaction():
            self._db.execute(
                "UPDATE doc SET done = ?, read_revision = revision WHERE id = ?", (self.run, listing.row)
            )
            self._keep_parts(listing.row, listing.document)

    def _keep_parts(self, row: int, carrier: SourceDocument) -> None:
        """Rights and dates of a carrier may have changed where its content did not."""
        query = "SELECT id, said FROM doc WHERE parent = ?"
        for part, said in self._db.execute(query, (row,)).fetchall():
            before = rows.document_from_json(said)
            now = part_of(carrier, before.filename, before.mime)
            self._db.execute(
                "UPDATE doc SET run = ?, done = ?, said = ? WHERE id = ?",
                (self.run, self.run, rows.document_to_json(now), part),
            )
            self._keep_parts(part, now)

    def store(self, listing: Listing, settings: str, told: Sequence[Part]) -> None:
        """A document and the parts inside it, read in this run. One transaction: all of it or none."""
        with self._transaction():
            self._db.execute("DELETE FROM doc WHERE parent = ?", (listing.row,))
            ids = {"": listing.row}
            for part in told:
                ids[part.path] = self._store_part(listing, part, ids.get(part.inside, listing.row), settings)

    def _store_part(self, listing: Listing, part: Part, parent: int, settings: str) -> int:
        row = listing.row
        if part.path:
            d = part.document
            row = int(
                self._db.execute(
                    "INSERT INTO doc (source, tenant, external_id, run, said, size, revision, problem, parent) "
                    "VALUES (?, ?, ?, ?, ?, ?, '', '', ?) ON CONFLICT (source, tenant, external_id) DO UPDATE SET "
                    "run = excluded.run, said = excluded.said, size = excluded.size, parent = excluded.parent "
                    "RETURNING id",
                    (
                        d.source,
                        d.tenant,
                        d.external_id,
                        self.run,
                        rows.document_to_json(d),
                        part.size,
                        parent,
                    ),
                ).fetchone()[0]
            )
        self._db.execute("DELETE FROM content WHERE doc = ?", (row,))
        self._db.execute(
            "UPDATE doc SET done = ?, sha256 = ?, read_revision = revision, settings = ?, problem = ? WHERE id = ?",
            (self.run, part.sha256, settings, part.problem, row),
        )
        if part.contents is not None:
            self._db.execute(rows.INSERT_CONTENT, (row, *rows.contents_to_row(part.contents)))
        return row

    # -- the end --------------------------------------------------------------------------------------------------
    def told(self) -> Iterator[Told]:
        """Everything that this run knows, in a stable order."""
        last = 0
        query = (
            f"SELECT doc.id, doc.said, doc.size, doc.problem, {rows.CONTENT_COLUMNS} "  # noqa: S608 - our own names
            "FROM doc LEFT JOIN content ON content.doc = doc.id "
            "WHERE doc.run = ? AND doc.done = ? AND doc.id > ? ORDER BY doc.id LIMIT ?"
        )
        while batch := self._db.execute(query, (self.run, self.run, last, _BATCH)).fetchall():
            for row in batch:
                last = row[0]
                document = rows.document_from_json(row[1])
                contents = rows.contents_from_row(row[4:], document) if row[4] is not None else None
                yield Told(row[0], document, row[2], row[3], contents)

    def knows(self, source: str, external_id: str) -> bool:
        query = "SELECT 1 FROM doc WHERE run = ? AND source = ? AND external_id = ? LIMIT 1"
        return self._db.execute(query, (self.run, source, external_id)).fetchone() is not None

    def replace_findings(self, found: Iterable[ReadinessFinding]) -> None:
        """What the last stage found, in the place of what an earlier run of it found."""
        with self._transaction():
            self._db.execute("DELETE FROM finding")
            for finding in found:
                self._db.execute(
                    "INSERT INTO finding SELECT id, ? FROM doc WHERE source = ? AND tenant = ? AND external_id = ?",
                    (
                        rows.finding_to_json(finding),
                        finding.document.source,
                        finding.document.tenant,
                        finding.document.external_id,
                    ),
                )

    def findings(self, row: int, key: DocumentKey) -> list[ReadinessFinding]:
        """Of the last stage, about one document."""
        found = self._db.execute("SELECT body FROM finding WHERE doc = ?", (row,)).fetchall()
        return [rows.finding_from_json(json.loads(body), key) for (body,) in found]

    # -- ProfileStore ---------------------------------------------------------------------------------------------
    def profiles(self) -> Iterator[Profile]:
        last = 0
        query = (
            "SELECT doc.id, doc.said, doc.sha256, up.external_id, content.text_sha256, content.signature, content.words, "
            "content.title, content.language FROM doc JOIN content ON content.doc = doc.id "
            "LEFT JOIN doc up ON up.id = doc.parent "
            "WHERE doc.run = ? AND doc.done = ? AND doc.id > ? ORDER BY doc.id LIMIT ?"
        )
        while batch := self._db.execute(query, (self.run, self.run, last, _BATCH)).fetchall():
            for row in batch:
                last = row[0]
                yield rows.profile(rows.document_from_json(row[1]), row[2], row[3] or "", row[4:])

    def statements(self, key: DocumentKey) -> Sequence[Statement]:
        row = self._db.execute(
            "SELECT statements FROM content JOIN doc ON doc.id = content.doc "
            "WHERE source = ? AND tenant = ? AND external_id = ?",
            (key.source, key.tenant, key.external_id),
        ).fetchone()
        return rows.statements_from_json(row[0]) if row else ()


@dataclass(frozen=True, slots=True)
class Part:
    """A file (`path` empty) or something inside it; `inside` is the path of its carrier."""

    document: SourceDocument
    path: str
    inside: str
    size: int
    sha256: str
    contents: Contents | None
    problem: str = ""


class _Transaction:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")


def _locked(folder: Path) -> IO[bytes]:
    guard = (folder / "lock").open("ab")
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        guard.close()
        raise Conflict(
            "this audit is being run by another process",
            code="audit_running",
            hint="Wait for it, or stop it and run this again: it goes on where that one stopped.",
        ) from None
    return guard
