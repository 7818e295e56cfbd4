"""Reading a source no faster than it may be read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from countersign.domain.workspace import RateLimit


class Pace:
    """Waits so that documents and bytes stay within `limit` on average; nothing is saved up while nothing is read.

    `now` gives seconds, `sleep` waits for so many; both may be replaced by a test.
    """

    def __init__(
        self,
        limit: RateLimit,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._limit = limit
        self._now = now
        self._sleep = sleep
        self._next = 0.0

    async def before_document(self) -> None:
        """Wait for its turn, and take it."""
        wait = self._next - self._now()
        if wait > 0:
            await self._sleep(wait)
        self._owe(1 / self._limit.documents_per_s if self._limit.documents_per_s else 0.0)

    async def after_bytes(self, size: int) -> None:
        """What was read counts against the next one."""
        if self._limit.bytes_per_s:
            self._owe(size / self._limit.bytes_per_s)

    def _owe(self, seconds: float) -> None:
        self._next = max(self._next, self._now()) + seconds
