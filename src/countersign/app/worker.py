"""Runs durable jobs: claims a few, keeps their leases alive while it works, hands back what failed for now."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from functools import partial

from countersign.domain.clock import Clock
from countersign.domain.errors import CountersignError, ProviderError, StorageError
from countersign.domain.ids import new_id
from countersign.domain.jobs import Handler, Job, Jobs

_LEASE_S = 60.0
_IDLE_S = 0.25
_MAX_ATTEMPTS = 6
_FIRST_RETRY_S = 2.0

logger = logging.getLogger(__name__)


class Worker:
    """`handlers` by job kind. `run` works until cancelled; `drain` works until nothing is due.

    `attempts` by job kind, where it is not six. `without` names the kinds that this process may not do at the moment;
    `lease_s` is how long this worker may be silent before another takes its jobs.
    """

    def __init__(
        self,
        jobs: Jobs,
        handlers: Mapping[str, Handler],
        clock: Clock,
        *,
        concurrency: int = 2,
        attempts: Mapping[str, int] | None = None,
        without: Callable[[], Collection[str]] = tuple,
        lease_s: float = _LEASE_S,
    ) -> None:
        self._jobs = jobs
        self._handlers = handlers
        self._clock = clock
        self._concurrency = concurrency
        self._attempts = dict(attempts or {})
        self._without = without
        self._lease_s = lease_s
        self._name = new_id("worker")
        self._running: dict[str, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Something was enqueued in this process: look now, not at the next tick."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled. Work under way is abandoned then; its lease runs out and it starts again elsewhere."""
        renewing = asyncio.create_task(self._renew_leases())
        try:
            while True:
                if not await self._fill():
                    self._woken.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._woken.wait(), _IDLE_S)
                else:
                    await self._until_one_ends()
        finally:
            for task in (renewing, *self._running.values()):
                task.cancel()
            await asyncio.gather(renewing, *self._running.values(), return_exceptions=True)

    async def drain(self) -> None:
        """Until no job is due and none is running here."""
        renewing = asyncio.create_task(self._renew_leases())
        try:
            while await self._fill() or self._running:
                await self._until_one_ends()
        finally:
            renewing.cancel()

    async def _until_one_ends(self) -> None:
        """…or until it is time to look for more work for the free places."""
        running = list(self._running.values())
        await asyncio.wait(running, timeout=_IDLE_S, return_when=asyncio.FIRST_COMPLETED)

    async def _fill(self) -> bool:
        """Claim up to the free places; True when anything is running."""
        free = self._concurrency - len(self._running)
        claimed = await self._claim(free) if free > 0 else []
        for job in claimed:
            if stale := self._running.get(job.job_id):
                stale.cancel()  # this process stood still for longer than its lease: that attempt may end nothing
            task = asyncio.create_task(self._work(job))
            self._running[job.job_id] = task
            task.add_done_callback(partial(self._forget, job.job_id))
        return bool(self._running)

    def _forget(self, job_id: str, ended: asyncio.Task[None]) -> None:
        if self._running.get(job_id) is ended:
            del self._running[job_id]

    async def _claim(self, free: int) -> list[Job]:
        try:
            return await self._jobs.claim(self._name, free, self._lease_s, without=self._without())
        except StorageError as error:
            logger.warning("jobs could not be claimed: %s", error.code)
            await asyncio.sleep(_FIRST_RETRY_S)
            return []

    async def _work(self, job: Job) -> None:
        handler = self._handlers.get(job.kind)
        if handler is None:
            await self._jobs.fail(job, "job_kind_unknown", retry_at=None)
            return
        try:
            result = await handler(job)
        except CountersignError as error:
            await self._hand_back(job, error.code, retry=isinstance(error, (ProviderError, StorageError)))
        except Exception:  # one broken job must not stop the others; it is logged whole and kept as failed
            logger.exception("job %s (%s) failed", job.job_id, job.kind)
            await self._hand_back(job, "internal", retry=False)
        else:
            await self._jobs.finish(job, result)

    async def _hand_back(self, job: Job, code: str, *, retry: bool) -> None:
        later = None
        if retry and job.attempts < self._attempts.get(job.kind, _MAX_ATTEMPTS):
            later = self._clock.now() + timedelta(seconds=_FIRST_RETRY_S * 2**job.attempts)
        logger.warning("job %s (%s): %s%s", job.job_id, job.kind, code, ", will retry" if later else "")
        with contextlib.suppress(StorageError):  # its lease runs out by itself
            await self._jobs.fail(job, code, retry_at=later)

    async def _renew_leases(self) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 3)
            if self._running:
                with contextlib.suppress(StorageError):
                    await self._jobs.renew(self._name, list(self._running), self._lease_s)
