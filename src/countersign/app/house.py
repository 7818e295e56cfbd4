"""The house: every room joined, once, for one workspace (see `joining`), and its life from opening to closing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countersign.app.asking import Asking
from countersign.app.audits import Audits
from countersign.app.desk import Desk
from countersign.app.embedders import Embedders
from countersign.app.erasing import Erasing
from countersign.app.freshness import Freshness
from countersign.app.health import Health
from countersign.app.index_versions import IndexVersions
from countersign.app.indexing import Indexes, is_shared
from countersign.app.joining import (
    Ground,
    answering_room,
    corpus_room,
    ground,
    retrieval_room,
    upkeep_room,
)
from countersign.app.leading import Leader
from countersign.app.ledger import Ledger
from countersign.app.library import Library
from countersign.app.office import require_ready
from countersign.app.owner import WorkspaceLock
from countersign.app.people import People
from countersign.app.reading import Connect, Reading
from countersign.app.schedule import Scheduler
from countersign.app.search import Searching
from countersign.app.serving import Shelves
from countersign.app.shadow import Shadow
from countersign.app.sync import SyncReport, SyncWatch
from countersign.app.watching import Watching
from countersign.app.worker import Worker
from countersign.corpus import language
from countersign.corpus.blobs import Blobs
from countersign.corpus.seams import Embedder, Parser
from countersign.domain.clock import Clock, SystemClock
from countersign.domain.errors import CountersignError, IntegrityError, StorageError
from countersign.domain.workspace import Workspace
from countersign.gateway.budget import Budget
from countersign.gateway.http import HttpClient
from countersign.record.keys import load_public_key, load_signer
from countersign.retrieval.retrieve import Retriever
from countersign.sources.connector import SourceConnector
from countersign.sources.registry import open_connector
from countersign.storage.budgets import SqlBudgets
from countersign.storage.checkpoints import Checkpointer
from countersign.storage.database import Database
from countersign.storage.jobs import SqlJobs
from countersign.storage.migrate import upgrade

logger = logging.getLogger(__name__)

_CARETAKER_S = 600.0
_RESTART_S = 10


@dataclass(slots=True)
class House:
    """An open workspace. Doors use the services; `close()` ends everything that `open_house` began."""

    workspace: Workspace
    database: Database
    blobs: Blobs
    jobs: SqlJobs
    people: People
    library: Library
    audits: Audits
    desk: Desk
    asking: Asking
    searching: Searching
    ledger: Ledger
    health: Health
    worker: Worker
    parser: Parser
    embedders: Embedders
    shelves: Shelves
    index_versions: IndexVersions
    shadow: Shadow
    checkpointer: Checkpointer
    erasing: Erasing
    clock: Clock
    freshness: Freshness
    reading: Reading
    scheduler: Scheduler
    is_owner: bool
    leader: Leader | None
    """Where several processes share the workspace; whoever leads does what only one may do."""
    _http: HttpClient
    _budget: Budget
    _budgets: SqlBudgets
    _lock: WorkspaceLock
    _watching: list[Watching]
    _background: list[asyncio.Task[None]]

    @property
    def embedder(self) -> Embedder | None:
        """Of the index version that was live when this process looked last; None = words only."""
        return self.shelves.newest.embedder

    @property
    def retriever(self) -> Retriever:
        """The same for what it finds."""
        return self.shelves.newest.retriever

    @property
    def indexes(self) -> Indexes:
        """The same for its index."""
        return self.shelves.newest.indexes

    async def start(self) -> None:
        """Begin the work beside answering; an owner's: jobs, checkpoints, warm indexes."""
        self._run("shadow", self.shadow.run)
        if not self.is_owner:
            return
        if self.leader is None:
            for name, work in self._alone().items():
                self._run(name, work)
        else:
            self.leader.also(self._alone())
            self._run("leader", self.leader.run)
            self._run("follower", self.leader.follow)
        self._run("worker", self._work)
        self._run("warm-up", self._warm_up)
        self._run("scheduler", self.scheduler.run)
        for watching in self._watching:
            self._run(f"watch over {watching.source}", watching.run)

    def _alone(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """What only one process of a workspace does."""
        return {
            "caretaker": self._look_after,
            "checkpointer": self.checkpointer.run,
            "index versions": self.index_versions.tend_for_ever,
        }

    def _run(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.create_task(self._keep(name, work), name=name)
        task.add_done_callback(_tell_why_it_ended)
        self._background.append(task)

    async def _keep(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """What fails is logged and begun again; a record that was tampered with ends the house's readiness instead."""
        while True:
            try:
                return await work()
            except IntegrityError as error:
                logger.critical("%s: %s", name, error.message)
                self.health.broken[name] = error.message
                return None
            except CountersignError as error:
                logger.error("%s stopped (%s) and starts again in %d s", name, error.code, _RESTART_S)
                await asyncio.sleep(_RESTART_S)

    async def _work(self) -> None:
        if (
            self.database.is_sqlite and self.leader is None
        ):  # one owner at a time: what its predecessor left running waits for nobody
            await self.jobs.take_over()
        await self.worker.run()

    async def _look_after(self) -> None:
        """Now and then: money reserved by a process that died counts as spent, texts past their time are emptied."""
        await self.erasing.rebuild_if_asked()
        while True:
            await self._budgets.settle_stale()
            await self.erasing.retire()
            await asyncio.sleep(_CARETAKER_S)

    async def _warm_up(self) -> None:
        serving = await self.shelves.current()
        for tenant in self.workspace.tenants:
            await serving.retriever.warm_up(tenant)
        if serving.embedder is not None and self.shelves.serves(serving.version):
            await serving.embedder.embed_query("warm up")
        await asyncio.to_thread(language.warm_up)
        self.health.warm = True

    async def bring_up_to_date(self) -> None:
        """Every index that is kept, where this process writes them. Raises `StorageError`."""
        await self.shelves.bring_up_to_date()

    async def lead_meanwhile(self) -> bool:
        """For a command: lead until it ends, when nobody does."""
        if self.leader is None or not await self.leader.take():
            return False
        self._run("lease", self.leader.keep)
        return True

    async def sync(self, source: str, watch: SyncWatch) -> SyncReport:
        """One pass over a configured source. Raises `NotFound`, `UsageError` (push), `SourceError`."""
        return await self.reading.run(source, watch)

    def connector(self, source: str) -> SourceConnector:
        return self.reading.connector(source)

    async def _sign_last(self) -> None:
        """Whatever is wrong with the record or its disk, the rest of the house still closes."""
        try:
            await self.checkpointer.sign()
        except (IntegrityError, StorageError) as error:
            logger.error("the last checkpoint was not signed: %s (%s)", error.code, error.message)

    async def close(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        started = any(task.get_name() == "worker" for task in self._background)
        if self.is_owner and not started:
            await self._sign_last()
        if self.leader is not None:
            await self.leader.step_down()
        await self._budget.close()
        await self._http.close()
        await self.embedders.close()
        close = getattr(self.parser, "close", None)
        if close is not None:
            await close()
        self.shelves.close()
        self.database.close()
        self._lock.release()


def _tell_why_it_ended(task: asyncio.Task[None]) -> None:
    """Work beside answering ends by being cancelled; anything else must not pass in silence."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("the house's %s ended", task.get_name(), exc_info=error)


async def open_house(
    workspace: Workspace,
    *,
    model_cache: Path,
    owner: bool | None = None,
    clock: Clock | None = None,
    connect: Connect = open_connector,
) -> House:
    """Join the house. `owner` True requires the workspace's lock (`Conflict`), None takes it when it is free, False
    never. Where several processes share the workspace there is no such lock: True means to work, None to lead while
    nobody does. `model_cache` is a folder where the converted embedding model may be kept between workspaces. `connect` opens a
    source. Raises `Conflict`
    (`restore_unfinished`) too while what was erased since a backup could still be there."""
    require_ready(workspace)
    lock = WorkspaceLock(workspace.state)
    if is_shared(workspace):
        is_owner = bool(owner)
    else:
        if owner:
            lock.require()
        is_owner = bool(owner) or (owner is None and lock.try_acquire())
    with ExitStack() as undo:
        undo.callback(lock.release)
        database = Database(workspace.database)
        undo.callback(database.close)
        upgrade(database)
        on = ground(workspace, database, clock or SystemClock(), is_owner=is_owner)
        house = await _join(on, lock, model_cache, connect)
        undo.pop_all()
    if owner is None and await house.lead_meanwhile():
        house.is_owner = True
    return house


async def _join(on: Ground, lock: WorkspaceLock, model_cache: Path, connect: Connect) -> House:
    """Every room in the order they need each other, and the services that doors use."""
    workspace, database, clock = on.workspace, on.database, on.clock
    keys, checkpoints = workspace.state / "keys", workspace.state / "checkpoints"
    signer = load_signer(keys)
    retrieval = await retrieval_room(on, model_cache)
    shelves = retrieval.shelves
    corpus = corpus_room(on, retrieval)
    await on.http.start()
    answering = answering_room(on, retrieval)
    upkeep = await upkeep_room(on, retrieval, corpus, answering.outbox, connect)
    asking = Asking(answering.line, shelves.follow, retrieval.shadow.note)
    wake, largest = upkeep.worker.wake, workspace.parsing.max_bytes
    return House(
        workspace=workspace,
        database=database,
        blobs=on.blobs,
        jobs=on.jobs,
        people=People(database, workspace.state, frozenset(workspace.tenants), clock),
        library=Library(database, corpus.intake, on.jobs, workspace.sources, largest, clock, wake),
        audits=Audits(database, workspace, clock, wake),
        desk=Desk(database, on.blobs, corpus.parser, answering.privacy, clock, answering.outbox),
        asking=asking,
        searching=Searching(asking, database, on.blobs, corpus.parser, shelves, clock),
        shadow=retrieval.shadow,
        ledger=Ledger(database, checkpoints, (load_public_key(keys),)),
        health=Health(database, on.jobs, workspace, shelves.degraded, on.is_owner, shelves.of),
        worker=upkeep.worker,
        parser=corpus.parser,
        embedders=retrieval.embedders,
        shelves=shelves,
        index_versions=corpus.index_versions,
        checkpointer=Checkpointer(database, checkpoints, signer, clock),
        erasing=upkeep.erasing,
        clock=clock,
        freshness=Freshness(database, workspace, clock, upkeep.scheduler.wake),
        reading=upkeep.reading,
        scheduler=upkeep.scheduler,
        is_owner=on.is_owner,
        leader=retrieval.leader,
        _http=on.http,
        _budget=answering.budget,
        _budgets=answering.budgets,
        _lock=lock,
        _watching=upkeep.watching,
        _background=[],
    )
