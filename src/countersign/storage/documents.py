"""Documents in the database: received, completed, changed, removed. Every change takes one mutation number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, exists, insert, select, update

from countersign.corpus.ingest import Cut, Indexable, Pending, Received, Seen, Uncut, title_of
from countersign.corpus.seams import Vectors
from countersign.domain.clock import from_iso, iso
from countersign.domain.documents import DocumentStatus, ParseStatus, Rights, SourceDocument
from countersign.domain.events import Event, EventKind
from countersign.storage.arrivals import INGEST_JOB, Arrival
from countersign.storage.cuts import (
    add_cut,
    find_uncut,
    find_unembedded,
    insert_cut,
    queue_missing,
    renew_rows,
)
from countersign.storage.database import Database, next_seq
from countersign.storage.document_changes import (
    delete_document,
    end_of_validity,
    settle_supersession,
    withdraw_passages,
)
from countersign.storage.events import append_in
from countersign.storage.index_versions import kept_shapes
from countersign.storage.tables import document, document_version, embedding

__all__ = ["INGEST_JOB", "SqlDocumentStore"]
_FOUND = frozenset({ParseStatus.OK, ParseStatus.PARTIAL})


class SqlDocumentStore:
    """`corpus.ingest.DocumentStore` on SQLite and Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def receive(
        self,
        document: SourceDocument,
        *,
        sha: str,
        blob: str,
        size: int,
        parent_id: str,
        actor: str,
        now: datetime,
        seen: Seen = Seen(),  # noqa: B008 - frozen
    ) -> Received:
        arrival = Arrival(document, sha, blob, size, parent_id, actor, now, seen)
        return await self._database.write(arrival.write)

    async def pending(self, document_id: str, version: int) -> Pending | None:
        return await self._database.read(_pending, document_id, version)

    async def known_vectors(self, model: str, text_hashes: Sequence[str]) -> set[str]:
        return await self._database.read(_known_vectors, model, list(set(text_hashes)))

    async def add_vectors(self, model: str, text_hashes: Sequence[str], vectors: Vectors) -> None:
        await self._database.write(_add_vectors, model, text_hashes, vectors)

    async def kept(self) -> tuple[tuple[str, str], ...]:
        shapes = await self._database.read(kept_shapes)
        return tuple((shape.chunking, shape.embedder) for shape in shapes)

    async def complete(self, pending: Pending, outcome: Indexable, now: datetime) -> bool:
        return await self._database.write(_complete, pending, outcome, now)

    async def uncut(self, document_id: str, chunking: str) -> Uncut | None:
        return await self._database.read(find_uncut, document_id, chunking)

    async def add_cut(self, uncut: Uncut, cut: Cut | None, chunking: str) -> bool:
        return await self._database.write(add_cut, uncut, cut, chunking)

    async def unembedded(self, document_id: str, chunking: str, model: str) -> tuple[str, Mapping[str, str]]:
        return await self._database.read(find_unembedded, document_id, chunking, model)

    async def renew(self, document_id: str, chunking: str) -> None:
        await self._database.write(renew_rows, document_id, chunking)


# -- what the job does -----------------------------------------------------------------------------------------
def _pending(connection: Connection, document_id: str, version: int) -> Pending | None:
    row = (
        connection.execute(
            select(document, document_version.c.blob, document_version.c.filename, document_version.c.mime)
            .join(document_version, document_version.c.document_id == document.c.id)
            .where(
                document.c.id == document_id,
                document.c.version == version,
                document.c.deleted.is_(None),
                document_version.c.version == version,
                document_version.c.state == "queued",
            )
        )
        .mappings()
        .first()
    )
    if row is None:
        return None
    said = source_document(row)
    parts = {name: _part_from_json(part, said) for name, part in row["parts"].items()}
    return Pending(said, document_id, version, row["blob"], parts)


def _complete(connection: Connection, pending: Pending, outcome: Indexable, now: datetime) -> bool:
    current = (
        connection.execute(
            select(document)
            .where(
                document.c.id == pending.document_id,
                document.c.version == pending.version,
                document.c.deleted.is_(None),
                _still_queued(),
            )
            .with_for_update()
        )
        .mappings()
        .first()
    )
    if current is None:  # replaced, deleted, or done by a worker that took this one for dead
        return True
    found = outcome.parsed.status in _FOUND and not outcome.quarantine
    shapes = kept_shapes(connection) if found else ()
    made = {(cut.chunking, model) for cut in outcome.cuts for model in cut.models}
    if {(shape.chunking, shape.embedder) for shape in shapes} - made:  # one began to be built since
        return False
    kept = {shape.chunking for shape in shapes}
    seq = next_seq(connection)
    withdraw_passages(connection, pending.document_id, seq)
    for cut in outcome.cuts if found else ():
        if cut.chunking in kept:
            insert_cut(connection, current, pending.version, end_of_validity(current), cut, seq)
    queue_missing(connection, pending.document_id, current["tenant"], outcome.cuts, now)
    _note_outcome(connection, pending, outcome, seq, now)
    _drop_parts_no_longer_inside(connection, pending, outcome, now)
    if found:
        settle_supersession(connection, pending.document, now)
    kind = EventKind.DOCUMENT_INDEXED if found else EventKind.DOCUMENT_FAILED
    kind = EventKind.DOCUMENT_QUARANTINED if outcome.quarantine else kind
    facts = {
        "version": pending.version,
        "parse_status": outcome.parsed.status.value,
        "reason": outcome.quarantine or outcome.parsed.reason,
        "passages": outcome.passages,
        "settings": outcome.settings,
    }
    append_in(connection, [Event(kind, current["tenant"], "ingestion", pending.document_id, now, facts)])
    return True


def _still_queued() -> ColumnElement[bool]:
    same = and_(
        document_version.c.document_id == document.c.id, document_version.c.version == document.c.version
    )
    return exists().where(same, document_version.c.state == "queued")


def _drop_parts_no_longer_inside(
    connection: Connection, pending: Pending, outcome: Indexable, now: datetime
) -> None:
    inside = {f"{pending.document.external_id}#{part.filename}" for part in outcome.parsed.attachments}
    parts = connection.execute(
        select(document.c.id, document.c.external_id).where(
            document.c.parent_id == pending.document_id, document.c.deleted.is_(None)
        )
    ).all()
    for part in parts:
        if part.external_id not in inside:
            delete_document(connection, part.id, "ingestion", now)


def _note_outcome(
    connection: Connection, pending: Pending, outcome: Indexable, seq: int, now: datetime
) -> None:
    parsed = outcome.parsed
    found = parsed.status in _FOUND
    status = DocumentStatus.INDEXED if found else DocumentStatus.FAILED
    reason = "" if parsed.status is ParseStatus.OK else parsed.reason or parsed.status.value
    if outcome.quarantine:
        status, reason = DocumentStatus.QUARANTINED, outcome.quarantine
    values: dict[str, Any] = {"status": status, "reason": reason, "updated": iso(now), "seq": seq}
    said = pending.document
    if said.title in ("", said.filename):
        values["title"] = title_of("", said.filename, parsed)
    connection.execute(update(document).where(document.c.id == pending.document_id).values(**values))
    version = {
        "state": status.value,
        "parse_status": parsed.status.value,
        "reason": outcome.quarantine or parsed.reason,
        "parser": parsed.parser,
        "mime": parsed.mime or pending.document.mime,
        "pages": parsed.pages,
        "languages": list(parsed.languages),
        "findings": [_finding_to_json(finding) for finding in parsed.findings],
        "settings": outcome.settings,
        "indexed": iso(now),
    }
    where = and_(
        document_version.c.document_id == pending.document_id, document_version.c.version == pending.version
    )
    connection.execute(update(document_version).where(where).values(**version))


def _known_vectors(connection: Connection, model: str, hashes: list[str]) -> set[str]:
    where = and_(embedding.c.model == model, embedding.c.text_hash.in_(hashes))
    return set(connection.execute(select(embedding.c.text_hash).where(where)).scalars())


def _add_vectors(connection: Connection, model: str, hashes: Sequence[str], vectors: Vectors) -> None:
    known = _known_vectors(connection, model, list(hashes))
    rows = [
        {"text_hash": h, "model": model, "vector": vector.astype("<f4").tobytes()}
        for h, vector in zip(hashes, vectors, strict=True)
        if h not in known
    ]
    if rows:
        connection.execute(insert(embedding), rows)


# -- rows and values --------------------------------------------------------------------------------------------
def source_document(row: RowMapping) -> SourceDocument:
    """What its source said of it, from a row of `document` with `filename` and `mime` of a version."""
    return SourceDocument(
        source=row["source"],
        external_id=row["external_id"],
        tenant=row["tenant"],
        title=row["title"],
        filename=row["filename"],
        mime=row["mime"],
        rights=Rights.from_canonical(row["own_rights"]),
        rights_origin=row["rights_origin"],
        residency=row["residency"],
        classification=row["classification"],
        owner=row["owner"],
        modified=_moment(row["modified"]),
        valid_from=_moment(row["valid_from"]),
        valid_to=_moment(row["valid_to"]),
        supersedes=row["supersedes"],
    )


def _part_from_json(part: dict[str, Any], parent: SourceDocument) -> SourceDocument:
    return SourceDocument(
        source=parent.source,
        external_id="",
        tenant=part["tenant"],
        title=part["title"],
        filename="",
        mime="",
        rights=Rights.from_canonical(part["rights"]),
        rights_origin=part["rights_origin"],
        residency=part["residency"],
        classification=part["classification"],
        owner=part["owner"],
        valid_from=_moment(part["valid_from"]),
        valid_to=_moment(part["valid_to"]),
        quarantine=part["quarantine"],
    )


def _finding_to_json(finding: Any) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "message": finding.message,
        "page": finding.page,
        "evidence": finding.evidence,
    }


def _moment(text: str | None) -> datetime | None:
    return from_iso(text) if text else None
