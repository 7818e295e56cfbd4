"""How fresh each source is: what its passes did, how old its data is against its objective, and what to do about it.

A source is described once for each tenant that it serves; nobody sees another tenant's figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from countersign.access.decide import Action, Context, Permit, may, require
from countersign.access.principal import Principal
from countersign.app.schedule import due_at, is_late
from countersign.domain.clock import Clock, from_iso
from countersign.domain.errors import NotFound, UsageError
from countersign.domain.jobs import SYNC_JOB
from countersign.domain.workspace import SourceSettings, Workspace
from countersign.sources.registry import PUSH
from countersign.storage import source_state
from countersign.storage.database import Database
from countersign.storage.jobs import job_id_of
from countersign.storage.source_state import Outcome, PassRow, StateRow, Trigger

Status = Literal["fresh", "stale", "failing", "held", "never_read", "running", "pushed", "silent"]
"""`held`: the newest listing lacked so much that nothing was removed until somebody accepts it. `pushed`: nothing is
read, documents arrive by themselves; `silent`: none did for longer than `max_age`. Where several are true, the one that
needs somebody comes first."""


@dataclass(frozen=True, slots=True)
class SourcePass:
    """One pass over a source, for one tenant. Counts are documents; `ended` is None while it runs."""

    number: int
    trigger: Trigger
    """What began it: `schedule`, `watch`, `asked` (API, console), `command`."""
    begun: datetime
    ended: datetime | None
    outcome: Outcome
    """`running`, `complete`, `held`, `failed`, `overtaken` (a newer pass began first, or its process died)."""
    error: str
    """A stable code; empty when nothing is wrong."""
    listed: int
    new: int
    changed: int
    unchanged: int
    removed: int
    quarantined: int
    failed: int
    """Listed, but their content could not be read; what was there before still answers."""
    bytes_read: int
    problems: tuple[tuple[str, str], ...]
    """Up to 20 examples of the failed: (external_id, code)."""

    @property
    def duration_s(self) -> float | None:
        return None if self.ended is None else (self.ended - self.begun).total_seconds()


@dataclass(frozen=True, slots=True)
class SourceFreshness:
    """One source of one tenant, now."""

    source: str
    connector: str
    tenant: str
    status: Status
    synced: datetime | None
    """When the last complete pass ended; for a push source, when the newest document arrived."""
    attempted: datetime | None
    """When the newest pass began."""
    lag_s: float | None
    """Seconds since `synced`; None while it was never read."""
    max_age: timedelta | None
    is_late: bool
    """Older than `max_age`, or never read or pushed to although `max_age` has passed since it was configured."""
    schedule: str
    """As written in the workspace file; empty when nothing is scheduled."""
    watch: bool
    next_due: datetime | None
    documents: int
    """Documents that are there now, attachments included."""
    indexed: int
    queued: int
    quarantined: int
    failed: int
    coverage: float | None
    """Share of `documents` that is searchable; None without documents."""
    error: str
    """Code of what ended the newest pass; empty when it was complete."""
    hint: str
    """What to do about it."""
    failures: int
    """Passes in a row that did not end complete."""
    held_absent: int
    """How many documents a held removal would take away; 0 when none is held."""
    held_of: int
    last: SourcePass | None


@dataclass(frozen=True, slots=True)
class AskedSync:
    """A pass that was asked for. `job_id` can be followed at /api/jobs by its tenant's operators."""

    source: str
    job_id: str


class Freshness:
    """`wake` tells the scheduler of this process that something was asked for."""

    def __init__(
        self, database: Database, workspace: Workspace, clock: Clock, wake: Callable[[], None]
    ) -> None:
        self._database = database
        self._workspace = workspace
        self._clock = clock
        self._wake = wake

    async def sources(self, principal: Principal) -> list[SourceFreshness]:
        """Every source of this person's tenant, by name. Raises `NotPermitted` (`Action.READ_STATE`)."""
        require(principal, Action.READ_STATE)
        return await self.of_tenant(principal.tenant)

    async def passes(
        self, principal: Principal, source: str, *, limit: int = 20, before: int = 0
    ) -> list[SourcePass]:
        """The passes that are kept (the newest 100), newest first; `before` continues below that number."""
        require(principal, Action.READ_STATE)
        self._of(principal.tenant, source)
        rows = await self._database.read(
            source_state.read_passes, principal.tenant, source, limit=limit, before=before
        )
        return [pass_of(row) for row in rows]

    async def ask(self, principal: Principal, source: str, *, accept_removals: bool = False) -> AskedSync:
        """Begin a pass soon, for operators and this source's publishers; recorded. `accept_removals` lets it remove as
        many documents as the newest pass held back, which only operators may say.

        Raises `NotFound`, `NotPermitted`, `UsageError` (`source_not_readable`, `removals_not_held`)."""
        settings = self._of(principal.tenant, source)
        require(principal, Action.PUBLISH, publisher_groups=frozenset(settings.publisher_groups))
        if accept_removals:
            require(principal, Action.INGEST)
        if settings.connector == PUSH:
            raise UsageError(
                f"source {source!r} is pushed to, not read",
                code="source_not_readable",
                hint="PUT documents to /api/documents instead.",
            )
        tenants = settings.tenants or self._workspace.tenants
        await self._database.write(
            source_state.ask, tenants, source, principal, self._clock.now(), accept_removals=accept_removals
        )
        self._wake()
        return AskedSync(source, job_id_of(SYNC_JOB, source))

    def may_ask(self, principal: Principal, source: str) -> bool:
        """Whether `ask` would let this person, for a door that shows a button."""
        settings = self._workspace.sources[source]
        about = Context(publisher_groups=frozenset(settings.publisher_groups))
        return settings.connector != PUSH and isinstance(may(principal, Action.PUBLISH, about), Permit)

    # -- for the house itself -----------------------------------------------------------------------------------
    async def of_tenant(self, tenant: str) -> list[SourceFreshness]:
        """Without asking who wants to know: for metrics, doctor and commands of the workspace's owner."""
        states, counts, arrived = await self._database.read(source_state.read_figures, tenant)
        return [
            freshness_of(
                settings,
                tenant,
                states.get(settings.name),
                counts.get(settings.name, {}),
                arrived.get(settings.name),
                self._clock.now(),
            )
            for settings in self._served(tenant)
        ]

    async def everywhere(self) -> list[SourceFreshness]:
        return [found for tenant in self._workspace.tenants for found in await self.of_tenant(tenant)]

    def _served(self, tenant: str) -> Sequence[SourceSettings]:
        mine = (s for s in self._workspace.sources.values() if not s.tenants or tenant in s.tenants)
        return sorted(mine, key=lambda settings: settings.name)

    def _of(self, tenant: str, source: str) -> SourceSettings:
        for settings in self._served(tenant):
            if settings.name == source:
                return settings
        raise NotFound(
            "there is no such source",
            code="source_not_found",
            hint="Look at /api/sources.",
        )


def freshness_of(
    settings: SourceSettings,
    tenant: str,
    state: StateRow | None,
    counts: Mapping[str, int],
    arrived: str | None,
    now: datetime,
) -> SourceFreshness:
    """`counts` are documents by status, deleted ones left out; `arrived` is when the newest was confirmed."""
    state = state or StateRow(tenant=tenant, source=settings.name)
    pushed = max(arrived or "", state.synced or "") or None
    synced = _moment(pushed if settings.connector == PUSH else state.synced)
    lag = None if synced is None else max(timedelta(), now - synced)
    documents = sum(counts.values())
    return SourceFreshness(
        source=settings.name,
        connector=settings.connector,
        tenant=tenant,
        status=status_of(settings, state, now),
        synced=synced,
        attempted=_moment(state.attempted),
        lag_s=None if lag is None else lag.total_seconds(),
        max_age=settings.max_age,
        is_late=is_late(settings, state, now),
        schedule=settings.schedule.text if settings.schedule else "",
        watch=settings.watch,
        next_due=due_at(settings, state),
        documents=documents,
        indexed=counts.get("indexed", 0),
        queued=counts.get("queued", 0),
        quarantined=counts.get("quarantined", 0),
        failed=counts.get("failed", 0),
        coverage=counts.get("indexed", 0) / documents if documents else None,
        error=state.error,
        hint=state.hint,
        failures=state.failures,
        held_absent=state.held_absent,
        held_of=state.held_of,
        last=pass_of(state.last) if state.last else None,
    )


def status_of(settings: SourceSettings, state: StateRow, now: datetime) -> Status:
    """The one word for a source, the most pressing first."""
    if settings.connector == PUSH:
        return "silent" if is_late(settings, state, now) else "pushed"
    if state.held_absent:
        return "held"
    if state.failures:
        return "failing"
    if is_late(settings, state, now) and state.synced:
        return "stale"
    if state.running:
        return "running"
    return "fresh" if state.synced else "never_read"


def pass_of(row: PassRow) -> SourcePass:
    return SourcePass(
        number=row.number,
        trigger=row.trigger,
        begun=from_iso(row.begun),
        ended=_moment(row.ended),
        outcome=row.outcome,
        error=row.error,
        listed=row.listed,
        new=row.new,
        changed=row.changed,
        unchanged=row.unchanged,
        removed=row.removed,
        quarantined=row.quarantined,
        failed=row.failed,
        bytes_read=row.bytes_read,
        problems=row.problems,
    )


def _moment(text: str | None) -> datetime | None:
    return from_iso(text) if text else None
