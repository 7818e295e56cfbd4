"""Whether the house can answer, and what it lacks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from countersign.domain.errors import StorageError
from countersign.domain.jobs import Jobs
from countersign.domain.workspace import Workspace
from countersign.retrieval.seams import PassageIndex
from countersign.storage.database import Database, last_seq
from countersign.storage.document_views import status_counts


@dataclass(frozen=True, slots=True)
class Readiness:
    """`lacks` is what prevents answering, `degraded` what makes answers poorer; both in words for an operator."""

    lacks: tuple[str, ...]
    degraded: tuple[str, ...]
    jobs_pending: int
    owner: bool

    @property
    def ready(self) -> bool:
        return not self.lacks


@dataclass(frozen=True, slots=True)
class Figures:
    """The state of the house in numbers, for metrics. `index_lag` is tenant → mutations that its index has not seen."""

    jobs_pending: int
    documents: Mapping[str, int]
    """Status → how many, of all tenants together."""
    index_lag: Mapping[str, int]


class Health:
    def __init__(
        self,
        database: Database,
        jobs: Jobs,
        workspace: Workspace,
        vectors: Callable[[], Awaitable[tuple[str, ...]]],
        is_owner: bool,
        index_of: Callable[[str], PassageIndex],
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._workspace = workspace
        self._vectors = vectors
        self._is_owner = is_owner
        self._index_of = index_of
        self.warm = False
        self.broken: dict[str, str] = {}
        """Background work that ended for good, and why: nothing is answered beside it."""

    async def ready(self) -> Readiness:
        lacks: list[str] = []
        pending = 0
        try:
            await self._database.read(last_seq)
            pending = await self._jobs.pending()
        except StorageError as error:
            lacks.append(f"database: {error.message}")
        lacks += [f"{name}: {reason}" for name, reason in self.broken.items()]
        if not self._workspace.assistants:
            lacks.append("no assistant is configured")
        degraded = [f"vectors: {each}" for each in await self._vectors()] if not lacks else []
        if self._is_owner and not self.warm:
            degraded.append("the index and the embedding model are still warming up")
        return Readiness(tuple(lacks), tuple(degraded), pending, self._is_owner)

    async def figures(self) -> Figures:
        """Raises `StorageError`."""
        seq = await self._database.read(last_seq)
        documents: Counter[str] = Counter()
        lag: dict[str, int] = {}
        for tenant in self._workspace.tenants:
            documents.update(await self._database.read(status_counts, tenant))
            index = await asyncio.to_thread(self._index_of, tenant)
            await asyncio.to_thread(index.refresh)
            lag[tenant] = max(0, seq - index.applied_seq)
        return Figures(await self._jobs.pending(), documents, lag)
