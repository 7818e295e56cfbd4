"""Work that must happen although the process may die: jobs carry ids, never text."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

SYNC_JOB = "sync"
"""Job kind: one pass over a source; its subject is the source's name."""

JobState = Literal["queued", "running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Job:
    job_id: str
    kind: str
    tenant: str
    subject: str
    state: JobState
    attempts: int
    created: datetime
    finished: datetime | None = None
    error: str = ""
    result: Mapping[str, object] | None = None


Handler = Callable[[Job], Awaitable[Mapping[str, object]]]
"""Does the work of one job and returns its result. Must be idempotent: after a crash it runs again."""


class Jobs(Protocol):
    """A durable queue. A claimed job that is neither finished nor renewed goes back to the queue by itself."""

    async def enqueue(
        self, kind: str, tenant: str, subject: str, *, job_id: str = "", not_before: datetime | None = None
    ) -> str:
        """Idempotent by `job_id` (default: derived from kind and subject) while such a job is queued or running."""
        ...

    async def claim(
        self, worker: str, limit: int, lease_s: float, *, without: Collection[str] = ()
    ) -> list[Job]:
        """Take up to `limit` due jobs of every kind but `without`; no other worker gets them until the lease runs out."""
        ...

    async def renew(self, worker: str, job_ids: list[str], lease_s: float) -> None: ...

    async def finish(self, job: Job, result: Mapping[str, object]) -> None:
        """Nothing when the lease ran out and another worker has taken the job since: it is that one's to end."""
        ...

    async def fail(self, job: Job, error: str, *, retry_at: datetime | None) -> None:
        """Back to the queue until `retry_at`, or failed for good when it is None; nothing when another has it now."""
        ...

    async def get(self, job_id: str) -> Job | None: ...

    async def pending(self) -> int:
        """How many are running, due, or waiting to be tried again; what is only scheduled for later does not count."""
        ...
