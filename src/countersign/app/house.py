"""The house: every adapter chosen and joined, once, for one workspace. The only place that knows all the rooms."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from countersign.access.keys import load_server_key
from countersign.answer.line import Line
from countersign.app.asking import Asking
from countersign.app.audits import Audits
from countersign.app.desk import Desk
from countersign.app.erasing import Erasing, nothing_to_share
from countersign.app.freshness import Freshness
from countersign.app.health import Health
from countersign.app.index_versions import IndexVersions
from countersign.app.indexing import Indexes, is_shared
from countersign.app.leading import LEASE, Leader
from countersign.app.ledger import Ledger
from countersign.app.library import ERASE_JOB, Library
from countersign.app.notices import NOTIFY_ATTEMPTS, Notices, open_outbox
from countersign.app.office import require_ready
from countersign.app.owner import WorkspaceLock
from countersign.app.people import People
from countersign.app.privacy import Privacy
from countersign.app.readiness import languages_of, policy_in
from countersign.app.readiness_gate import PolicyGate
from countersign.app.reading import Connect, Reading
from countersign.app.schedule import Scheduler
from countersign.app.search import Searching
from countersign.app.serving import Serving, Shelves
from countersign.app.shadow import Shadow
from countersign.app.sync import Sync, SyncReport, SyncWatch
from countersign.app.watching import Watching, watched_folder
from countersign.app.worker import Worker
from countersign.corpus import language
from countersign.corpus.blobs import Blobs
from countersign.corpus.ingest import Ingestion, Intake
from countersign.corpus.seams import Embedder, Parser
from countersign.corpus.service import SandboxedParser
from countersign.domain.clock import Clock, SystemClock
from countersign.domain.errors import CountersignError, IntegrityError, StorageError
from countersign.domain.ids import new_id
from countersign.domain.jobs import Job
from countersign.domain.workspace import Workspace
from countersign.gateway.budget import Budget
from countersign.gateway.build import build_rung
from countersign.gateway.http import HttpClient
from countersign.gateway.ladder import Ladder
from countersign.gateway.residency import allowed_regions, may_go
from countersign.guard.pipeline import Guard
from countersign.record.keys import load_public_key, load_signer
from countersign.retrieval.retrieve import Retriever
from countersign.review.notify import MAIL_JOB, NOTIFY_JOB, Notifier
from countersign.sources.connector import SourceConnector
from countersign.sources.registry import open_connector
from countersign.storage.answers import SqlAnswerStore
from countersign.storage.blobs import open_blobs
from countersign.storage.budgets import SqlBudgets
from countersign.storage.checkpoints import Checkpointer
from countersign.storage.database import Database
from countersign.storage.documents import INGEST_JOB, SqlDocumentStore
from countersign.storage.index_versions import DROP_JOB
from countersign.storage.jobs import SqlJobs
from countersign.storage.leases import SqlLease
from countersign.storage.mail_notifier import MailNotifier
from countersign.storage.migrate import upgrade
from countersign.storage.notices import Outbox
from countersign.storage.shared_files import shared_files
from countersign.storage.webhooks import WebhookNotifier

logger = logging.getLogger(__name__)

_CARETAKER_S = 600.0
_RESTART_S = 10
_ALONE_LEASE_S, _SHARED_LEASE_S = 60.0, 20.0
"""Where others wait to take over, a worker may be silent for less."""


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
    embedder: Embedder | None
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
    def retriever(self) -> Retriever:
        """Of the index version that was live when this process looked last."""
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
        if self.embedder is not None:
            await self.embedder.embed_query("warm up")
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
        house = await _join(workspace, database, lock, model_cache, clock or SystemClock(), is_owner, connect)
        undo.pop_all()
    if owner is None and await house.lead_meanwhile():
        house.is_owner = True
    return house


async def _join(
    workspace: Workspace,
    database: Database,
    lock: WorkspaceLock,
    model_cache: Path,
    clock: Clock,
    is_owner: bool,
    connect: Connect,
) -> House:
    """Every part, chosen and joined in the order they need each other; nothing is decided here."""
    keys = workspace.state / "keys"
    signer = load_signer(keys)
    blobs = open_blobs(f"{workspace.storage.rstrip('/')}/blobs", workspace.object_storage)
    jobs = SqlJobs(database, clock)
    embedder, embedder_missing = choose_embedder(workspace, model_cache)
    parser = SandboxedParser(workspace.parsing, workspace.state / "tmp")
    intake = Intake(SqlDocumentStore(database), blobs, clock)
    shelves = Shelves(database, workspace, embedder, clock, owner=is_owner)
    serving = await shelves.open()
    leader = shelves.leader = _leader(workspace, database, shelves)
    ingestion = _ingestion(workspace, database, blobs, intake, parser, shelves, embedder, clock)
    index_versions = IndexVersions(database, workspace, shelves, ingestion, clock)
    shadow = Shadow(database, shelves, workspace.shadow.share, clock)
    http = HttpClient()
    await http.start()
    budgets = SqlBudgets(database, clock)
    budget = Budget(budgets)
    guard = Guard()
    privacy = Privacy(guard, workspace.assistants, load_server_key(workspace.state).value)
    outbox = open_outbox(workspace)
    line = _line(workspace, database, http, budget, embedder, serving, guard, privacy, outbox, clock)
    asking = Asking(line, shelves.follow, shadow.note)
    share = leader.share if leader else nothing_to_share
    erasing = Erasing(database, blobs, workspace, shelves.rebuild, clock, share)
    if is_owner and leader is None:
        await erasing.rebuild_if_asked()
    notices = Notices(database, workspace, _notifiers(workspace, http, clock), outbox, clock)
    handlers = {
        INGEST_JOB: _ingest_handler(ingestion),
        ERASE_JOB: erasing.handle,
        **index_versions.handlers(),
        **notices.handlers(),
    }
    worker = Worker(
        jobs,
        handlers,
        clock,
        concurrency=2 * workspace.parsing.workers + 2,
        attempts={NOTIFY_JOB: NOTIFY_ATTEMPTS, MAIL_JOB: NOTIFY_ATTEMPTS},
        without=leader.not_mine if leader else tuple,
        lease_s=_SHARED_LEASE_S if leader else _ALONE_LEASE_S,
    )
    sync = Sync(database, intake, clock, workspace.parsing.max_bytes, erasing.was_erased, worker.wake, outbox)
    reading = Reading(database, workspace, sync, connect, clock)
    handlers |= reading.handlers()
    scheduler = Scheduler(database, workspace, outbox, clock, worker.wake)
    return House(
        workspace=workspace,
        database=database,
        blobs=blobs,
        jobs=jobs,
        people=People(database, workspace.state, frozenset(workspace.tenants), clock),
        library=Library(
            database, intake, jobs, workspace.sources, workspace.parsing.max_bytes, clock, worker.wake
        ),
        audits=Audits(database, workspace, clock, worker.wake),
        desk=Desk(database, blobs, parser, privacy, clock, outbox),
        asking=asking,
        searching=Searching(asking, database, blobs, parser, shelves, clock),
        shadow=shadow,
        ledger=Ledger(database, workspace.state / "checkpoints", (load_public_key(keys),)),
        health=Health(database, jobs, workspace, embedder_missing, is_owner, shelves.of),
        worker=worker,
        parser=parser,
        embedder=embedder,
        shelves=shelves,
        index_versions=index_versions,
        checkpointer=Checkpointer(database, workspace.state / "checkpoints", signer, clock),
        erasing=erasing,
        clock=clock,
        freshness=Freshness(database, workspace, clock, scheduler.wake),
        reading=reading,
        scheduler=scheduler,
        is_owner=is_owner,
        leader=leader,
        _http=http,
        _budget=budget,
        _budgets=budgets,
        _lock=lock,
        _watching=_watching(workspace, database, reading, scheduler, clock),
        _background=[],
    )


def _leader(workspace: Workspace, database: Database, shelves: Shelves) -> Leader | None:
    """Who may write the index, where several processes share it."""
    if not is_shared(workspace):
        return None
    lease = SqlLease(database, LEASE, f"{platform.node()}/{os.getpid()}/{new_id('process')}")
    only_leader, files = (ERASE_JOB, DROP_JOB), shared_files(workspace)
    return Leader(lease, shelves.open_to_write, shelves.stores, workspace.tenants, only_leader, files)


def _ingestion(
    workspace: Workspace,
    database: Database,
    blobs: Blobs,
    intake: Intake,
    parser: Parser,
    shelves: Shelves,
    embedder: Embedder | None,
    clock: Clock,
) -> Ingestion:
    gate = PolicyGate(database, policy_in(workspace), partial(languages_of, workspace), clock)
    documents, may_embed = SqlDocumentStore(database), _may_embed(workspace, embedder)
    return Ingestion(documents, blobs, intake, parser, shelves.chunkers, embedder, may_embed, clock, gate)


def _line(
    workspace: Workspace,
    database: Database,
    http: HttpClient,
    budget: Budget,
    embedder: Embedder | None,
    serving: Serving,
    guard: Guard,
    privacy: Privacy,
    outbox: Outbox,
    clock: Clock,
) -> Line:
    """What every question walks, with the index version that is live now."""
    return Line(
        clock=clock,
        assistants=workspace.assistants,
        ladders=_ladders(workspace, http, budget),
        releases=serving.releases,
        guard=guard,
        retriever=serving.retriever,
        embedder=embedder,
        answers=SqlAnswerStore(database, outbox),
        residency=workspace.residency,
        tenant_keys=privacy.tenant_key,
        max_ages={name: s.max_age for name, s in workspace.sources.items() if s.max_age is not None},
    )


def _watching(
    workspace: Workspace, database: Database, reading: Reading, scheduler: Scheduler, clock: Clock
) -> list[Watching]:
    return [
        Watching(database, folder, settings.name, reading.tenants(settings), clock, scheduler.wake)
        for settings in workspace.sources.values()
        if (folder := watched_folder(workspace, settings)) is not None
    ]


def choose_embedder(workspace: Workspace, model_cache: Path) -> tuple[Embedder | None, str]:
    """The configured endpoint, the embedded model, or None with the reason why only words are searched."""
    settings = workspace.embeddings
    if settings is None:
        return None, "embeddings are switched off in the workspace file"
    from countersign.corpus.embedding import EmbeddedE5, EndpointEmbedder

    if settings.base_url:
        return EndpointEmbedder(settings), ""
    missing = EmbeddedE5.available()
    if missing:
        return None, missing
    return EmbeddedE5(model_cache), ""


def _notifiers(workspace: Workspace, http: HttpClient, clock: Clock) -> Mapping[str, Notifier]:
    """By the kind of job that carries a notice."""
    found: dict[str, Notifier] = {}
    if workspace.webhook is not None:
        found[NOTIFY_JOB] = WebhookNotifier(workspace.webhook, http, clock)
    if workspace.mail is not None:
        found[MAIL_JOB] = MailNotifier(workspace.mail, workspace.name)
    return found


def _ladders(workspace: Workspace, http: HttpClient, budget: Budget) -> Mapping[str, Ladder]:
    rungs = {name: build_rung(settings, http) for name, settings in workspace.models.items()}
    return {
        assistant.name: Ladder(
            [rungs[name] for name in assistant.models], home_region=workspace.region, budget=budget
        )
        for assistant in workspace.assistants.values()
    }


def _may_embed(workspace: Workspace, embedder: Embedder | None) -> Any:
    remote = workspace.embeddings is not None and bool(workspace.embeddings.base_url)

    def may_embed(residency: str) -> bool:
        if embedder is None:
            return False
        if not remote:
            return True
        return may_go(embedder.region, allowed_regions([residency], workspace.residency), workspace.region)

    return may_embed


def _ingest_handler(ingestion: Ingestion) -> Any:
    async def handle(job: Job) -> Mapping[str, object]:
        document_id, _, version = job.subject.rpartition(":")
        return await ingestion.run(document_id, int(version))

    return handle
