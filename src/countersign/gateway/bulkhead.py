"""A limit on concurrent calls to one model, so that a slow one cannot take every worker with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from countersign.domain.errors import LimitExceeded
from countersign.gateway.seams import ChatModel, Delta, Done, ModelRequest
from countersign.gateway.streams import closing
from countersign.gateway.wrapper import Wrapper


class Bulkhead(Wrapper):
    """At most `max_concurrent` streams; up to `max_waiting` callers wait up to `max_wait_s` for a place.

    Raises `LimitExceeded` with code `model_busy`. A place is held until the stream is closed.
    """

    def __init__(
        self,
        model: ChatModel,
        max_concurrent: int,
        *,
        max_waiting: int | None = None,
        max_wait_s: float = 2.0,
    ) -> None:
        super().__init__(model)
        self._places = asyncio.Semaphore(max_concurrent)
        self._max_waiting = 2 * max_concurrent if max_waiting is None else max_waiting
        self._max_wait_s = max_wait_s
        self.running = 0
        self.waiting = 0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | Done, None]:
        await self._enter()
        self.running += 1
        try:
            async with closing(self._model.stream(request)) as values:
                async for value in values:
                    yield value
        finally:
            self.running -= 1
            self._places.release()

    async def _enter(self) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        if self.waiting >= self._max_waiting:
            raise self._busy()
        self.waiting += 1
        try:
            async with asyncio.timeout(self._max_wait_s):
                await self._places.acquire()
        except TimeoutError:
            raise self._busy() from None
        finally:
            self.waiting -= 1

    def _busy(self) -> LimitExceeded:
        return LimitExceeded(
            f"every place at model {self.name!r} is taken",
            code="model_busy",
            hint="Retry shortly, or raise `max_concurrent` when the model can serve more.",
        )
