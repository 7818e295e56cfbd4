"""The record in the database: chained inserts, and the views that read them back.

`append_in` is a plain function for use inside somebody else's transaction, so that an event commits together with what
it tells of. It holds the tenant's `chain_head` row until that transaction ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, Select, and_, bindparam, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from countersign.domain.clock import from_iso, iso
from countersign.domain.events import Event, EventKind
from countersign.record import views
from countersign.record.chain import GENESIS, Head, Link, PersonalPart, seal
from countersign.record.seams import Recorder
from countersign.record.verify import Row as ChainRow
from countersign.record.views import CostLine, GroupBy, RecordedEvent, Step
from countersign.storage.database import Database
from countersign.storage.prepared import Prepared
from countersign.storage.tables import chain_head, event, event_personal, review

_FETCH = 2000
_MAX_PAGE = 1000
_LINK_COLUMNS = tuple(event.c[name] for name in Link.__slots__)

_ADD_LINK, _ADD_PERSONAL = Prepared(insert(event)), Prepared(insert(event_personal))
_THIS_CHAIN = chain_head.c.tenant == bindparam("of")
_LOCK_HEAD = Prepared(select(chain_head.c.seq, chain_head.c.hash).where(_THIS_CHAIN).with_for_update())
_MOVE_HEAD = Prepared(
    update(chain_head).where(_THIS_CHAIN).values(seq=bindparam("new_seq"), hash=bindparam("new_hash"))
)


def append_in(connection: Connection, events: Sequence[Event]) -> None:
    """Chain `events` in their order inside the caller's transaction. Raises `UsageError` for facts that are not plain."""
    by_tenant: dict[str, list[Event]] = {}
    for one in events:
        by_tenant.setdefault(one.tenant, []).append(one)
    for tenant in sorted(by_tenant):
        _extend(connection, _locked_head(connection, tenant), by_tenant[tenant])


def _extend(connection: Connection, head: Head, events: Sequence[Event]) -> None:
    links: list[dict[str, object]] = []
    personal: list[dict[str, object]] = []
    for one in events:
        link, part = seal(one, head)
        head = Head(link.tenant, link.seq, link.hash)
        links.append(_columns(link))
        if part is not None:
            personal.append(_columns(part))
    _ADD_LINK.run_each(connection, links)
    if personal:
        _ADD_PERSONAL.run_each(connection, personal)
    _MOVE_HEAD.run(connection, {"of": head.tenant, "new_seq": head.seq, "new_hash": head.hash})


def _columns(value: Link | PersonalPart) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__slots__}


def _locked_head(connection: Connection, tenant: str) -> Head:
    found = _LOCK_HEAD.rows(connection, {"of": tenant})
    if not found:
        _open_chain(connection, tenant)
        found = _LOCK_HEAD.rows(connection, {"of": tenant})
    [(seq, last_hash)] = found
    return Head(tenant, int(seq), str(last_hash))


def _open_chain(connection: Connection, tenant: str) -> None:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    first = dialect.insert(chain_head).values(tenant=tenant, seq=0, hash=GENESIS)
    connection.execute(first.on_conflict_do_nothing())


class EventStore(Recorder):
    """Appends events and reads their views; every read is of one tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, events: Sequence[Event]) -> None:
        if events:
            await self._database.write(append_in, events)

    async def story(self, tenant: str, subject: str) -> tuple[RecordedEvent, ...]:
        """Everything recorded about `subject`, an answer's reviews included, in the order it happened."""
        return await self._database.read(_story, tenant, subject)

    async def trace(self, tenant: str, answer_id: str) -> tuple[Step, ...]:
        return views.steps(await self.story(tenant, answer_id))

    async def costs(self, tenant: str, since: datetime, group_by: GroupBy) -> tuple[CostLine, ...]:
        return await self._database.read(_costs, tenant, since, group_by)

    async def events(
        self, tenant: str, kind: EventKind | str = "", after: int = 0, limit: int = 100
    ) -> tuple[RecordedEvent, ...]:
        """A page of events with seq above `after`, oldest first; the last one's seq is the next page's `after`."""
        return await self._database.read(_page, tenant, str(kind), after, min(limit, _MAX_PAGE))

    async def latest(
        self, tenant: str, kind: EventKind | str = "", before: int = 0, limit: int = 100
    ) -> tuple[RecordedEvent, ...]:
        """A page of events with seq below `before` (0 = from the newest), newest first."""
        return await self._database.read(_page_back, tenant, str(kind), before, min(limit, _MAX_PAGE))

    async def heads(self) -> tuple[Head, ...]:
        return await self._database.read(heads)


def heads(connection: Connection) -> tuple[Head, ...]:
    rows = connection.execute(select(chain_head).order_by(chain_head.c.tenant))
    return tuple(Head(row.tenant, int(row.seq), row.hash) for row in rows)


def chain(connection: Connection, tenant: str, after: int = 0) -> Iterator[ChainRow]:
    """Stream the stored links above `after` with their personal parts, in constant memory, for verifying or export."""
    query = (
        select(*_LINK_COLUMNS, event_personal.c.salt, event_personal.c.payload)
        .select_from(_with_personal())
        .where(event.c.tenant == tenant, event.c.seq > after)
        .order_by(event.c.seq)
    )
    with connection.execution_options(yield_per=_FETCH).execute(
        query
    ) as rows:  # a reader may stop on the way
        for row in rows:
            fields = tuple(row)
            part = None if row.salt is None else PersonalPart(tenant, row.seq, row.salt, row.payload)
            yield Link(*fields[:-2]), part


def _with_personal() -> Any:
    same = and_(event_personal.c.tenant == event.c.tenant, event_personal.c.seq == event.c.seq)
    return event.outerjoin(event_personal, same)


def _recorded(tenant: str) -> Select[Any]:
    columns = select(event, event_personal.c.payload)
    return columns.select_from(_with_personal()).where(event.c.tenant == tenant)


def _story(connection: Connection, tenant: str, subject: str) -> tuple[RecordedEvent, ...]:
    reviews = select(review.c.id).where(review.c.answer_id == subject, review.c.tenant == tenant)
    about = or_(event.c.subject == subject, event.c.subject.in_(reviews))
    return _read(connection, _recorded(tenant).where(about).order_by(event.c.seq))


def _costs(connection: Connection, tenant: str, since: datetime, group_by: GroupBy) -> tuple[CostLine, ...]:
    query = _recorded(tenant).where(event.c.kind == str(EventKind.MODEL_CALLED), event.c.at >= iso(since))
    with connection.execution_options(yield_per=_FETCH).execute(query) as rows:
        return views.costs((_event(row) for row in rows), group_by)


def _page(
    connection: Connection, tenant: str, kind: str, after: int, limit: int
) -> tuple[RecordedEvent, ...]:
    query = _recorded(tenant).where(event.c.seq > after).order_by(event.c.seq).limit(limit)
    return _read(connection, query.where(event.c.kind == kind) if kind else query)


def _page_back(
    connection: Connection, tenant: str, kind: str, before: int, limit: int
) -> tuple[RecordedEvent, ...]:
    query = _recorded(tenant).order_by(event.c.seq.desc()).limit(limit)
    if before:
        query = query.where(event.c.seq < before)
    return _read(connection, query.where(event.c.kind == kind) if kind else query)


def _read(connection: Connection, query: Select[Any]) -> tuple[RecordedEvent, ...]:
    return tuple(_event(row) for row in connection.execute(query))


def _event(row: Row[Any]) -> RecordedEvent:
    kept: Mapping[str, str] = orjson.loads(row.payload) if row.payload is not None else {}
    return RecordedEvent(
        tenant=row.tenant,
        seq=int(row.seq),
        at=from_iso(row.at),
        kind=row.kind,
        actor=row.actor,
        subject=row.subject,
        request_id=row.request_id,
        facts=orjson.loads(row.facts),
        personal=kept,
        personal_state="none" if not row.commitment else "erased" if row.payload is None else "kept",
        hash=row.hash,
    )
