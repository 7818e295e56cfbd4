"""A connector on a thread of its own: whatever it holds open is made, used and ended on the same one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from types import TracebackType
from typing import Any, Self, TypeVar

from countersign.domain.errors import SourceError
from countersign.sources.connector import Listed, SourceConnector

T = TypeVar("T")
_PATIENCE_S = 2.0
"""What a slow source has listed by then is confirmed."""


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
        """The listing, up to `size` documents at a time, fewer where it is slow. Raises what the connector raises, after
        everything that was listed before."""
        listing = self._listing = await self._call(lambda: iter(self._connector.list()))
        over = False
        while not over:
            batch, error, over = await self._call(lambda: _some(listing, size))
            if batch:
                yield batch
            if error is not None:
                raise error

    async def read(self, external_id: str, max_bytes: int) -> bytes:
        """Raises `SourceError`."""
        return await self._call(lambda: self._connector.read(external_id, max_bytes))

    async def _call(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function)


def _some(listing: Iterator[Listed], size: int) -> tuple[list[Listed], SourceError | None, bool]:
    """The next documents, what ended the listing early, and whether it is over."""
    found: list[Listed] = []
    ends = time.monotonic() + _PATIENCE_S
    try:
        for item in islice(listing, size):
            found.append(item)
            if time.monotonic() > ends:
                return found, None, False
    except SourceError as error:
        return found, error, True
    return found, None, len(found) < size


def _close(holder: Any) -> None:
    """Connections of a connector that has some to close; a listing that was left early lets go of what it holds."""
    close = getattr(holder, "close", None)
    if close is not None:
        close()
