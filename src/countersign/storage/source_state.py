"""What is known of each source: its newest pass, how many failed in a row, what is held, who was told. One row a tenant.

A pass has a number, the same for every tenant that the source serves. Beginning a newer pass ends the older one: each
commit of a pass asks first whether it is still the newest, so two of them never write about one source by turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, and_, delete, func, insert, select, update

from countersign.access.principal import Principal
from countersign.domain.clock import iso
from countersign.domain.errors import Conflict, UsageError
from countersign.domain.events import Event, EventKind
from countersign.domain.jobs import SYNC_JOB
from countersign.storage.events import append_in
from countersign.storage.jobs import enqueue_in
from countersign.storage.notices import Outbox
from countersign.storage.tables import document, source_pass, source_state

Trigger = Literal["schedule", "watch", "asked", "command"]
Outcome = Literal["running", "complete", "held", "failed", "overtaken"]
SHRUNK = "source_shrunk"
KEPT_PASSES = 100
EXAMPLES = 20
_ACTOR = "ingestion"
_SHRUNK_HINT = "Look whether the source is whole. If the removal is meant: countersign sources sync NAME --accept-removals"


@dataclass(frozen=True, slots=True)
class PassRow:
    number: int
    trigger: Trigger
    begun: str
    ended: str | None = None
    outcome: Outcome = "running"
    error: str = ""
    listed: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    quarantined: int = 0
    failed: int = 0
    bytes_read: int = 0
    problems: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class StateRow:
    tenant: str
    source: str
    since: str | None = None
    synced: str | None = None
    attempted: str | None = None
    ended: str | None = None
    error: str = ""
    hint: str = ""
    failures: int = 0
    documents: int = 0
    pass_number: int = 0
    running: bool = False
    beat: str | None = None
    asked: str | None = None
    asked_by: str = ""
    held_absent: int = 0
    held_of: int = 0
    accepted: int = 0
    alerted: str | None = None
    last: PassRow | None = None


@dataclass(slots=True)
class Tally:
    """What a pass has done so far, for one tenant."""

    listed: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    quarantined: int = 0
    failed: int = 0
    bytes_read: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def note(self, change: str) -> None:
        match change:
            case "new":
                self.new += 1
            case "content" | "metadata":
                self.changed += 1
            case "quarantined":
                self.quarantined += 1
            case _:
                self.unchanged += 1

    def note_problem(self, external_id: str, code: str) -> None:
        self.failed += 1
        if len(self.problems) < EXAMPLES:
            self.problems.append((external_id[:300], code))

    def values(self) -> dict[str, Any]:
        return {
            "listed": self.listed, "new": self.new, "changed": self.changed, "unchanged": self.unchanged,
            "removed": self.removed, "quarantined": self.quarantined, "failed": self.failed,
            "bytes_read": self.bytes_read, "problems": [list(problem) for problem in self.problems],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class PassEnd:
    """How a pass ended for one tenant. `outcome` complete: everything listed was confirmed and the rest removed."""

    outcome: Literal["complete", "held", "failed"]
    error: str = ""
    hint: str = ""
    held_absent: int = 0
    held_of: int = 0


# -- a pass -----------------------------------------------------------------------------------------------------
def begin_pass(
    connection: Connection, tenants: Sequence[str], source: str, trigger: Trigger, now: datetime
) -> int:
    """The number of a new pass, higher than any before; whatever still ran is overtaken from this commit on."""
    know(connection, tenants, source, now)
    newest = select(func.max(source_state.c.pass_number)).where(source_state.c.source == source)
    number = int(connection.execute(newest).scalar() or 0) + 1
    still_open = and_(source_pass.c.source == source, source_pass.c.outcome == "running")
    overtaken = {"outcome": "overtaken", "error": "sync_overtaken", "ended": iso(now)}
    connection.execute(update(source_pass).where(still_open).values(**overtaken))
    for tenant in tenants:
        values = {"pass_number": number, "attempted": iso(now), "running": True, "beat": iso(now)}
        connection.execute(update(source_state).where(_key(tenant, source)).values(**values))
        begun = {"trigger": trigger, "begun": iso(now), "outcome": "running", **Tally().values()}
        connection.execute(insert(source_pass).values(tenant=tenant, source=source, number=number, **begun))
        old = and_(source_pass.c.tenant == tenant, source_pass.c.source == source)
        connection.execute(delete(source_pass).where(old, source_pass.c.number <= number - KEPT_PASSES))
    return number


def know(connection: Connection, tenants: Iterable[str], source: str, now: datetime) -> None:
    """A row for each tenant, so that the age of a source that was never read can be told."""
    known = set(
        connection.execute(select(source_state.c.tenant).where(source_state.c.source == source)).scalars()
    )
    for tenant in tenants:
        if tenant not in known:
            connection.execute(
                insert(source_state).values(tenant=tenant, source=source, since=iso(now), running=False)
            )


def require_newest(connection: Connection, tenant: str, source: str, number: int) -> None:
    """Raises `Conflict` (`sync_overtaken`) when another pass over this source began since."""
    newest = select(source_state.c.pass_number).where(_key(tenant, source))
    if connection.execute(newest).scalar() != number:
        raise Conflict(
            f"another pass over source {source} began meanwhile",
            code="sync_overtaken",
            hint="Nothing is lost: the newer pass goes on.",
        )


def note_progress(
    connection: Connection, source: str, number: int, tallies: Mapping[str, Tally], now: datetime
) -> None:
    for tenant, tally in tallies.items():
        mine = and_(_key(tenant, source), source_state.c.pass_number == number)
        connection.execute(update(source_state).where(mine).values(beat=iso(now)))
        where = and_(source_pass.c.tenant == tenant, source_pass.c.source == source)
        connection.execute(
            update(source_pass).where(where, source_pass.c.number == number).values(**tally.values())
        )


def end_pass(
    connection: Connection,
    source: str,
    number: int,
    tallies: Mapping[str, Tally],
    ends: Mapping[str, PassEnd],
    now: datetime,
    outbox: Outbox,
) -> None:
    """Note how it ended for each tenant; a pass that was overtaken changes nothing any more."""
    for tenant, end in ends.items():
        state = state_of(connection, tenant, source)
        if state is None or state.pass_number != number:
            continue
        tally = tallies[tenant]
        where = and_(source_pass.c.tenant == tenant, source_pass.c.source == source)
        values = {"outcome": end.outcome, "error": end.error, "ended": iso(now), **tally.values()}
        connection.execute(update(source_pass).where(where, source_pass.c.number == number).values(**values))
        connection.execute(
            update(source_state).where(_key(tenant, source)).values(**_after(state, end, tally, now))
        )
        facts: dict[str, object] = {
            "pass": number, "outcome": end.outcome, "error": end.error, "documents": tally.listed,
            "new": tally.new, "changed": tally.changed, "removed": tally.removed, "failed": tally.failed,
            "held": end.held_absent,
        }  # fmt: skip
        append_in(connection, [Event(EventKind.SOURCE_SYNCED, tenant, _ACTOR, source, now, facts)])
        if end.outcome == "complete" and state.alerted:
            _tell(connection, EventKind.SOURCE_RECOVERED, state, now, outbox)


def _after(state: StateRow, end: PassEnd, tally: Tally, now: datetime) -> dict[str, Any]:
    values: dict[str, Any] = {
        "ended": iso(now), "running": False, "error": end.error, "hint": end.hint,
        "held_absent": end.held_absent, "held_of": end.held_of,
    }  # fmt: skip
    if end.outcome == "failed":
        # What an earlier pass held back is still held: a failed one has not looked.
        held = {"held_absent": state.held_absent, "held_of": state.held_of}
        return values | held | {"failures": state.failures + 1}
    values |= {"failures": 0, "accepted": 0}
    if end.outcome == "complete":
        values |= {"synced": iso(now), "documents": tally.listed, "alerted": None}
    return values


def shrunk(absent: int, of: int) -> PassEnd:
    return PassEnd("held", SHRUNK, _SHRUNK_HINT, absent, of)


# -- asking for a pass ------------------------------------------------------------------------------------------
def ask(
    connection: Connection,
    tenants: Sequence[str],
    source: str,
    principal: Principal,
    now: datetime,
    *,
    accept_removals: bool = False,
) -> None:
    """Note who asked, and queue the pass; one that runs already is followed by another.

    Raises `UsageError` (`removals_not_held`) when there is nothing to accept."""
    know(connection, tenants, source, now)
    if accept_removals:
        accept(connection, tenants, source, principal.name, now)
    note_asked(connection, tenants, source, "asked", now)
    _note_asking(connection, principal.tenant, principal.name, source, 0, now)
    enqueue_in(connection, SYNC_JOB, tenants[0], source, now)


def accept(connection: Connection, tenants: Sequence[str], source: str, actor: str, now: datetime) -> int:
    """Let the next pass remove as many documents as the newest one held back, and record who said so."""
    total = 0
    for tenant in tenants:
        state = state_of(connection, tenant, source)
        if state is not None and state.held_absent:
            values = {"accepted": state.held_absent}
            connection.execute(update(source_state).where(_key(tenant, source)).values(**values))
            _note_asking(connection, tenant, actor, source, state.held_absent, now)
            total += state.held_absent
    if not total:
        raise UsageError(
            f"no removal of source {source} waits to be accepted",
            code="removals_not_held",
            hint="Begin a pass without accepting anything: single removals act at once.",
        )
    return total


def _note_asking(
    connection: Connection, tenant: str, actor: str, source: str, accepted: int, now: datetime
) -> None:
    facts: dict[str, object] = {"accepted_removals": accepted}
    append_in(connection, [Event(EventKind.SOURCE_SYNC_ASKED, tenant, actor, source, now, facts)])


def note_asked(
    connection: Connection, tenants: Sequence[str], source: str, by: Literal["asked", "watch"], now: datetime
) -> None:
    where = and_(source_state.c.source == source, source_state.c.tenant.in_(tenants))
    connection.execute(update(source_state).where(where).values(asked=iso(now), asked_by=by))


# -- the objective ----------------------------------------------------------------------------------------------
def note_breach(connection: Connection, tenant: str, source: str, now: datetime, outbox: Outbox) -> bool:
    """Tell once that a source is older than its `max_age`; False when it was told already."""
    state = state_of(connection, tenant, source)
    if state is None or state.alerted:
        return False
    connection.execute(update(source_state).where(_key(tenant, source)).values(alerted=iso(now)))
    _tell(connection, EventKind.SOURCE_STALE, state, now, outbox)
    return True


def note_pushed(connection: Connection, tenant: str, source: str, now: datetime) -> None:
    """Something arrived at a source that has no passes."""
    know(connection, [tenant], source, now)
    connection.execute(update(source_state).where(_key(tenant, source)).values(synced=iso(now)))


def note_recovery(connection: Connection, tenant: str, source: str, now: datetime, outbox: Outbox) -> None:
    """Tell once that a source keeps its `max_age` again."""
    state = state_of(connection, tenant, source)
    if state is not None and state.alerted:
        connection.execute(update(source_state).where(_key(tenant, source)).values(alerted=None))
        _tell(connection, EventKind.SOURCE_RECOVERED, state, now, outbox)


def _tell(connection: Connection, kind: EventKind, state: StateRow, now: datetime, outbox: Outbox) -> None:
    facts: dict[str, object] = {
        "synced": state.synced or "",
        "error": state.error,
        "failures": state.failures,
    }
    append_in(connection, [Event(kind, state.tenant, _ACTOR, state.source, now, facts)])
    outbox.put_in_about_source(connection, kind.value, state.tenant, state.source, now)


# -- reading ----------------------------------------------------------------------------------------------------
def state_of(connection: Connection, tenant: str, source: str) -> StateRow | None:
    row = connection.execute(select(source_state).where(_key(tenant, source))).mappings().first()
    return _state(row) if row else None


def read_states(connection: Connection) -> dict[tuple[str, str], StateRow]:
    """(tenant, source) → its state, without the newest pass."""
    rows = connection.execute(select(source_state)).mappings()
    return {(row["tenant"], row["source"]): _state(row) for row in rows}


def read_figures(
    connection: Connection, tenant: str
) -> tuple[dict[str, StateRow], dict[str, dict[str, int]], dict[str, str]]:
    """Source → its state with its newest pass; source → status → documents; source → its newest confirmation."""
    newest = and_(
        source_pass.c.tenant == source_state.c.tenant,
        source_pass.c.source == source_state.c.source,
        source_pass.c.number == source_state.c.pass_number,
    )
    columns = [column.label(f"last_{column.name}") for column in source_pass.c]
    query = select(source_state, *columns).join(source_pass, newest, isouter=True)
    rows = connection.execute(query.where(source_state.c.tenant == tenant)).mappings()
    states = {row["source"]: _state(row, _newest(row)) for row in rows}
    counts: dict[str, dict[str, int]] = {}
    arrived: dict[str, str] = {}
    columns_of_document = (document.c.source, document.c.status)
    grouped = select(*columns_of_document, func.count(), func.max(document.c.synced)).where(
        document.c.tenant == tenant, document.c.deleted.is_(None)
    )
    for source, status, count, confirmed in connection.execute(grouped.group_by(*columns_of_document)):
        counts.setdefault(source, {})[status] = count
        arrived[source] = max(confirmed or "", arrived.get(source, ""))
    return states, counts, arrived


def read_passes(
    connection: Connection, tenant: str, source: str, *, limit: int, before: int = 0
) -> list[PassRow]:
    """Newest first."""
    query = select(source_pass).where(source_pass.c.tenant == tenant, source_pass.c.source == source)
    if before:
        query = query.where(source_pass.c.number < before)
    rows = connection.execute(query.order_by(source_pass.c.number.desc()).limit(limit)).mappings()
    return [_pass(row) for row in rows]


def forget_names(connection: Connection, tenant: str, source: str, external_id: str) -> int:
    """Take one document's name out of the examples of every pass; says in how many it stood."""
    query = select(source_pass.c.number, source_pass.c.problems).where(
        source_pass.c.tenant == tenant, source_pass.c.source == source
    )
    cleaned = 0
    for row in connection.execute(query).all():
        kept = [problem for problem in row.problems if problem[0] != external_id[:300]]
        if len(kept) != len(row.problems):
            where = and_(source_pass.c.tenant == tenant, source_pass.c.source == source)
            connection.execute(
                update(source_pass).where(where, source_pass.c.number == row.number).values(problems=kept)
            )
            cleaned += 1
    return cleaned


def _key(tenant: str, source: str) -> Any:
    return and_(source_state.c.tenant == tenant, source_state.c.source == source)


def _state(row: RowMapping, last: PassRow | None = None) -> StateRow:
    values = {name: row[name] for name in source_state.c.keys()}  # noqa: SIM118 - a row's mapping has other keys too
    return StateRow(**values, last=last)


def _newest(row: RowMapping) -> PassRow | None:
    if row["last_number"] is None:
        return None
    return _pass({name: row[f"last_{name}"] for name in source_pass.c.keys()})  # noqa: SIM118


def _pass(row: Mapping[Any, Any]) -> PassRow:
    names = [name for name in PassRow.__slots__ if name != "problems"]
    problems = tuple((str(external_id), str(code)) for external_id, code in row["problems"] or ())
    return PassRow(**{name: row[name] for name in names}, problems=problems)
