"""A local folder whose changes begin a pass at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from countersign.domain.clock import Clock
from countersign.domain.workspace import SourceSettings, Workspace
from countersign.storage import source_state
from countersign.storage.database import Database

_SETTLED_MS = 1_000
"""Changes within this time of each other are one."""
_RETRY_S = 30.0

logger = logging.getLogger(__name__)


def watched_folder(workspace: Workspace, settings: SourceSettings) -> Path | None:
    """None where nothing is watched, or what is watched is not a folder of this machine."""
    if not settings.watch or settings.connector != "files" or "://" in settings.url:
        return None
    return (workspace.root / settings.url).resolve()


class Watching:
    """`wake` tells the scheduler that something changed."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        source: str,
        tenants: tuple[str, ...],
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self.source = source
        self._database = database
        self._folder = folder
        self._tenants = tenants
        self._clock = clock
        self._wake = wake

    async def run(self) -> None:
        """Until cancelled; a folder that is not there is looked for again."""
        while True:
            try:
                await self._watch()
            except OSError as error:
                logger.warning("source %s cannot be watched: %s", self.source, error.strerror or error)
            await asyncio.sleep(_RETRY_S)

    async def _watch(self) -> None:
        from watchfiles import awatch

        async for _ in awatch(self._folder, debounce=_SETTLED_MS, recursive=True):
            await self._database.write(
                source_state.note_asked, self._tenants, self.source, "watch", self._clock.now()
            )
            self._wake()
