"""The configured sources as they are read: a connector for each, one pass at a time, by hand or as a job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from countersign.app.schedule import trigger_of
from countersign.app.sync import Sync, SyncReport, SyncWatch
from countersign.domain.clock import Clock
from countersign.domain.errors import NotFound, UsageError
from countersign.domain.jobs import SYNC_JOB, Handler, Job
from countersign.domain.workspace import SourceSettings, Workspace
from countersign.sources.connector import SourceConnector
from countersign.sources.registry import PUSH, Surroundings
from countersign.storage import source_state
from countersign.storage.database import Database
from countersign.storage.source_state import Trigger

Connect = Callable[[SourceSettings, Surroundings], SourceConnector]


class Reading:
    def __init__(
        self, database: Database, workspace: Workspace, sync: Sync, connect: Connect, clock: Clock
    ) -> None:
        self._database = database
        self._clock = clock
        self._workspace = workspace
        self._sync = sync
        self._connect = connect

    def settings(self, source: str) -> SourceSettings:
        """Raises `NotFound` for a name that is not configured, `UsageError` for a source that is pushed to."""
        settings = self._workspace.sources.get(source)
        if settings is None:
            raise NotFound(
                f"there is no source {source!r}",
                code="source_not_found",
                hint=f"Known: {', '.join(sorted(self._workspace.sources))}.",
            )
        if settings.connector == PUSH:
            raise UsageError(
                f"source {source!r} is pushed to, not read",
                code="source_not_readable",
                hint="PUT documents to /api/documents instead.",
            )
        return settings

    def tenants(self, settings: SourceSettings) -> tuple[str, ...]:
        return settings.tenants or self._workspace.tenants

    def connector(self, source: str) -> SourceConnector:
        """Raises as `settings` does, and `ConfigError` where its package lacks something."""
        around = Surroundings(
            self._workspace.root, self._workspace.tenants, cache_of(self._workspace.state, source)
        )
        return self._connect(self.settings(source), around)

    async def run(self, source: str, watch: SyncWatch, trigger: Trigger = "command") -> SyncReport:
        """One pass. Raises as `settings` and `Sync.run` do."""
        settings = self.settings(source)
        return await self._sync.run(
            source,
            lambda: self.connector(source),
            self.tenants(settings),
            watch,
            trigger=trigger,
            limit=settings.rate_limit,
        )

    async def accept_removals(self, source: str, actor: str) -> int:
        """Let the next pass remove what the newest one held back; recorded. Raises `UsageError`
        (`removals_not_held`)."""
        tenants = self.tenants(self.settings(source))
        return await self._database.write(source_state.accept, tenants, source, actor, self._clock.now())

    def handlers(self) -> dict[str, Handler]:
        return {SYNC_JOB: self._handle}

    async def _handle(self, job: Job) -> Mapping[str, object]:
        settings = self._workspace.sources.get(job.subject)
        if settings is None or settings.connector == PUSH:
            return {"dropped": "source_not_configured"}
        tenants = self.tenants(settings)
        state = await self._database.read(source_state.state_of, tenants[0], settings.name)
        trigger = trigger_of(settings, state) if state else "schedule"
        report = await self.run(settings.name, lambda step: None, trigger)
        return {
            "listed": report.listed, "new": report.new, "changed": report.changed, "removed": report.removed,
            "failed": report.failed, "held": report.held,
        }  # fmt: skip


def cache_of(state: Path, source: str) -> Path:
    """The folder that a source's connector may fill; it may be emptied at any time."""
    return state / "sources" / source
