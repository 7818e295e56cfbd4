"""The authority on passages: what a person may search, what changed, and the last word on every hit. SQLite and Postgres."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    RowMapping,
    Select,
    String,
    and_,
    bindparam,
    select,
)

from countersign.domain.clock import from_iso, iso
from countersign.domain.documents import DocumentStatus, Passage
from countersign.retrieval.seams import ALWAYS_FROM_DAY, ALWAYS_TO_DAY, IndexRow, Scope, Titled, Vector
from countersign.retrieval.version import Chunking
from countersign.storage.database import Database, only_filter
from countersign.storage.in_force import in_force_at
from countersign.storage.prepared import Prepared
from countersign.storage.rights import satisfied_rights
from countersign.storage.tables import counter, document, embedding, passage

_BATCH = 500
"""Values in one IN list."""

_SILENT = (DocumentStatus.QUARANTINED.value, DocumentStatus.DELETED.value)
"""States in which a document answers nobody, whatever its passages say."""


class SqlPassageStore:
    """Implements `retrieval.seams.PassageStore`. `embedding_model` None = no vectors are read. `chunking` says whose
    passages of each document it shows: those of other ways of cutting lie beside them."""

    def __init__(
        self, database: Database, embedding_model: str | None, chunking: str = Chunking().key
    ) -> None:
        self._database = database
        self._model = embedding_model
        self._chunking = chunking

    async def scope(
        self,
        tenant: str,
        terms: frozenset[str],
        sources: frozenset[str],
        as_of: datetime,
        document_ids: frozenset[str] = frozenset(),
    ) -> Scope:
        """A right set is satisfied when each of its clauses holds at least one of `terms`; one without clauses never is."""
        ids = await self._database.read(satisfied_rights, tenant, terms)
        return Scope(tenant, ids, sources, as_of, document_ids)

    async def last_seq(self) -> int:
        return await self._database.look_up(_newest_seq)

    async def changes(self, tenant: str, after_seq: int, limit: int) -> list[IndexRow]:
        return await self._database.read(changed_rows, tenant, self._chunking, after_seq, limit, self._model)

    async def live_ids(self, tenant: str) -> set[int]:
        return await self._database.read(live_ids, tenant, self._chunking)

    async def permitted(self, passage_ids: Iterable[int], scope: Scope) -> dict[int, Passage]:
        return await self._database.read(permitted_passages, list(passage_ids), scope)

    async def neighbours(self, near: Passage, scope: Scope, reach: int) -> list[Passage]:
        return await self._database.read(neighbouring_passages, near, scope, reach, self._chunking)

    async def titles(self, tenant: str, after_seq: int) -> list[Titled]:
        return await self._database.read(titled_documents, tenant, after_seq)

    async def document(self, scope: Scope, limit: int) -> list[Passage]:
        return await self._database.read(document_passages, scope, limit, self._chunking)


_SEQ = Prepared(select(counter.c.value).where(counter.c.name == bindparam("name")))


def _newest_seq(connection: Connection) -> int:
    """As `last_seq`, for every question."""
    rows = _SEQ.rows(connection, {"name": "mutation"})
    return int(rows[0][0]) if rows else 0


def changed_rows(
    connection: Connection, tenant: str, chunking: str, after_seq: int, limit: int, model: str | None
) -> list[IndexRow]:
    order = (passage.c.seq, passage.c.id)
    mine = passage.c.tenant == tenant, passage.c.chunking == chunking
    statement = _index_rows(model).where(*mine).order_by(*order)
    rows = list(connection.execute(statement.where(passage.c.seq > after_seq).limit(limit)).mappings())
    if len(rows) == limit:  # the rest of the last mutation, so that the caller may call it applied
        seq, last = rows[-1]["seq"], rows[-1]["id"]
        rows += connection.execute(statement.where(passage.c.seq == seq, passage.c.id > last)).mappings()
    return [_index_row(row) for row in rows]


def _index_rows(model: str | None) -> Select[Any]:
    columns = [
        passage.c.id,
        passage.c.document_id,
        passage.c.source,
        passage.c.rights_id,
        passage.c.language,
        passage.c.valid_from,
        passage.c.valid_to,
        passage.c.live,
        passage.c.seq,
        passage.c.index_text,
    ]
    if model is None:
        return select(*columns)
    same_text = and_(embedding.c.text_hash == passage.c.text_hash, embedding.c.model == model)
    return select(*columns, embedding.c.vector).join_from(passage, embedding, same_text, isouter=True)


def _index_row(data: RowMapping) -> IndexRow:
    return IndexRow(
        passage_id=data["id"],
        document_id=data["document_id"],
        source=data["source"],
        rights_id=data["rights_id"],
        language=data["language"],
        valid_from_day=_day(data["valid_from"], ALWAYS_FROM_DAY, round_up=False),
        valid_to_day=_day(data["valid_to"], ALWAYS_TO_DAY, round_up=True),
        live=bool(data["live"]),
        seq=data["seq"],
        text=data["index_text"] if data["live"] else "",
        vector=_vector(data.get("vector")),
    )


def _vector(stored: bytes | None) -> Vector | None:
    return None if stored is None else np.frombuffer(stored, "<f4").astype(np.float32, copy=False)


def _day(stored: str | None, when_open: int, *, round_up: bool) -> int:
    """Days since 1970; rounded so that the index admits a little too much, never too little."""
    if stored is None:
        return when_open
    seconds = from_iso(stored).timestamp()
    return int(-(-seconds // 86_400) if round_up else seconds // 86_400)


def titled_documents(connection: Connection, tenant: str, after_seq: int) -> list[Titled]:
    columns = (document.c.id, document.c.title, document.c.external_id, document.c.deleted, document.c.seq)
    changed = (document.c.tenant == tenant, document.c.seq > after_seq)
    rows = connection.execute(select(*columns).where(*changed).order_by(document.c.seq))
    return [
        Titled(row.id, row.title, PurePosixPath(row.external_id).stem, row.deleted is None, row.seq)
        for row in rows
    ]


def live_ids(connection: Connection, tenant: str, chunking: str) -> set[int]:
    mine = passage.c.tenant == tenant, passage.c.chunking == chunking, passage.c.live.is_(True)
    return set(connection.execute(select(passage.c.id).where(*mine)).scalars())


_SHOWN: Select[*tuple[Any, ...]] = select(
    passage.c.id.label("passage_id"),
    passage.c.document_id,
    passage.c.version,
    passage.c.ordinal,
    passage.c.tenant,
    passage.c.source,
    passage.c.language,
    passage.c.text,
    passage.c.page,
    passage.c.page_to,
    passage.c.boxes,
    passage.c.heading_path,
    passage.c.sheet,
    passage.c.is_table,
    passage.c.ocr_confidence,
    document.c.external_id,
    document.c.title,
    document.c.residency,
    document.c.classification,
    document.c.modified,
    document.c.synced,
    document.c.valid_from,
    passage.c.valid_to,
    document.c.valid_to.label("own_valid_to"),
    document.c.superseded_at,
    document.c.supersedes,
    document.c.rights_id,
    passage.c.rights_id.label("own_rights_id"),
).join_from(passage, document, document.c.id == passage.c.document_id)

# Everything but rights: the document's own state now, at the moment that the question speaks of.
_AT = bindparam("at", type_=String)
_LIVE: tuple[ColumnElement[bool], ...] = (
    only_filter(document.c.tenant) == bindparam("tenant"),
    only_filter(document.c.source).in_(bindparam("sources", expanding=True)),
    document.c.deleted.is_(None),
    *(document.c.status != silent for silent in _SILENT),
    passage.c.live.is_(True),
)
_IN_FORCE: tuple[ColumnElement[bool], ...] = (
    *_LIVE,
    *in_force_at(_AT),
)
_ENDED = passage.c.valid_to <= _AT
_OF_DOCUMENTS = document.c.id.in_(bindparam("documents", expanding=True))
_BY_ID = _SHOWN.where(passage.c.id.in_(bindparam("ids", expanding=True)), *_IN_FORCE)
_BY_ID_OF_DOCUMENTS = _BY_ID.where(_OF_DOCUMENTS)
_ENDED_BY_ID = _SHOWN.where(passage.c.id.in_(bindparam("ids", expanding=True)), *_LIVE, _ENDED)
_ENDED_BY_ID_OF_DOCUMENTS = _ENDED_BY_ID.where(_OF_DOCUMENTS)
_OF_CHUNKING = passage.c.chunking == bindparam("chunking", type_=String)
_NEIGHBOURS = _SHOWN.where(
    passage.c.document_id == bindparam("near"),
    passage.c.version == bindparam("version"),
    _OF_CHUNKING,
    passage.c.ordinal.between(bindparam("first"), bindparam("last")),
    passage.c.ordinal != bindparam("own"),
    *_IN_FORCE,
).order_by(passage.c.ordinal)
_WHOLE_DOCUMENTS = (
    _SHOWN.where(*_IN_FORCE, _OF_DOCUMENTS, _OF_CHUNKING)
    .order_by(passage.c.document_id, passage.c.ordinal)
    .limit(bindparam("most", type_=Integer))
)


def permitted_passages(
    connection: Connection, passage_ids: Sequence[int], scope: Scope
) -> dict[int, Passage]:
    found: dict[int, Passage] = {}
    plain, of_documents = (
        (_ENDED_BY_ID, _ENDED_BY_ID_OF_DOCUMENTS) if scope.ended else (_BY_ID, _BY_ID_OF_DOCUMENTS)
    )
    statement = of_documents if scope.document_ids else plain
    for start in range(0, len(passage_ids), _BATCH):
        wanted = {"ids": passage_ids[start : start + _BATCH]}
        rows = connection.execute(statement, wanted | _in_force(scope)).all()
        rows = [row for row in rows if _may_see(row, scope)]
        early = _not_yet_successor(connection, rows, scope)
        rows = [row for row in rows if row.document_id not in early]
        untold = _with_hidden_successor(connection, rows, scope)
        found |= {row.passage_id: _passage(row, untold) for row in rows}
    if scope.ended:  # what something unseen has ended has not ended for this person
        ends = {key: shown.valid_to for key, shown in found.items()}
        found = {key: found[key] for key, end in ends.items() if end is not None and end <= scope.as_of}
    return found


def _not_yet_successor(
    connection: Connection, rows: Sequence[Row[*tuple[Any, ...]]], scope: Scope
) -> frozenset[str]:
    """Documents that name no day and were not yet known when `scope.as_of` was: what they supersede held then."""
    undated = {
        row.document_id: (row.source, row.supersedes)
        for row in rows
        if row.supersedes and row.valid_from is None
    }
    if not undated:
        return frozenset()
    later = connection.execute(
        select(document.c.source, document.c.external_id).where(
            document.c.tenant == scope.tenant,
            document.c.external_id.in_([external_id for _, external_id in undated.values()]),
            document.c.superseded_at > iso(scope.as_of),
        )
    )
    held = {(row.source, row.external_id) for row in later}
    return frozenset(identity for identity, key in undated.items() if key in held)


def _with_hidden_successor(
    connection: Connection, rows: Sequence[Row[*tuple[Any, ...]]], scope: Scope
) -> frozenset[str]:
    """Documents that were ended by a successor none of which this person may see: their end is not told."""
    superseded = {row.document_id: (row.source, row.external_id) for row in rows if row.superseded_at}
    if not superseded:
        return frozenset()
    successors = connection.execute(
        select(document.c.source, document.c.supersedes, document.c.rights_id).where(
            document.c.tenant == scope.tenant,
            document.c.supersedes.in_([external_id for _, external_id in superseded.values()]),
            document.c.deleted.is_(None),
        )
    )
    seen = {(row.source, row.supersedes) for row in successors if row.rights_id in scope.rights_ids}
    return frozenset(identity for identity, key in superseded.items() if key not in seen)


def neighbouring_passages(
    connection: Connection, near: Passage, scope: Scope, reach: int, chunking: str
) -> list[Passage]:
    """A document's rights are those of all its passages, and are checked again here all the same."""
    if scope.ended or (scope.document_ids and near.document_id not in scope.document_ids):
        return []
    wanted = {
        "near": near.document_id,
        "version": near.version,
        "chunking": chunking,
        "first": near.ordinal - reach,
        "last": near.ordinal + reach,
        "own": near.ordinal,
    }
    rows = connection.execute(_NEIGHBOURS, wanted | _in_force(scope))
    return [_passage(row) for row in rows if _may_see(row, scope)]


def document_passages(connection: Connection, scope: Scope, limit: int, chunking: str) -> list[Passage]:
    """The passages of the scope's documents in their order; a scope without documents gives none."""
    if not scope.document_ids:
        return []
    rows = connection.execute(_WHOLE_DOCUMENTS, {"most": limit, "chunking": chunking} | _in_force(scope))
    return [_passage(row) for row in rows if _may_see(row, scope)]


def _may_see(row: Row[*tuple[Any, ...]], scope: Scope) -> bool:
    """By the document's rights and by the passage's: one of an older version may be narrower than its document now."""
    return row.rights_id in scope.rights_ids and row.own_rights_id in scope.rights_ids


def _in_force(scope: Scope) -> dict[str, Any]:
    return {
        "tenant": scope.tenant,
        "sources": sorted(scope.sources),
        "at": iso(scope.as_of),
        "documents": sorted(scope.document_ids),
    }


def _passage(row: Row[*tuple[Any, ...]], untold: frozenset[str] = frozenset()) -> Passage:
    by_successor = row.valid_to is not None and row.valid_to == row.superseded_at
    ends = row.own_valid_to if by_successor and row.document_id in untold else row.valid_to
    return Passage(
        passage_id=str(row.passage_id),
        document_id=row.document_id,
        version=row.version,
        external_id=row.external_id,
        source=row.source,
        tenant=row.tenant,
        title=row.title,
        text=row.text,
        ordinal=row.ordinal,
        language=row.language,
        page=row.page,
        page_to=row.page_to,
        boxes=tuple((int(page), tuple(box)) for page, box in row.boxes),  # type: ignore[misc]
        heading_path=tuple(row.heading_path),
        sheet=row.sheet,
        residency=row.residency,
        classification=row.classification,
        modified=_moment(row.modified),
        synced=_moment(row.synced),
        valid_from=_moment(row.valid_from),
        valid_to=_moment(ends),
        is_table=bool(row.is_table),
        ocr_confidence=row.ocr_confidence,
    )


def _moment(stored: str | None) -> datetime | None:
    return from_iso(stored) if stored else None
