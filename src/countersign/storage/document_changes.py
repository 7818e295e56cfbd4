"""Changes of rights, validity and existence: each acts with its commit, on the document, its passages and its parts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, select, update

from countersign.domain.clock import from_iso, iso
from countersign.domain.documents import DocumentStatus, Rights, SourceDocument
from countersign.domain.events import Event, EventKind
from countersign.storage.database import next_seq
from countersign.storage.events import append_in
from countersign.storage.rights import intern
from countersign.storage.tables import document, passage, rights


def carry_to_passages(connection: Connection, document_id: str, seq: int) -> None:
    """A document's rights and validity stand on each of its passages too, because every index leg filters on them."""
    doc = connection.execute(select(document).where(document.c.id == document_id)).mappings().one()
    connection.execute(
        update(passage)
        .where(passage.c.document_id == document_id, passage.c.live)
        .values(
            rights_id=doc["rights_id"], valid_from=doc["valid_from"], valid_to=end_of_validity(doc), seq=seq
        )
    )


def withdraw_passages(connection: Connection, document_id: str, seq: int) -> None:
    """From this commit on no passage of the document answers; the index follows by the mutation number."""
    connection.execute(
        update(passage)
        .where(passage.c.document_id == document_id, passage.c.live)
        .values(live=False, seq=seq)
    )


def delete_document(connection: Connection, document_id: str, actor: str, now: datetime) -> None:
    """Remove a document and everything inside it from answering, at once."""
    children = connection.execute(
        select(document.c.id).where(document.c.parent_id == document_id, document.c.deleted.is_(None))
    ).scalars()
    for child in list(children):
        delete_document(connection, child, actor, now)
    seq = next_seq(connection)
    withdraw_passages(connection, document_id, seq)
    tenant = connection.execute(
        update(document)
        .where(document.c.id == document_id)
        .values(status=DocumentStatus.DELETED, deleted=iso(now), updated=iso(now), seq=seq)
        .returning(document.c.tenant)
    ).scalar_one()
    append_in(connection, [Event(EventKind.DOCUMENT_DELETED, tenant, actor, document_id, now)])


def change_document(
    connection: Connection,
    document_id: str,
    values: dict[str, Any],
    own: Rights | None,
    actor: str,
    now: datetime,
) -> None:
    """PATCH: rights, validity and labels, effective with this commit for the document and everything inside it."""
    doc = connection.execute(select(document).where(document.c.id == document_id)).mappings().one()
    if own is not None:
        rights_id = intern(
            connection, doc["tenant"], effective_rights(connection, own, doc["parent_id"] or "")
        )
        values |= {
            "own_rights": own.canonical(),
            "rights_id": rights_id,
            "rights_origin": f"changed by {actor}",
        }
    seq = next_seq(connection)
    connection.execute(
        update(document).where(document.c.id == document_id).values(**values, updated=iso(now), seq=seq)
    )
    carry_to_passages(connection, document_id, seq)
    carry_to_children(connection, document_id)
    facts: dict[str, object] = {"fields": sorted(values)}
    append_in(
        connection, [Event(EventKind.DOCUMENT_RIGHTS_CHANGED, doc["tenant"], actor, document_id, now, facts)]
    )


def carry_to_children(connection: Connection, document_id: str) -> None:
    """Whatever is inside a document follows its rights, level by level."""
    children = (
        connection.execute(select(document).where(document.c.parent_id == document_id)).mappings().all()
    )
    for child in children:
        own = Rights.from_canonical(child["own_rights"])
        rights_id = intern(connection, child["tenant"], effective_rights(connection, own, document_id))
        if rights_id == child["rights_id"]:
            continue
        seq = next_seq(connection)
        connection.execute(
            update(document).where(document.c.id == child["id"]).values(rights_id=rights_id, seq=seq)
        )
        carry_to_passages(connection, child["id"], seq)
        carry_to_children(connection, child["id"])


def effective_rights(connection: Connection, own: Rights, parent_id: str) -> Rights:
    """Own rights, joined with those of whatever contains the document."""
    if not parent_id:
        return own
    canonical = connection.execute(
        select(rights.c.canonical)
        .join(document, document.c.rights_id == rights.c.id)
        .where(document.c.id == parent_id)
    ).scalar()
    return own.intersect(Rights.from_canonical(canonical or ""))


def settle_supersession(connection: Connection, doc: SourceDocument, now: datetime) -> None:
    """The end of a predecessor: the day its successor takes force, or now. Whoever arrives second settles it."""
    successor = _successor(connection, doc)
    pairs = [(doc.supersedes, doc.valid_from)] if doc.supersedes else []
    if successor is not None:
        pairs.append(
            (doc.external_id, from_iso(successor["valid_from"]) if successor["valid_from"] else None)
        )
    for external_id, starts in pairs:
        row = (
            connection.execute(
                select(document.c.id, document.c.superseded_at).where(
                    document.c.tenant == doc.tenant,
                    document.c.source == doc.source,
                    document.c.external_id == external_id,
                )
            )
            .mappings()
            .first()
        )
        ends = iso(starts or now)
        if row is None or row["superseded_at"] == ends or (row["superseded_at"] and starts is None):
            continue
        seq = next_seq(connection)
        connection.execute(
            update(document).where(document.c.id == row["id"]).values(superseded_at=ends, seq=seq)
        )
        carry_to_passages(connection, row["id"], seq)


def _successor(connection: Connection, doc: SourceDocument) -> RowMapping | None:
    """The indexed document, if any, that says it supersedes this one."""
    where = and_(
        document.c.tenant == doc.tenant,
        document.c.source == doc.source,
        document.c.supersedes == doc.external_id,
        document.c.deleted.is_(None),
        document.c.status == DocumentStatus.INDEXED,
    )
    return connection.execute(select(document).where(where).limit(1)).mappings().first()


def end_of_validity(doc: RowMapping) -> str | None:
    """The earlier of what the document says and its successor's start."""
    ends = [moment for moment in (doc["valid_to"], doc["superseded_at"]) if moment]
    return min(ends) if ends else None
