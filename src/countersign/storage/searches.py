"""Searches in the database: recorded together with a last look at the rights, and opened again only as they were shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, and_, select

from countersign.access.principal import Principal
from countersign.domain.documents import DocumentStatus, Passage
from countersign.domain.errors import NotFound
from countersign.domain.events import Event, EventKind
from countersign.domain.search import SearchHit
from countersign.storage.answers import still_permitted
from countersign.storage.database import Database
from countersign.storage.events import append_in
from countersign.storage.rights import satisfied_rights
from countersign.storage.tables import document, document_version, event, passage


@dataclass(frozen=True, slots=True)
class ShownPage:
    """The page on which a passage begins that a search has shown; `page` is None where the format has none."""

    passage_id: str
    document_id: str
    blob: str
    page: int | None


class SqlSearchStore:
    """`answer.search.SearchStore` on SQLite and Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(
        self, passages: Sequence[Passage], in_force_at: datetime, principal: Principal, event: Event
    ) -> bool:
        return await self._database.write(_note, passages, in_force_at, principal, event)


def _note(
    connection: Connection,
    passages: Sequence[Passage],
    in_force_at: datetime,
    principal: Principal,
    made: Event,
) -> bool:
    if passages and not still_permitted(connection, passages, in_force_at, principal):
        return False
    append_in(connection, [made])
    return True


def with_mimes(connection: Connection, hits: Sequence[SearchHit]) -> tuple[SearchHit, ...]:
    """The hits with the format of the version that each stands in."""
    columns = (document_version.c.document_id, document_version.c.version, document_version.c.mime)
    mine = document_version.c.document_id.in_(sorted({hit.document_id for hit in hits}))
    rows = connection.execute(select(*columns).where(mine))
    mimes: dict[tuple[str, int], str] = {(row.document_id, row.version): row.mime for row in rows}
    return tuple(replace(hit, mime=mimes.get((hit.document_id, hit.version), "")) for hit in hits)


def shown_page(connection: Connection, search_id: str, rank: int, reader: Principal) -> ShownPage:
    """What stood at `rank` in this person's own search, if they may read it now.

    Raises `NotFound` for absent, forbidden and somebody else's alike.
    """
    shown = _shown_passages(connection, search_id, reader)
    row = None
    if 1 <= rank <= len(shown):
        row = connection.execute(_page_of(int(shown[rank - 1]), connection, reader)).first()
    if row is None:
        raise NotFound("there is no such search")
    return ShownPage(str(row.id), row.document_id, row.blob, row.page)


def _shown_passages(connection: Connection, search_id: str, reader: Principal) -> Sequence[str]:
    made = select(event.c.facts).where(
        event.c.tenant == reader.tenant,
        event.c.subject == search_id,
        event.c.kind == EventKind.SEARCH_MADE,
        event.c.actor == reader.name,
    )
    facts = connection.execute(made.order_by(event.c.seq.desc()).limit(1)).scalar()
    return orjson.loads(facts)["passages"] if facts is not None else ()


def _page_of(passage_id: int, connection: Connection, reader: Principal) -> Any:
    satisfied = satisfied_rights(connection, reader.tenant, reader.terms)
    same_version = and_(
        document_version.c.document_id == passage.c.document_id,
        document_version.c.version == passage.c.version,
    )
    columns = (passage.c.id, passage.c.document_id, passage.c.page, document_version.c.blob)
    return (
        select(*columns)
        .join(document, document.c.id == passage.c.document_id)
        .join(document_version, same_version)
        .where(
            passage.c.id == passage_id,
            document.c.tenant == reader.tenant,
            document.c.deleted.is_(None),
            document.c.status != DocumentStatus.QUARANTINED,
            document.c.rights_id.in_(satisfied),
            passage.c.rights_id.in_(satisfied),
        )
    )
