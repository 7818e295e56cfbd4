"""A pass over a source, in the database: what a batch of its listing confirms, and what it no longer lists.

A batch is one transaction. What is said of a document counts at once, before its content is read again, but only where
it narrows: what it opens waits for the content that it was said of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, func, or_, select, update

from countersign.corpus.ingest import Received, Seen
from countersign.domain.clock import iso
from countersign.domain.documents import DocumentStatus, Rights, SourceDocument
from countersign.sources.connector import Listed
from countersign.sources.trees import OF_ATTACHMENT
from countersign.storage.arrivals import INGEST_JOB, Arrival, held_by_policy, said_of
from countersign.storage.document_changes import delete_document
from countersign.storage.jobs import enqueue_in
from countersign.storage.source_state import require_newest
from countersign.storage.tables import document, document_version

ACTOR = "ingestion"
_BATCH = 500
_COMPARED = (
    "title", "rights_origin", "own_rights", "residency", "classification", "owner", "modified", "valid_from", "valid_to",
    "supersedes", "parts",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What became of one listed document in the commit of its batch."""

    received: Received | None = None
    must_read: bool = False
    """Its content may be new."""
    repeated: bool = False
    """This pass had listed it before."""
    before: str = ""
    """The sha256 of the content that is there; empty where there is none."""
    problem: str = ""
    """Why it cannot be taken in, as far as only the database knows."""


@dataclass(frozen=True, slots=True)
class Batch:
    """`tenants` are all that the source may speak for; no document stands in `items` twice."""

    source: str
    tenants: Sequence[str]
    pass_number: int
    items: Sequence[Listed]
    now: datetime


def confirm(connection: Connection, batch: Batch) -> list[Confirmed]:
    """In the order of `batch.items`. Raises `Conflict` (`sync_overtaken`)."""
    require_newest(connection, batch.tenants[0], batch.source, batch.pass_number)
    rows = _rows(connection, batch)
    _leave_other_tenants(connection, batch)
    found: list[Confirmed] = []
    same: list[str] = []
    pending: list[str] = []
    for item in batch.items:
        row = rows.get((item.document.tenant, item.document.external_id))
        if row is None or row["deleted"] is not None:
            found.append(Confirmed(must_read=not item.problem))
            continue
        if row["parent_id"]:  # it stands for what is inside another document, and follows that one's rights
            found.append(Confirmed(problem=OF_ATTACHMENT))
            continue
        confirmed = _compare(connection, batch, item, row)
        found.append(confirmed)
        (pending if confirmed.must_read or item.problem else same).append(row["id"])
    _note(connection, same, {"synced": iso(batch.now), "seen_pass": batch.pass_number, "problem": ""})
    _note(connection, pending, {"seen_pass": batch.pass_number})
    _confirm_parts(connection, same, batch.now)
    return found


def _compare(connection: Connection, batch: Batch, item: Listed, row: RowMapping) -> Confirmed:
    doc = item.document
    repeated = row["seen_pass"] >= batch.pass_number
    held = held_by_policy(row["status"], row["parse_status"] or "")
    was_quarantined = row["status"] == DocumentStatus.QUARANTINED and not held
    quarantine_changed = was_quarantined != bool(doc.quarantine)
    said = said_of(doc)
    if not doc.title:
        del said["title"]
    is_said_already = all(row[name] == value for name, value in said.items())
    same_content = bool(item.revision) and item.revision == row["revision"] and not item.problem
    if same_content and is_said_already and not quarantine_changed:
        if row["state"] == "queued":  # its job may have given up: asking again starts it again
            enqueue_in(connection, INGEST_JOB, doc.tenant, f"{row['id']}:{row['version']}", batch.now)
        return Confirmed(Received(row["id"], row["version"], row["job_id"], "unchanged"), repeated=repeated)
    seen = Seen(row["revision"], batch.pass_number)
    if same_content and not repeated:
        return Confirmed(_arrive(connection, batch, doc, row, seen, provisional=False))
    if doc.quarantine and quarantine_changed:  # fail closed, whatever becomes of its content
        received = _arrive(connection, batch, doc, row, seen, provisional=False)
        return Confirmed(received, repeated=repeated)
    if not is_said_already and not quarantine_changed:
        again = _set_aside(doc) != {name for name, said in row["parts"].items() if said["quarantine"]}
        _arrive(connection, batch, _narrowed(doc, row), row, seen, provisional=not again)
    must_read = not item.problem and not repeated
    return Confirmed(must_read=must_read, repeated=repeated, before=row["sha256"])


def _arrive(
    connection: Connection,
    batch: Batch,
    doc: SourceDocument,
    row: RowMapping,
    seen: Seen,
    *,
    provisional: bool,
) -> Received:
    """Said anew of the content that is there."""
    doc = replace(doc, filename=row["filename"], mime=row["mime"])
    known = (row["sha256"], row["blob"], row["size"])
    arrival = Arrival(doc, *known, "", ACTOR, batch.now, seen, provisional=provisional)
    return arrival.write(connection)


def _set_aside(doc: SourceDocument) -> set[str]:
    """Parts that are taken in or left out only when their holder is read."""
    return {part.filename for part in doc.parts if part.quarantine}


def _narrowed(doc: SourceDocument, row: RowMapping) -> SourceDocument:
    """What is said of content that was not read yet, as far as it may count for the content that was."""
    parts = tuple(
        replace(part, rights=_both(part.rights, row["parts"].get(part.filename, {}).get("rights")))
        for part in doc.parts
    )
    return replace(
        doc,
        title=row["title"],
        rights=_both(doc.rights, row["own_rights"]),
        residency=row["residency"] or doc.residency,
        classification=row["classification"] or doc.classification,
        parts=parts,
    )


def _both(said: Rights, before: str | None) -> Rights:
    return (
        said
        if before is None or said.canonical() == before
        else said.intersect(Rights.from_canonical(before))
    )


def _leave_other_tenants(connection: Connection, batch: Batch) -> None:
    """A document that now belongs to another tenant leaves the one before at once."""
    if len(batch.tenants) == 1:
        return
    for tenant in batch.tenants:
        others = [i.document.external_id for i in batch.items if i.document.tenant != tenant]
        mine = {i.document.external_id for i in batch.items if i.document.tenant == tenant}
        query = select(document.c.id).where(
            document.c.tenant == tenant,
            document.c.source == batch.source,
            document.c.external_id.in_([name for name in others if name not in mine]),
            document.c.deleted.is_(None),
        )
        for document_id in connection.execute(query).scalars().all():
            delete_document(connection, document_id, ACTOR, batch.now)


def _confirm_parts(connection: Connection, holders: list[str], now: datetime) -> None:
    """Whatever is inside a confirmed document is confirmed with it, level by level."""
    while holders:
        inside: list[str] = []
        for some in _parts(holders):
            query = select(document.c.id).where(document.c.parent_id.in_(some), document.c.deleted.is_(None))
            inside += connection.execute(query).scalars()
        _note(connection, inside, {"synced": iso(now)})
        holders = inside


def note_problems(
    connection: Connection, source: str, problems: Iterable[tuple[str, str, str]], pass_number: int
) -> None:
    """(tenant, external_id, code) of documents whose content could not be read: what was there before still answers."""
    for tenant, external_id, code in problems:
        where = and_(
            document.c.tenant == tenant, document.c.source == source, document.c.external_id == external_id
        )
        same_pass = document.c.seen_pass <= pass_number
        connection.execute(update(document).where(where, _is_whole(), same_pass).values(problem=code))


# -- what is no longer listed -----------------------------------------------------------------------------------
def count_absent(connection: Connection, tenant: str, source: str, pass_number: int) -> tuple[int, int]:
    """How many documents the pass did not list, and of how many."""
    there = _there(tenant, source)
    total = connection.execute(select(func.count()).select_from(document).where(there)).scalar_one()
    absent = select(func.count()).select_from(document).where(there, document.c.seen_pass < pass_number)
    return connection.execute(absent).scalar_one(), total


def moved(connection: Connection, tenant: str, source: str, pass_number: int, begun: str) -> list[str]:
    """Ids of absent documents whose very content came back under a name that this pass listed first."""
    gone, gone_version = document.alias("gone"), document_version.alias("gone_version")
    arrived = (
        select(document_version.c.sha256)
        .join(document, document.c.id == document_version.c.document_id)
        .where(_there(tenant, source), document.c.seen_pass >= pass_number, document.c.created >= begun)
    )
    newest = and_(gone_version.c.document_id == gone.c.id, gone_version.c.version == gone.c.version)
    query = (
        select(gone.c.id)
        .join(gone_version, newest)
        .where(
            gone.c.tenant == tenant,
            gone.c.source == source,
            gone.c.deleted.is_(None),
            or_(gone.c.parent_id.is_(None), gone.c.parent_id == ""),
            gone.c.seen_pass < pass_number,
            gone_version.c.sha256.in_(arrived),
        )
    )
    return list(connection.execute(query).scalars())


def absent_ids(connection: Connection, tenant: str, source: str, pass_number: int, limit: int) -> list[str]:
    query = select(document.c.id).where(_there(tenant, source), document.c.seen_pass < pass_number)
    return list(connection.execute(query.limit(limit)).scalars())


def remove(
    connection: Connection, tenant: str, source: str, pass_number: int, ids: Sequence[str], now: datetime
) -> int:
    """Documents that the pass did not list; one that a newer pass listed stays. Raises `Conflict`."""
    require_newest(connection, tenant, source, pass_number)
    still = select(document.c.id).where(
        document.c.id.in_(ids), document.c.deleted.is_(None), document.c.seen_pass < pass_number
    )
    gone = connection.execute(still).scalars().all()
    for document_id in gone:
        delete_document(connection, document_id, ACTOR, now)
    return len(gone)


def _there(tenant: str, source: str) -> Any:
    """Documents of a source that were not deleted; what was found inside another goes with that one."""
    return and_(
        document.c.tenant == tenant,
        document.c.source == source,
        document.c.deleted.is_(None),
        _is_whole(),
    )


def _is_whole() -> Any:
    """Not found inside another document."""
    return or_(document.c.parent_id.is_(None), document.c.parent_id == "")


# -- rows -------------------------------------------------------------------------------------------------------
def _shown(where: Any) -> Any:
    newest = and_(
        document_version.c.document_id == document.c.id, document_version.c.version == document.c.version
    )
    of_document = [
        document.c[name] for name in (*_COMPARED, "id", "tenant", "external_id", "status", "version")
    ]
    of_document += [document.c.parent_id, document.c.deleted, document.c.revision, document.c.seen_pass]
    names = ("sha256", "blob", "size", "filename", "mime", "state", "job_id", "parse_status")
    return (
        select(*of_document, *(document_version.c[name] for name in names))
        .join(document_version, newest)
        .where(where)
    )


def _rows(connection: Connection, batch: Batch) -> dict[tuple[str, str], RowMapping]:
    found: dict[tuple[str, str], RowMapping] = {}
    by_tenant: dict[str, list[str]] = {}
    for item in batch.items:
        by_tenant.setdefault(item.document.tenant, []).append(item.document.external_id)
    for tenant, names in by_tenant.items():
        where = and_(
            document.c.tenant == tenant,
            document.c.source == batch.source,
            document.c.external_id.in_(list(dict.fromkeys(names))),
        )
        for row in connection.execute(_shown(where)).mappings():
            found[row["tenant"], row["external_id"]] = row
    return found


def _note(connection: Connection, ids: Sequence[str], values: dict[str, Any]) -> None:
    for some in _parts(ids):
        connection.execute(update(document).where(document.c.id.in_(some)).values(**values))


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _BATCH):
        yield ids[start : start + _BATCH]
