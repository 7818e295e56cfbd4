"""Changes of rights, validity and existence: each acts with its commit, on the document, its passages and its parts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, select, update

from countersign.domain.clock import iso
from countersign.domain.documents import DocumentStatus, Rights, SourceDocument
from countersign.domain.errors import UsageError
from countersign.domain.events import Event, EventKind
from countersign.storage.database import next_seq
from countersign.storage.events import append_in
from countersign.storage.rights import intern
from countersign.storage.tables import document, passage, rights

CHANGED_BY = "changed by "
_SAID_OF_PARTS = ("residency", "classification", "valid_from", "valid_to")
_INHERITED = (*_SAID_OF_PARTS, "superseded_at")


def carry_to_passages(connection: Connection, document_id: str, seq: int, *, replaced: bool = False) -> None:
    """A document's rights and validity stand on each of its passages too, because every index leg filters on them.

    Passages of an older version, which answer until the newer one was read, only ever get narrower: what opens the new
    content to more people was not said of the old. `replaced` says that the present version becomes such an older one.
    """
    doc = connection.execute(select(document).where(document.c.id == document_id)).mappings().one()
    live = and_(passage.c.document_id == document_id, passage.c.live)
    values = {"valid_from": doc["valid_from"], "valid_to": end_of_validity(doc), "seq": seq}
    newest = doc["version"] + 1 if replaced else doc["version"]
    present = and_(live, passage.c.version == newest)
    connection.execute(update(passage).where(present).values(**values, rights_id=doc["rights_id"]))
    older = and_(live, passage.c.version < newest)
    held = connection.execute(select(passage.c.rights_id).where(older).distinct()).scalars().all()
    for rights_id in held:
        narrower = _narrower(connection, doc["tenant"], rights_id, doc["rights_id"])
        same = and_(older, passage.c.rights_id == rights_id, passage.c.seq != seq)
        connection.execute(update(passage).where(same).values(**values, rights_id=narrower))


def _narrower(connection: Connection, tenant: str, first: int, second: int) -> int:
    if first == second:
        return first
    found = select(rights.c.id, rights.c.canonical).where(rights.c.id.in_((first, second)))
    sets = {row.id: Rights.from_canonical(row.canonical) for row in connection.execute(found)}
    return intern(connection, tenant, sets.get(first, Rights()).intersect(sets.get(second, Rights())))


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
    """PATCH: rights, validity and labels, effective with this commit for the document and everything inside it.

    Raises `UsageError` (`validity_inverted`)."""
    doc = connection.execute(select(document).where(document.c.id == document_id)).mappings().one()
    if values.keys() & {"valid_from", "valid_to"}:
        require_order(*(values.get(name, doc[name]) for name in ("valid_from", "valid_to")))
    if own is not None:
        rights_id = intern(
            connection, doc["tenant"], effective_rights(connection, own, doc["parent_id"] or "")
        )
        values |= {
            "own_rights": own.canonical(),
            "rights_id": rights_id,
            "rights_origin": f"{CHANGED_BY}{actor}",
        }
    seq = next_seq(connection)
    connection.execute(
        update(document).where(document.c.id == document_id).values(**values, updated=iso(now), seq=seq)
    )
    carry_to_passages(connection, document_id, seq)
    carry_to_children(connection, doc)
    if doc["supersedes"]:
        settle_end(connection, doc["tenant"], doc["source"], doc["supersedes"], now)
    facts: dict[str, object] = {"fields": sorted(values)}
    append_in(
        connection, [Event(EventKind.DOCUMENT_RIGHTS_CHANGED, doc["tenant"], actor, document_id, now, facts)]
    )


def require_order(valid_from: str | None, valid_to: str | None) -> None:
    """Two moments in the form of `iso`, which sorts as time does. Raises `UsageError`."""
    if valid_from and valid_to and valid_to <= valid_from:
        raise UsageError(
            "the document would end before it begins",
            code="validity_inverted",
            hint="`valid_to` must be later than `valid_from`; null takes either away.",
        )


def carry_to_children(connection: Connection, before: RowMapping) -> None:
    """Whatever is inside a document follows its rights, labels and validity, level by level, in the same commit.

    `before` is the document as it was: what a part has not of its own, it has from there.
    """
    holder = connection.execute(select(document).where(document.c.id == before["id"])).mappings().one()
    parts = connection.execute(select(document).where(document.c.parent_id == holder["id"])).mappings().all()
    for part in parts:
        facts = _facts_of_part(part, before, holder)
        own = Rights.from_canonical(facts["own_rights"])
        facts["rights_id"] = intern(
            connection, part["tenant"], effective_rights(connection, own, holder["id"])
        )
        changed = {name: value for name, value in facts.items() if part[name] != value}
        if not changed:
            continue
        seq = next_seq(connection)
        connection.execute(update(document).where(document.c.id == part["id"]).values(**changed, seq=seq))
        carry_to_passages(connection, part["id"], seq)
        carry_to_children(connection, part)


def _facts_of_part(part: RowMapping, before: RowMapping, holder: RowMapping) -> dict[str, Any]:
    """What the source says of a part counts; else what somebody gave it; else what its holder has."""
    said = holder["parts"].get(part["external_id"].removeprefix(f"{holder['external_id']}#"))
    facts = {name: holder[name] for name in _INHERITED if part[name] == before[name]}
    if said is None:
        kept = part["rights_origin"].startswith(CHANGED_BY)
        return facts | {"own_rights": part["own_rights"] if kept else holder["own_rights"]}
    trusted = not said["quarantine"] and said["tenant"] == holder["tenant"]
    facts |= {name: said[name] or holder[name] for name in _SAID_OF_PARTS}
    return facts | {"own_rights": said["rights"] if trusted else ""}


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
    """The end of whatever `doc` replaces, and its own: whoever of the two arrives second settles it."""
    for external_id in filter(None, (doc.supersedes, doc.external_id)):
        settle_end(connection, doc.tenant, doc.source, external_id, now)


def settle_end(
    connection: Connection,
    tenant: str,
    source: str,
    external_id: str,
    now: datetime,
    *,
    taken_back: bool = False,
) -> None:
    """A document ends when the first of its readable successors takes force, or now if that names no day.

    Without any it stays as it is: a rule that was replaced does not come back because its replacement was taken down.
    Only when a successor takes its word back (`taken_back`) and no other ever gave it, the document is in force again.
    """
    same_source = and_(document.c.tenant == tenant, document.c.source == source)
    row = (
        connection.execute(select(document).where(same_source, document.c.external_id == external_id))
        .mappings()
        .first()
    )
    if row is None:
        return
    columns = (document.c.valid_from, document.c.status)
    successors = connection.execute(
        select(*columns).where(
            same_source,
            document.c.supersedes == external_id,
            document.c.external_id != external_id,  # nothing ends by its own word that it replaces itself
        )
    ).all()
    ends = _first_start([s.valid_from for s in successors if s.status == DocumentStatus.INDEXED], row, now)
    if ends is None and not (taken_back and all(s.status != DocumentStatus.DELETED for s in successors)):
        ends = row["superseded_at"]
    if ends == row["superseded_at"]:
        return
    seq = next_seq(connection)
    connection.execute(update(document).where(document.c.id == row["id"]).values(superseded_at=ends, seq=seq))
    carry_to_passages(connection, row["id"], seq)
    carry_to_children(connection, row)


def _first_start(starts: list[str | None], ended: RowMapping, now: datetime) -> str | None:
    """A successor that names no day took force when it was first seen."""
    undated = min(filter(None, (ended["superseded_at"], iso(now))))
    return min((start or undated for start in starts), default=None)


def end_of_validity(doc: RowMapping) -> str | None:
    """The earlier of what the document says and its successor's start."""
    ends = [moment for moment in (doc["valid_to"], doc["superseded_at"]) if moment]
    return min(ends) if ends else None
