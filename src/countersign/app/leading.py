"""Where several processes share a workspace, one leads: it writes the index, erases, signs checkpoints and keeps house.

Everybody else answers and works on jobs. Who leads is settled by a lease in the database; when its holder is killed,
another follows within the lease's time. Questions never wait for the leader: every process searches what the index has
and adds what it lacks from the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from typing import Any

from countersign.app.indexing import Indexes
from countersign.domain.errors import Conflict, CountersignError, StorageError
from countersign.retrieval.seams import PassageIndex, PassageStore
from countersign.retrieval.upkeep import catch_up
from countersign.retrieval.version import Shape
from countersign.storage.leases import SqlLease
from countersign.storage.shared_files import SharedFiles

logger = logging.getLogger(__name__)

LEASE = "leader"
_POLL_S = 1.0
"""How often a process that does not lead asks for the lease, and one that leads looks for changes."""

_FOLLOW_S = 10.0
"""How often the others fetch what the leader shares."""

Work = Callable[[], Coroutine[Any, Any, None]]


class Leader:
    """`stores` gives the passages of every index that is kept up, the live one's first; `open_indexes` opens the
    indexes of one for an epoch. `only_leader` are kinds of jobs that nobody else may do; `files` what it shares with machines
    that have their own."""

    def __init__(
        self,
        lease: SqlLease,
        open_indexes: Callable[[Shape, int], Indexes],
        stores: Callable[[], Awaitable[Mapping[Shape, PassageStore]]],
        tenants: Collection[str],
        only_leader: Collection[str],
        files: SharedFiles | None = None,
    ) -> None:
        self._lease = lease
        self._open = open_indexes
        self._stores = stores
        self._tenants = tuple(tenants)
        self._only_leader = tuple(only_leader)
        self._files = files
        self._beside: Mapping[str, Work] = {}
        self._indexes: dict[Shape, Indexes] | None = None
        self._live: Shape | None = None
        self._opening = threading.Lock()
        self.applying = asyncio.Lock()
        """Held while indexes are brought up to date, or removed."""
        self._epoch: int | None = None

    @property
    def leads(self) -> bool:
        return self._indexes is not None

    def not_mine(self) -> Collection[str]:
        """Kinds of jobs that this process may not do at the moment."""
        return () if self.leads else self._only_leader

    def also(self, beside: Mapping[str, Work]) -> None:
        self._beside = dict(beside)

    def of(self, tenant: str, shape: Shape | None = None) -> PassageIndex:
        """The index that may be written; the live one when none is named. Raises like `require`."""
        indexes, _ = self.require()
        return self.writable(shape or self._live or next(iter(indexes))).of(tenant)

    def require(self) -> tuple[dict[Shape, Indexes], int]:
        """Raises `StorageError` (`not_leading`): whoever leads can do it, so it is worth trying again."""
        indexes, epoch = self._indexes, self._epoch
        if indexes is None or epoch is None:
            raise StorageError(
                "this process does not lead the workspace",
                code="not_leading",
                hint="It is done by the process that does; `/readyz` of each says which.",
            )
        return indexes, epoch

    def writable(self, shape: Shape) -> Indexes:
        """Opened when first asked for. Raises like `require`."""
        indexes, epoch = self.require()
        with self._opening:
            if shape not in indexes:
                indexes[shape] = self._open(shape, epoch)
            return indexes[shape]

    async def let_go(self, kept: Collection[Shape]) -> None:
        """Close what is not kept up any more; the caller holds `applying`."""
        indexes, _ = self.require()
        for shape in [each for each in indexes if each not in kept]:
            await asyncio.to_thread(indexes.pop(shape).close)

    async def run(self) -> None:
        """Until cancelled: wait for the lease, lead while it is kept, wait again."""
        try:
            while True:
                if not await self.take():
                    await asyncio.sleep(_POLL_S)
                    continue
                await self._reign()
        finally:
            await self.step_down()

    async def take(self) -> bool:
        """Lead from now on if nobody else does."""
        if self._epoch is None:
            self._epoch = await self._lease.take()
        if self._epoch is None:
            return False
        try:
            if self._files is not None:
                await asyncio.to_thread(self._files.pull)
            live = next(iter(await self._stores()))
            self._indexes, self._live = {live: await asyncio.to_thread(self._open, live, self._epoch)}, live
        except CountersignError:
            await self.step_down()
            raise
        logger.info("this process leads the workspace (epoch %d)", self._epoch)
        return True

    async def step_down(self) -> None:
        """Let another follow at once. What was not applied yet is applied by whoever follows."""
        indexes, self._indexes = self._indexes, None
        if indexes is not None:
            with contextlib.suppress(StorageError, Conflict):  # whoever follows signs anew from the chain
                await self.share()
            async with self.applying:
                for opened in indexes.values():
                    await asyncio.to_thread(opened.close)
        epoch, self._epoch = self._epoch, None
        if epoch is not None:
            with contextlib.suppress(StorageError):  # then it runs out by itself
                await self._lease.release(epoch)

    async def keep(self) -> None:
        """Until the lease is lost, or the database does not answer for longer than it lasts."""
        assert self._epoch is not None
        failing_s, pause_s = 0.0, self._lease.ttl_s / 3
        while True:
            try:
                if not await self._lease.keep(self._epoch):
                    logger.warning("another process leads the workspace now")
                    return
                failing_s = 0.0
            except StorageError:
                failing_s += pause_s
                if failing_s >= self._lease.ttl_s:
                    raise
            await asyncio.sleep(pause_s)

    async def share(self) -> None:
        """What was signed or erased here, with every machine. Raises `Conflict` when another leads."""
        if self._files is not None:
            await asyncio.to_thread(self._files.push)

    async def follow(self) -> None:
        """For ever: fetch what the leader shares."""
        while self._files is not None:
            if not self.leads:
                await asyncio.to_thread(self._files.pull)
            await asyncio.sleep(_FOLLOW_S)

    async def apply(self, only: Mapping[Shape, PassageStore] | None = None) -> None:
        """Bring every index of every tenant up to date once, or those named."""
        self.require()
        async with self.applying:
            stores = await self._stores()
            self._live = next(iter(stores))
            for shape, passages in (stores if only is None else only).items():
                for tenant in self._tenants:
                    index = await asyncio.to_thread(self.of, tenant, shape)
                    await catch_up(passages, index, tenant)

    async def _apply_for_ever(self) -> None:
        while True:
            await self.apply()
            await self.share()
            await asyncio.sleep(_POLL_S)

    async def _reign(self) -> None:
        """Ends with the first part that ends; what that part failed with is raised."""
        parts = {"lease": self.keep, "index": self._apply_for_ever, **self._beside}
        tasks = [asyncio.create_task(work(), name=name) for name, work in parts.items()]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.step_down()
        for task in ended:
            task.result()
