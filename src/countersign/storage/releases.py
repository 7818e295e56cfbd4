"""Releases in the database: registered once, never changed, at most one active for each assistant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, select, update
from sqlalchemy.dialects import postgresql, sqlite

from countersign.domain.clock import from_iso, iso
from countersign.domain.errors import IntegrityError, NotFound
from countersign.release.manifest import Release, release_of
from countersign.storage.tables import release


@dataclass(frozen=True, slots=True)
class StoredRelease:
    release: Release
    created: datetime
    active: bool


def register_release(connection: Connection, new: Release, now: datetime) -> StoredRelease:
    """Store it when it is new; registering it again changes nothing."""
    insert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    row = {
        "id": new.id,
        "assistant": new.assistant,
        "manifest": new.manifest,
        "created": iso(now),
        "active": False,
    }
    connection.execute(insert(release).values(row).on_conflict_do_nothing())
    return get_release(connection, new.id)


def get_release(connection: Connection, release_id: str) -> StoredRelease:
    """Raises `NotFound`, or `IntegrityError` (`release_changed`) when the stored manifest is not what the id names."""
    row = connection.execute(select(release).where(release.c.id == release_id)).mappings().first()
    if row is None:
        raise NotFound("there is no such release", hint="`countersign release list` shows them.")
    return _stored(row)


def list_releases(
    connection: Connection, *, assistant: str = "", limit: int = 50, before: datetime | None = None
) -> list[StoredRelease]:
    """Newest first; an empty assistant means all of them."""
    query = select(release).order_by(release.c.created.desc(), release.c.id).limit(limit)
    if assistant:
        query = query.where(release.c.assistant == assistant)
    if before is not None:
        query = query.where(release.c.created < iso(before))
    return [_stored(row) for row in connection.execute(query).mappings()]


def active_release(connection: Connection, assistant: str) -> StoredRelease | None:
    query = select(release).where(release.c.assistant == assistant, release.c.active.is_(True))
    row = connection.execute(query).mappings().first()
    return None if row is None else _stored(row)


def activate_release(connection: Connection, release_id: str) -> StoredRelease:
    """From this commit on its assistant answers with it, and with no other. Raises `NotFound`."""
    chosen = get_release(connection, release_id)
    same_assistant = release.c.assistant == chosen.release.assistant
    connection.execute(update(release).where(same_assistant).values(active=release.c.id == release_id))
    return get_release(connection, release_id)


def _stored(row: RowMapping) -> StoredRelease:
    found = release_of(row["assistant"], row["manifest"])
    if found.id != row["id"]:
        raise IntegrityError(
            f"the manifest of {row['id']} was changed after it was registered",
            code="release_changed",
            hint="Restore the database from a backup; answers that name this release cannot be explained by it.",
        )
    return StoredRelease(found, from_iso(row["created"]), bool(row["active"]))
