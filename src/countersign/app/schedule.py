"""When each source is read again, and who is told when one is too old. Runs where jobs run; decisions are made in the
database, so that several processes on one Postgres begin each pass once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import Connection, select

from countersign.domain.clock import Clock, from_iso
from countersign.domain.jobs import SYNC_JOB
from countersign.domain.workspace import SourceSettings, Workspace
from countersign.sources.registry import PUSH
from countersign.storage import source_state
from countersign.storage.database import Database
from countersign.storage.jobs import enqueue_in
from countersign.storage.notices import Outbox
from countersign.storage.source_state import StateRow, Trigger
from countersign.storage.tables import job

AT_ONCE = 2
"""Passes that are queued or running together: the rest of the workers make documents searchable meanwhile."""
_TICK_S = 2.0
_DEAD_AFTER = timedelta(minutes=10)
_FIRST_RETRY = timedelta(seconds=30)
_LONGEST_RETRY = timedelta(hours=1)


def due_at(settings: SourceSettings, state: StateRow) -> datetime | None:
    """When the next pass begins; None when nothing asks for one.

    What somebody asks for begins at once. After a failure the wait doubles from half a minute to an hour, whatever the
    schedule says; a little more or less for each source, so that they do not return together.
    """
    if settings.connector == PUSH:
        return None
    asked, attempted = _moment(state.asked), _moment(state.attempted)
    waits = asked is not None and (attempted is None or asked > attempted)
    if asked and waits and (state.asked_by == "asked" or not state.failures):
        return asked
    regular = settings.schedule is not None or settings.watch
    if state.failures:
        meant = regular or (asked is not None and (state.synced is None or asked > from_iso(state.synced)))
        ended = _moment(state.ended)
        return ended + backoff(state) if meant and ended else None
    if attempted is None:
        return _moment(state.since) if regular else None
    return settings.schedule.after(attempted) if settings.schedule else None


def trigger_of(settings: SourceSettings, state: StateRow) -> Trigger:
    """What the pass that begins now is begun by."""
    if state.asked and (not state.attempted or state.asked > state.attempted):
        return "watch" if state.asked_by == "watch" else "asked"
    return "schedule" if settings.schedule or settings.watch else "asked"


def backoff(state: StateRow) -> timedelta:
    """Doubles with each failure in a row; between three quarters and five quarters of that, settled by the pass."""
    whole = min(_FIRST_RETRY * 2 ** min(state.failures - 1, 20), _LONGEST_RETRY)
    digest = sha256(f"{state.source}/{state.pass_number}".encode()).digest()
    return whole * (0.75 + digest[0] / 510)


def is_late(settings: SourceSettings, state: StateRow, now: datetime) -> bool:
    """Whether the objective is breached: no complete pass, or for a source that is pushed to nothing pushed, for longer.
    Before the first one it counts from when the source was first known."""
    known = state.synced or state.since
    return settings.max_age is not None and known is not None and now - from_iso(known) > settings.max_age


class Scheduler:
    """`wake` may be called from this loop at any time: something was asked for. `queued` tells the worker."""

    def __init__(
        self,
        database: Database,
        workspace: Workspace,
        outbox: Outbox,
        clock: Clock,
        queued: Callable[[], None],
    ) -> None:
        self._database = database
        self._workspace = workspace
        self._outbox = outbox
        self._clock = clock
        self._queued = queued
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled. Raises `StorageError`."""
        while True:
            self._woken.clear()
            await self.tick()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), _TICK_S)

    async def tick(self) -> int:
        """Look once: queue what is due, tell of what is late. Returns how many passes were queued."""
        if not self._workspace.sources:
            return 0
        now = self._clock.now()
        states = await self._database.read(source_state.read_states)
        if self._needs_nothing(states, now):
            return 0
        queued = await self._database.write(self._settle, now)
        if queued:
            self._queued()
        return queued

    def _needs_nothing(self, states: dict[tuple[str, str], StateRow], now: datetime) -> bool:
        """Most looks end here, without a write."""
        for settings in self._workspace.sources.values():
            for tenant in self._tenants(settings):
                state = states.get((tenant, settings.name))
                if state is None or _is_to_tell(settings, state, now):
                    return False
            if self._is_due(settings, states, now):
                return False
        return True

    def _settle(self, connection: Connection, now: datetime) -> int:
        """The decisions, made again on what is committed."""
        for settings in self._workspace.sources.values():
            source_state.know(connection, self._tenants(settings), settings.name, now)
        states = source_state.read_states(connection)
        for settings in self._workspace.sources.values():
            for tenant in self._tenants(settings):
                state = states[tenant, settings.name]
                if not _is_to_tell(settings, state, now):
                    continue
                if state.alerted:
                    source_state.note_recovery(connection, tenant, settings.name, now, self._outbox)
                else:
                    source_state.note_breach(connection, tenant, settings.name, now, self._outbox)
        return self._queue_due(connection, states, now)

    def _queue_due(
        self, connection: Connection, states: dict[tuple[str, str], StateRow], now: datetime
    ) -> int:
        active = _active(connection)
        due = [
            settings
            for settings in self._workspace.sources.values()
            if settings.name not in active and self._is_due(settings, states, now)
        ]
        due.sort(key=lambda settings: states[self._tenants(settings)[0], settings.name].attempted or "")
        begun = due[: max(0, AT_ONCE - len(active))]
        for settings in begun:
            enqueue_in(connection, SYNC_JOB, self._tenants(settings)[0], settings.name, now)
        return len(begun)

    def _is_due(
        self, settings: SourceSettings, states: dict[tuple[str, str], StateRow], now: datetime
    ) -> bool:
        state = states.get((self._tenants(settings)[0], settings.name))
        due = due_at(settings, state) if state else None
        return due is not None and due <= now and not (state and _lives(state, now))

    def _tenants(self, settings: SourceSettings) -> Sequence[str]:
        return settings.tenants or self._workspace.tenants


def _is_to_tell(settings: SourceSettings, state: StateRow, now: datetime) -> bool:
    """A breach that nobody was told of, or the end of one; the end of a source's own is told by the pass that ends it."""
    late = is_late(settings, state, now)
    return late != bool(state.alerted) and (late or settings.connector == PUSH)


def _lives(state: StateRow, now: datetime) -> bool:
    """A pass that a command began is left to end; one whose process died is not waited for longer than this."""
    return state.running and state.beat is not None and now - from_iso(state.beat) < _DEAD_AFTER


def _active(connection: Connection) -> set[str]:
    """Sources whose pass is queued or running."""
    query = select(job.c.subject).where(job.c.kind == SYNC_JOB, job.c.state.in_(("queued", "running")))
    return set(connection.execute(query).scalars())


def _moment(text: str | None) -> datetime | None:
    return from_iso(text) if text else None
