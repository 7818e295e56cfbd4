"""Documents cut another way, outside the live index: kept while a measurement runs, and searched through the same code."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from countersign.domain.documents import Passage
from countersign.retrieval.seams import ALWAYS_FROM_DAY, ALWAYS_TO_DAY, IndexRow, Scope, Titled, Vector

_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS cut (document TEXT, chunking TEXT, pieces TEXT, PRIMARY KEY (document, chunking))",
    "CREATE TABLE IF NOT EXISTS spent (chunking TEXT, model TEXT, vectors INTEGER, seconds REAL, PRIMARY KEY (chunking, model))",
)


@dataclass(frozen=True, slots=True)
class ScratchDocument:
    """A document as the live index answers from it: its newest version, in force now."""

    id: str
    version: int
    source: str
    external_id: str
    title: str
    filename: str
    mime: str
    blob: str
    sha256: str
    rights_id: int
    residency: str


@dataclass(frozen=True, slots=True)
class Piece:
    """What a search needs of a chunk."""

    text: str
    index_text: str
    text_hash: str
    language: str
    page: int | None
    page_to: int | None


class ScratchFile:
    """What was cut so far, and what embedding it took, so that a run that was stopped goes on. Holds text of documents: it
    is removed when the run is done, and by every erasure."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = sqlite3.connect(folder / "cuts.db", isolation_level=None, check_same_thread=False)
        for statement in ("PRAGMA synchronous = OFF", "PRAGMA secure_delete = ON", *_TABLES):
            self._file.execute(statement)

    def close(self) -> None:
        self._file.close()

    def pieces(self, document: str, chunking: str) -> list[Piece] | None:
        """None when that document was not cut that way yet."""
        query = "SELECT pieces FROM cut WHERE document = ? AND chunking = ?"
        row = self._file.execute(query, (document, chunking)).fetchone()
        return None if row is None else [Piece(*each) for each in json.loads(row[0])]

    def keep(self, document: str, chunking: str, pieces: Sequence[Piece]) -> None:
        rows = [[p.text, p.index_text, p.text_hash, p.language, p.page, p.page_to] for p in pieces]
        written = json.dumps(rows, ensure_ascii=False)
        self._file.execute("INSERT OR REPLACE INTO cut VALUES (?, ?, ?)", (document, chunking, written))

    def spend(self, chunking: str, model: str, vectors: int, seconds: float) -> None:
        """So many vectors had to be made for it, in so many seconds."""
        made, before = self.spent(chunking, model)
        row = (chunking, model, made + vectors, before + seconds)
        self._file.execute("INSERT OR REPLACE INTO spent VALUES (?, ?, ?, ?)", row)

    def spent(self, chunking: str, model: str) -> tuple[int, float]:
        """Vectors that had to be made for it, and seconds."""
        query = "SELECT vectors, seconds FROM spent WHERE chunking = ? AND model = ?"
        row = self._file.execute(query, (chunking, model)).fetchone()
        return (0, 0.0) if row is None else (row[0], row[1])


class ScratchStore:
    """`retrieval.seams.PassageStore` over documents cut one way: the same rights, decided once when the run began.

    Its passages are numbered from 1; `rights` are the sets of rights that whoever is measured for satisfies.
    """

    def __init__(
        self,
        tenant: str,
        documents: Sequence[ScratchDocument],
        pieces: Mapping[str, Sequence[Piece]],
        rights: frozenset[int],
    ) -> None:
        self._tenant = tenant
        self._rights = rights
        self._documents = {each.id: each for each in documents}
        self._passages: list[tuple[ScratchDocument, int, Piece]] = [
            (each, ordinal, piece)
            for each in documents
            for ordinal, piece in enumerate(pieces.get(each.id, ()))
        ]

    def __len__(self) -> int:
        return len(self._passages)

    def rows(self, vectors: Mapping[str, Vector]) -> list[IndexRow]:
        return [
            IndexRow(
                number, each.id, each.source, each.rights_id, piece.language, ALWAYS_FROM_DAY, ALWAYS_TO_DAY, True,
                number, piece.index_text, vectors.get(piece.text_hash),
            )
            for number, (each, _, piece) in enumerate(self._passages, 1)
        ]  # fmt: skip

    async def scope(
        self,
        tenant: str,
        terms: frozenset[str],
        sources: frozenset[str],
        as_of: datetime,
        document_ids: frozenset[str] = frozenset(),
    ) -> Scope:
        return Scope(tenant, self._rights, sources, as_of, document_ids)

    async def last_seq(self) -> int:
        return len(self._passages)

    async def changes(self, tenant: str, after_seq: int, limit: int) -> list[IndexRow]:
        """Nothing: the index is filled before it is asked, and nothing changes while it is."""
        return []

    async def live_ids(self, tenant: str) -> set[int]:
        return set(range(1, len(self._passages) + 1))

    async def permitted(self, passage_ids: Iterable[int], scope: Scope) -> dict[int, Passage]:
        found = {number: self._passages[number - 1] for number in passage_ids}
        return {n: self._shown(n, *one) for n, one in found.items() if self._admits(one[0], scope)}

    async def titles(self, tenant: str, after_seq: int) -> list[Titled]:
        names = self._documents.values() if not after_seq else ()
        return [Titled(d.id, d.title, Path(d.external_id).stem, True, 1) for d in names]

    async def document(self, scope: Scope, limit: int) -> list[Passage]:
        found = [
            self._shown(number, *one)
            for number, one in enumerate(self._passages, 1)
            if one[0].id in scope.document_ids and self._admits(one[0], scope)
        ]
        return found[:limit]

    async def neighbours(self, near: Passage, scope: Scope, reach: int) -> list[Passage]:
        own = int(near.passage_id)
        around = range(max(1, own - reach), min(len(self._passages), own + reach) + 1)
        places = [n for n in around if n != own and self._passages[n - 1][0].id == near.document_id]
        return [self._shown(n, *self._passages[n - 1]) for n in places] if not scope.ended else []

    def _admits(self, document: ScratchDocument, scope: Scope) -> bool:
        inside = not scope.document_ids or document.id in scope.document_ids
        return (
            inside
            and scope.tenant == self._tenant
            and document.rights_id in scope.rights_ids
            and document.source in scope.sources
        )

    def _shown(self, number: int, document: ScratchDocument, ordinal: int, piece: Piece) -> Passage:
        return Passage(
            str(number), document.id, document.version, document.external_id, document.source, self._tenant,
            document.title, piece.text, ordinal, piece.language, piece.page, piece.page_to,
        )  # fmt: skip
