"""Documents in the database: received, completed, changed, removed. Every change takes one mutation number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, insert, or_, select, update

from countersign.corpus.ingest import Indexable, Pending, Received
from countersign.corpus.seams import Vectors
from countersign.domain.clock import from_iso, iso
from countersign.domain.documents import DocumentStatus, ParseStatus, Rights, SourceDocument
from countersign.domain.events import Event, EventKind
from countersign.domain.ids import new_id
from countersign.storage.database import Database, next_seq
from countersign.storage.document_changes import (
    carry_to_children,
    carry_to_passages,
    delete_document,
    effective_rights,
    end_of_validity,
    settle_end,
    settle_supersession,
    withdraw_passages,
)
from countersign.storage.events import append_in
from countersign.storage.jobs import enqueue_in
from countersign.storage.rights import intern
from countersign.storage.tables import document, document_version, embedding, passage, source_state

INGEST_JOB = "ingest"
_STILL_OPEN = ("queued",)
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
    ) -> Received:
        arrival = _Arrival(document, sha, blob, size, parent_id, actor, now)
        return await self._database.write(arrival.write)

    async def pending(self, document_id: str, version: int) -> Pending | None:
        return await self._database.read(_pending, document_id, version)

    async def known_vectors(self, model: str, text_hashes: Sequence[str]) -> set[str]:
        return await self._database.read(_known_vectors, model, list(set(text_hashes)))

    async def add_vectors(self, model: str, text_hashes: Sequence[str], vectors: Vectors) -> None:
        await self._database.write(_add_vectors, model, text_hashes, vectors)

    async def complete(self, pending: Pending, outcome: Indexable, now: datetime) -> None:
        await self._database.write(_complete, pending, outcome, now)

    async def remove_absent(
        self, tenant: str, source: str, present: set[str], actor: str, now: datetime
    ) -> int:
        return await self._database.write(_remove_absent, tenant, source, present, actor, now)

    async def synced(self, tenant: str, source: str, count: int, now: datetime, error: str = "") -> None:
        """Note the end of a pass over a source; with `error` the last success stays what it was."""
        await self._database.write(_synced, tenant, source, count, now, error)


class _Arrival:
    """One document version at the door: what was there before decides what must happen."""

    def __init__(
        self, doc: SourceDocument, sha: str, blob: str, size: int, parent_id: str, actor: str, now: datetime
    ) -> None:
        self.doc, self.sha, self.blob, self.size = doc, sha, blob, size
        self.parent_id, self.actor, self.now = parent_id, actor, now

    def write(self, connection: Connection) -> Received:
        key = and_(
            document.c.tenant == self.doc.tenant,
            document.c.source == self.doc.source,
            document.c.external_id == self.doc.external_id,
        )
        before = connection.execute(select(document).where(key).with_for_update()).mappings().first()
        facts = self._facts(connection)
        if before is None:
            return self._create(connection, facts)
        if not self.doc.title:  # the parse may have found a better one than the filename
            del facts["title"]
        return self._update(connection, before, facts)

    def _facts(self, connection: Connection) -> dict[str, Any]:
        doc = self.doc
        return {
            "title": doc.title or doc.filename,
            "rights_id": intern(
                connection, doc.tenant, effective_rights(connection, doc.rights, self.parent_id)
            ),
            "rights_origin": doc.rights_origin,
            "own_rights": doc.rights.canonical(),
            "residency": doc.residency,
            "classification": doc.classification,
            "owner": doc.owner,
            "modified": _iso(doc.modified),
            "valid_from": _iso(doc.valid_from),
            "valid_to": _iso(doc.valid_to),
            "supersedes": doc.supersedes,
            "parent_id": self.parent_id or None,
            "parts": {part.filename: _part_to_json(part) for part in doc.parts},
        }

    def _create(self, connection: Connection, facts: dict[str, Any]) -> Received:
        document_id = new_id("doc")
        values = {
            **facts,
            "id": document_id,
            "tenant": self.doc.tenant,
            "source": self.doc.source,
            "external_id": self.doc.external_id,
            "status": DocumentStatus.QUARANTINED if self.doc.quarantine else DocumentStatus.QUEUED,
            "reason": self.doc.quarantine,
            "superseded_at": self._end_of_holder(connection),
            "version": 1,
            "created": iso(self.now),
            "updated": iso(self.now),
            "synced": iso(self.now),
            "seq": next_seq(connection),
        }
        connection.execute(insert(document).values(**values))
        return self._queue(connection, document_id, 1, "new")

    def _end_of_holder(self, connection: Connection) -> str | None:
        """Whatever is inside a replaced document is replaced with it."""
        query = select(document.c.superseded_at).where(document.c.id == self.parent_id)
        return connection.execute(query).scalar() if self.parent_id else None

    def _update(self, connection: Connection, before: RowMapping, facts: dict[str, Any]) -> Received:
        document_id, version = str(before["id"]), int(before["version"])
        newest = _version(connection, document_id, version)
        quarantine_changed = (before["status"] == DocumentStatus.QUARANTINED) != bool(self.doc.quarantine)
        same_content = bool(newest and newest["sha256"] == self.sha and before["deleted"] is None)
        changed = {name: value for name, value in facts.items() if before[name] != value}
        if same_content and not changed and not quarantine_changed:
            connection.execute(
                update(document).where(document.c.id == document_id).values(synced=iso(self.now))
            )
            return self._unchanged(connection, document_id, version, newest)
        seq = next_seq(connection)
        changed |= {"synced": iso(self.now), "updated": iso(self.now), "deleted": None, "seq": seq}
        connection.execute(update(document).where(document.c.id == document_id).values(**changed))
        carry_to_passages(connection, document_id, seq)
        carry_to_children(connection, before)
        if before["supersedes"] not in ("", self.doc.supersedes):
            key = (self.doc.tenant, self.doc.source, before["supersedes"])
            settle_end(connection, *key, self.now, taken_back=True)
        self._event(connection, EventKind.DOCUMENT_RIGHTS_CHANGED, document_id, {"fields": sorted(changed)})
        if same_content and not quarantine_changed and "parts" not in changed:
            settle_supersession(connection, self.doc, self.now)
            return replace(self._unchanged(connection, document_id, version, newest), change="metadata")
        return self._next_version(connection, document_id, version)

    def _unchanged(
        self, connection: Connection, document_id: str, version: int, newest: RowMapping | None
    ) -> Received:
        job_id = str(newest["job_id"]) if newest else ""
        if newest and newest["state"] == "queued":  # its job may have given up: asking again starts it again
            enqueue_in(connection, INGEST_JOB, self.doc.tenant, f"{document_id}:{version}", self.now)
        return Received(document_id, version, job_id, "unchanged")

    def _next_version(self, connection: Connection, document_id: str, version: int) -> Received:
        status = DocumentStatus.QUARANTINED if self.doc.quarantine else DocumentStatus.QUEUED
        where = document.c.id == document_id
        connection.execute(
            update(document)
            .where(where)
            .values(version=version + 1, status=status, reason=self.doc.quarantine)
        )
        connection.execute(
            update(document_version)
            .where(document_version.c.document_id == document_id, document_version.c.state.in_(_STILL_OPEN))
            .values(state="replaced")
        )
        if self.doc.quarantine:
            withdraw_passages(connection, document_id, next_seq(connection))
        return self._queue(connection, document_id, version + 1, "content")

    def _queue(self, connection: Connection, document_id: str, version: int, change: str) -> Received:
        quarantined = bool(self.doc.quarantine)
        job_id = ""
        if not quarantined:
            subject = f"{document_id}:{version}"
            job_id = enqueue_in(connection, INGEST_JOB, self.doc.tenant, subject, self.now)
        connection.execute(
            insert(document_version).values(
                document_id=document_id,
                version=version,
                state="quarantined" if quarantined else "queued",
                sha256=self.sha,
                blob=self.blob,
                size=self.size,
                filename=self.doc.filename,
                mime=self.doc.mime,
                reason=self.doc.quarantine,
                languages=[],
                findings=[],
                job_id=job_id,
                created=iso(self.now),
            )
        )
        kind = EventKind.DOCUMENT_QUARANTINED if quarantined else EventKind.DOCUMENT_RECEIVED
        self._event(
            connection, kind, document_id, {"version": version, "sha256": self.sha, "size": self.size}
        )
        return Received(document_id, version, job_id, "quarantined" if quarantined else change)

    def _event(self, connection: Connection, kind: EventKind, subject: str, facts: dict[str, object]) -> None:
        append_in(connection, [Event(kind, self.doc.tenant, self.actor, subject, self.now, facts)])


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
    source_document = _source_document(row)
    parts = {name: _part_from_json(part, source_document) for name, part in row["parts"].items()}
    return Pending(source_document, document_id, version, row["blob"], parts)


def _complete(connection: Connection, pending: Pending, outcome: Indexable, now: datetime) -> None:
    current = (
        connection.execute(
            select(document)
            .where(
                document.c.id == pending.document_id,
                document.c.version == pending.version,
                document.c.deleted.is_(None),
            )
            .with_for_update()
        )
        .mappings()
        .first()
    )
    if current is None:  # replaced or deleted while the job ran: its successor's job does the work
        return
    seq = next_seq(connection)
    withdraw_passages(connection, pending.document_id, seq)
    found = outcome.parsed.status in _FOUND
    if found:
        _insert_passages(connection, current, outcome, seq)
    _note_outcome(connection, pending, outcome, seq, now)
    _drop_parts_no_longer_inside(connection, pending, outcome, now)
    if found:
        settle_supersession(connection, pending.document, now)
    kind = EventKind.DOCUMENT_INDEXED if found else EventKind.DOCUMENT_FAILED
    facts = {
        "version": pending.version,
        "parse_status": outcome.parsed.status.value,
        "reason": outcome.parsed.reason,
        "passages": len(outcome.chunks),
        "settings": outcome.settings,
    }
    append_in(connection, [Event(kind, current["tenant"], "ingestion", pending.document_id, now, facts)])


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


def _insert_passages(connection: Connection, doc: RowMapping, outcome: Indexable, seq: int) -> None:
    shared = {
        "document_id": doc["id"],
        "version": doc["version"],
        "tenant": doc["tenant"],
        "source": doc["source"],
        "rights_id": doc["rights_id"],
        "valid_from": doc["valid_from"],
        "valid_to": end_of_validity(doc),
        "live": True,
        "seq": seq,
    }
    rows = [
        {
            **shared,
            "ordinal": chunk.ordinal,
            "language": chunk.language,
            "text": chunk.text,
            "index_text": chunk.index_text,
            "text_hash": text_hash,
            "page": chunk.page,
            "page_to": chunk.page_to,
            "boxes": [[page, list(box)] for page, box in chunk.boxes],
            "heading_path": list(chunk.heading_path),
            "sheet": chunk.sheet,
            "is_table": chunk.is_table,
            "ocr_confidence": chunk.ocr_confidence,
            "token_count": chunk.token_count,
        }
        for chunk, text_hash in zip(outcome.chunks, outcome.text_hashes, strict=True)
    ]
    connection.execute(insert(passage), rows)


def _note_outcome(
    connection: Connection, pending: Pending, outcome: Indexable, seq: int, now: datetime
) -> None:
    parsed = outcome.parsed
    found = parsed.status in _FOUND
    status = DocumentStatus.INDEXED if found else DocumentStatus.FAILED
    reason = "" if parsed.status is ParseStatus.OK else parsed.reason or parsed.status.value
    values: dict[str, Any] = {"status": status, "reason": reason, "updated": iso(now), "seq": seq}
    if not pending.document.title or pending.document.title == pending.document.filename:
        values["title"] = parsed.title or pending.document.filename
    connection.execute(update(document).where(document.c.id == pending.document_id).values(**values))
    version = {
        "state": status.value,
        "parse_status": parsed.status.value,
        "reason": parsed.reason,
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


# -- the end of a pass over a source ----------------------------------------------------------------------------
def _remove_absent(
    connection: Connection, tenant: str, source: str, present: set[str], actor: str, now: datetime
) -> int:
    where = and_(
        document.c.tenant == tenant,
        document.c.source == source,
        document.c.deleted.is_(None),
        or_(document.c.parent_id.is_(None), document.c.parent_id == ""),
    )
    rows = connection.execute(select(document.c.id, document.c.external_id).where(where)).all()
    gone = [row.id for row in rows if row.external_id not in present]
    for document_id in gone:
        delete_document(connection, document_id, actor, now)
    return len(gone)


def _synced(connection: Connection, tenant: str, source: str, count: int, now: datetime, error: str) -> None:
    where = and_(source_state.c.tenant == tenant, source_state.c.source == source)
    values: dict[str, Any] = (
        {"error": error} if error else {"error": "", "synced": iso(now), "documents": count}
    )
    if connection.execute(update(source_state).where(where).values(**values)).rowcount == 0:
        connection.execute(insert(source_state).values(tenant=tenant, source=source, data={}, **values))
    facts: dict[str, object] = {"documents": count, "error": error}
    append_in(connection, [Event(EventKind.SOURCE_SYNCED, tenant, "ingestion", source, now, facts)])


# -- rows and values --------------------------------------------------------------------------------------------
def _version(connection: Connection, document_id: str, version: int) -> RowMapping | None:
    where = and_(document_version.c.document_id == document_id, document_version.c.version == version)
    return connection.execute(select(document_version).where(where)).mappings().first()


def _source_document(row: RowMapping) -> SourceDocument:
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


def _part_to_json(part: SourceDocument) -> dict[str, Any]:
    return {
        "tenant": part.tenant,
        "title": part.title,
        "rights": part.rights.canonical(),
        "rights_origin": part.rights_origin,
        "residency": part.residency,
        "classification": part.classification,
        "owner": part.owner,
        "valid_from": _iso(part.valid_from),
        "valid_to": _iso(part.valid_to),
        "quarantine": part.quarantine,
    }


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


def _iso(moment: datetime | None) -> str | None:
    return iso(moment) if moment else None


def _moment(text: str | None) -> datetime | None:
    return from_iso(text) if text else None
