"""A connector on a thread of its own: whatever it holds open is made, used and ended on the same one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from types import TracebackType
from typing import Any, Self, TypeVar

from countersign.sources.connector import Listed, SourceConnector

T = TypeVar("T")


class ConnectorThread:
    """`async with ConnectorThread(connector) as thread:` A call that is under way when it ends is left to end alone."""

    def __init__(self, connector: SourceConnector) -> None:
        self._connector = connector
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="source")
        self._listing: Iterator[Listed] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listing is not None:
            self._pool.submit(_close, self._listing)
        self._pool.submit(_close, self._connector)
        self._pool.shutdown(wait=False)

    async def batches(self, size: int) -> AsyncGenerator[list[Listed]]:
        """The listing, `size` documents at a time. Raises `SourceError`."""
        listing = self._listing = await self._call(lambda: iter(self._connector.list()))
        while batch := await self._call(lambda: list(islice(listing, size))):
            yield batch

    async def read(self, external_id: str, max_bytes: int) -> bytes:
        """Raises `SourceError`."""
        return await self._call(lambda: self._connector.read(external_id, max_bytes))

    async def _call(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function)


def _close(holder: Any) -> None:
    """Connections of a connector that has some to close; a listing that was left early lets go of what it holds."""
    close = getattr(holder, "close", None)
    if close is not None:
        close()
