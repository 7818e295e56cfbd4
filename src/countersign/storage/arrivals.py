"""One version of a document at the door of the database: what was there before decides what must happen.

While a newer version waits to be read, the older one still answers; it never gets wider meanwhile, because what was said
of the new content was not said of the old.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, insert, select, update

from countersign.corpus.ingest import Received, Seen
from countersign.domain.clock import iso
from countersign.domain.documents import DocumentStatus, SourceDocument
from countersign.domain.events import Event, EventKind
from countersign.domain.ids import new_id
from countersign.storage.database import next_seq
from countersign.storage.document_changes import (
    carry_to_children,
    carry_to_passages,
    effective_rights,
    settle_end,
    settle_supersession,
    withdraw_passages,
)
from countersign.storage.events import append_in
from countersign.storage.jobs import enqueue_in
from countersign.storage.rights import intern
from countersign.storage.source_state import require_newest
from countersign.storage.tables import document, document_version

INGEST_JOB = "ingest"
_STILL_OPEN = ("queued",)

_SILENT = frozenset({"rights_origin"})
"""Where rights are written down moves with every row above; nothing that anybody notices changed."""


def said_of(doc: SourceDocument) -> dict[str, Any]:
    """What a source says of a document, as the columns hold it."""
    return {
        "title": doc.title or doc.filename,
        "rights_origin": doc.rights_origin,
        "own_rights": doc.rights.canonical(),
        "residency": doc.residency,
        "classification": doc.classification,
        "owner": doc.owner,
        "modified": iso_or_none(doc.modified),
        "valid_from": iso_or_none(doc.valid_from),
        "valid_to": iso_or_none(doc.valid_to),
        "supersedes": doc.supersedes,
        "parts": {part.filename: part_to_json(part) for part in doc.parts},
    }


def held_by_policy(status: str, parse_status: str) -> bool:
    """Quarantined for what was found in it: it had been read. A source's own quarantine comes before reading."""
    return status == DocumentStatus.QUARANTINED and bool(parse_status)


class Arrival:
    """`provisional`: only what is said of the document is new; its content is there but is about to be read again."""

    def __init__(
        self,
        doc: SourceDocument,
        sha: str,
        blob: str,
        size: int,
        parent_id: str,
        actor: str,
        now: datetime,
        seen: Seen = Seen(),  # noqa: B008 - frozen
        *,
        provisional: bool = False,
    ) -> None:
        self.doc, self.sha, self.blob, self.size = doc, sha, blob, size
        self.parent_id, self.actor, self.now = parent_id, actor, now
        self.seen, self.provisional = seen, provisional

    def write(self, connection: Connection) -> Received:
        if self.seen.pass_number:
            require_newest(connection, self.doc.tenant, self.doc.source, self.seen.pass_number)
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
        effective = effective_rights(connection, self.doc.rights, self.parent_id)
        return {
            **said_of(self.doc),
            "rights_id": intern(connection, self.doc.tenant, effective),
            "parent_id": self.parent_id or None,
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
            "seq": next_seq(connection),
            **self._confirmed(),
        }
        connection.execute(insert(document).values(**values))
        return self._queue(connection, document_id, 1, "new")

    def _confirmed(self) -> dict[str, Any]:
        """What is noted of the moment that a source showed this content."""
        if self.provisional:
            return {"seen_pass": self.seen.pass_number}
        return {
            "synced": iso(self.now),
            "revision": self.seen.revision,
            "seen_pass": self.seen.pass_number,
            "problem": "",
        }

    def _end_of_holder(self, connection: Connection) -> str | None:
        """Whatever is inside a replaced document is replaced with it."""
        query = select(document.c.superseded_at).where(document.c.id == self.parent_id)
        return connection.execute(query).scalar() if self.parent_id else None

    def _update(self, connection: Connection, before: RowMapping, facts: dict[str, Any]) -> Received:
        document_id, version = str(before["id"]), int(before["version"])
        newest = version_of(connection, document_id, version)
        held = held_by_policy(before["status"], newest["parse_status"] if newest else "")
        was_quarantined = before["status"] == DocumentStatus.QUARANTINED and not held
        quarantine_changed = was_quarantined != bool(self.doc.quarantine)
        same_content = bool(newest and newest["sha256"] == self.sha and before["deleted"] is None)
        changed = {name: value for name, value in facts.items() if before[name] != value}
        row = update(document).where(document.c.id == document_id)
        if same_content and not quarantine_changed and changed.keys() <= _SILENT:
            connection.execute(row.values(**changed, **self._confirmed()))
            return self._unchanged(connection, document_id, version, newest)
        seq = next_seq(connection)
        noted = {"updated": iso(self.now), "deleted": None, "seq": seq, **self._confirmed()}
        connection.execute(row.values(**changed, **noted))
        carry_to_passages(connection, document_id, seq, replaced=not same_content)
        carry_to_children(connection, before)
        if before["supersedes"] not in ("", self.doc.supersedes):
            key = (self.doc.tenant, self.doc.source, before["supersedes"])
            settle_end(connection, *key, self.now, taken_back=True)
        self._event(connection, EventKind.DOCUMENT_RIGHTS_CHANGED, document_id, {"fields": sorted(changed)})
        keeps = self.provisional or ("parts" not in changed and not held)
        if same_content and not quarantine_changed and keeps:
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


def version_of(connection: Connection, document_id: str, version: int) -> RowMapping | None:
    where = and_(document_version.c.document_id == document_id, document_version.c.version == version)
    return connection.execute(select(document_version).where(where)).mappings().first()


def part_to_json(part: SourceDocument) -> dict[str, Any]:
    return {
        "tenant": part.tenant,
        "title": part.title,
        "rights": part.rights.canonical(),
        "rights_origin": part.rights_origin,
        "residency": part.residency,
        "classification": part.classification,
        "owner": part.owner,
        "valid_from": iso_or_none(part.valid_from),
        "valid_to": iso_or_none(part.valid_to),
        "quarantine": part.quarantine,
    }


def iso_or_none(moment: datetime | None) -> str | None:
    return iso(moment) if moment else None
