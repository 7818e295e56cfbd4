"""Each room of the house, joined by a function of its own: which adapters it has, and what it is given of the rooms below.

    ground → retrieval → corpus → answering → upkeep

`house.open_house` calls them in this order. Nothing is decided here beyond what the workspace file says.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from countersign.access.keys import load_server_key
from countersign.answer.line import Line
from countersign.app.embedders import Embedders
from countersign.app.erasing import Erasing, nothing_to_share
from countersign.app.index_versions import IndexVersions
from countersign.app.indexing import is_shared
from countersign.app.leading import LEASE, Leader
from countersign.app.library import ERASE_JOB
from countersign.app.notices import NOTIFY_ATTEMPTS, Notices, open_outbox
from countersign.app.privacy import Privacy
from countersign.app.readiness import languages_of, policy_in
from countersign.app.readiness_gate import PolicyGate
from countersign.app.reading import Connect, Reading
from countersign.app.schedule import Scheduler
from countersign.app.serving import Shelves
from countersign.app.shadow import Shadow
from countersign.app.sync import Sync
from countersign.app.watching import Watching, watched_folder
from countersign.app.worker import Worker
from countersign.corpus.blobs import Blobs
from countersign.corpus.ingest import Ingestion, Intake
from countersign.corpus.seams import Parser
from countersign.corpus.service import SandboxedParser
from countersign.domain.clock import Clock
from countersign.domain.ids import new_id
from countersign.domain.jobs import Handler, Job
from countersign.domain.workspace import Workspace
from countersign.gateway.budget import Budget
from countersign.gateway.build import build_rung
from countersign.gateway.http import HttpClient
from countersign.gateway.ladder import Ladder
from countersign.guard.pipeline import Guard
from countersign.review.notify import MAIL_JOB, NOTIFY_JOB, Notifier
from countersign.storage.answers import SqlAnswerStore
from countersign.storage.blobs import open_blobs
from countersign.storage.budgets import SqlBudgets
from countersign.storage.database import Database
from countersign.storage.documents import INGEST_JOB, SqlDocumentStore
from countersign.storage.index_versions import DROP_JOB
from countersign.storage.jobs import SqlJobs
from countersign.storage.leases import SqlLease
from countersign.storage.mail_notifier import MailNotifier
from countersign.storage.notices import Outbox
from countersign.storage.shared_files import shared_files
from countersign.storage.webhooks import WebhookNotifier

_ALONE_LEASE_S, _SHARED_LEASE_S = 60.0, 20.0
"""Where others wait to take over, a worker may be silent for less."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What every room stands on."""

    workspace: Workspace
    database: Database
    blobs: Blobs
    jobs: SqlJobs
    http: HttpClient
    clock: Clock
    is_owner: bool


@dataclass(frozen=True, slots=True)
class RetrievalRoom:
    embedders: Embedders
    shelves: Shelves
    leader: Leader | None
    shadow: Shadow


@dataclass(frozen=True, slots=True)
class CorpusRoom:
    parser: Parser
    intake: Intake
    ingestion: Ingestion
    index_versions: IndexVersions


@dataclass(frozen=True, slots=True)
class AnsweringRoom:
    line: Line
    budget: Budget
    budgets: SqlBudgets
    privacy: Privacy
    outbox: Outbox


@dataclass(frozen=True, slots=True)
class UpkeepRoom:
    erasing: Erasing
    worker: Worker
    reading: Reading
    scheduler: Scheduler
    watching: list[Watching]


def ground(workspace: Workspace, database: Database, clock: Clock, *, is_owner: bool) -> Ground:
    blobs = open_blobs(f"{workspace.storage.rstrip('/')}/blobs", workspace.object_storage)
    return Ground(workspace, database, blobs, SqlJobs(database, clock), HttpClient(), clock, is_owner)


# -- retrieval ------------------------------------------------------------------------------------------------------
async def retrieval_room(on: Ground, model_cache: Path) -> RetrievalRoom:
    """The embedding models, the index versions as they are searched, and who may write their indexes."""
    embedders = open_embedders(on.workspace, model_cache)
    shelves = Shelves(on.database, on.workspace, embedders, on.clock, owner=on.is_owner)
    await shelves.open()
    leader = shelves.leader = _leader(on, shelves)
    shadow = Shadow(on.database, shelves, on.workspace.shadow.share, on.clock)
    return RetrievalRoom(embedders, shelves, leader, shadow)


def open_embedders(workspace: Workspace, model_cache: Path) -> Embedders:
    return Embedders(workspace, model_cache)


def _leader(on: Ground, shelves: Shelves) -> Leader | None:
    """Who may write the index, where several processes share it."""
    if not is_shared(on.workspace):
        return None
    lease = SqlLease(on.database, LEASE, f"{platform.node()}/{os.getpid()}/{new_id('process')}")
    only_leader, files = (ERASE_JOB, DROP_JOB), shared_files(on.workspace)
    return Leader(lease, shelves.open_to_write, shelves.stores, on.workspace.tenants, only_leader, files)


# -- corpus ---------------------------------------------------------------------------------------------------------
def corpus_room(on: Ground, retrieval: RetrievalRoom) -> CorpusRoom:
    """How documents get in, and how what is there gets into another index version."""
    parser = SandboxedParser(on.workspace.parsing, on.workspace.state / "tmp")
    documents = SqlDocumentStore(on.database)
    intake = Intake(documents, on.blobs, on.clock)
    gate = PolicyGate(on.database, policy_in(on.workspace), partial(languages_of, on.workspace), on.clock)
    chunkers, embedders = retrieval.shelves.chunkers, retrieval.embedders
    ingestion = Ingestion(documents, on.blobs, intake, parser, chunkers, embedders, on.clock, gate)
    index_versions = IndexVersions(on.database, on.workspace, retrieval.shelves, ingestion, on.clock)
    return CorpusRoom(parser, intake, ingestion, index_versions)


# -- answering ------------------------------------------------------------------------------------------------------
def answering_room(on: Ground, retrieval: RetrievalRoom) -> AnsweringRoom:
    """What every question walks, with the index version that is live now."""
    workspace, serving = on.workspace, retrieval.shelves.newest
    budgets = SqlBudgets(on.database, on.clock)
    budget, guard, outbox = Budget(budgets), Guard(), open_outbox(workspace)
    privacy = Privacy(guard, workspace.assistants, load_server_key(workspace.state).value)
    line = Line(
        clock=on.clock,
        assistants=workspace.assistants,
        ladders=_ladders(workspace, on.http, budget),
        releases=serving.releases,
        guard=guard,
        retriever=serving.retriever,
        embedder=serving.embedder,
        answers=SqlAnswerStore(on.database, outbox),
        residency=workspace.residency,
        tenant_keys=privacy.tenant_key,
        may_embed=partial(retrieval.embedders.may_embed, serving.version.embedder),
        max_ages={name: s.max_age for name, s in workspace.sources.items() if s.max_age is not None},
    )
    return AnsweringRoom(line, budget, budgets, privacy, outbox)


def _ladders(workspace: Workspace, http: HttpClient, budget: Budget) -> Mapping[str, Ladder]:
    rungs = {name: build_rung(settings, http) for name, settings in workspace.models.items()}
    return {
        assistant.name: Ladder(
            [rungs[name] for name in assistant.models], home_region=workspace.region, budget=budget
        )
        for assistant in workspace.assistants.values()
    }


# -- upkeep ---------------------------------------------------------------------------------------------------------
async def upkeep_room(
    on: Ground, retrieval: RetrievalRoom, corpus: CorpusRoom, outbox: Outbox, connect: Connect
) -> UpkeepRoom:
    """The work beside answering: jobs, sources, erasure. What a restore or an erasure left to be done comes first."""
    workspace, database, clock, leader = on.workspace, on.database, on.clock, retrieval.leader
    share = leader.share if leader else nothing_to_share
    erasing = Erasing(database, on.blobs, workspace, retrieval.shelves.rebuild, clock, share)
    if on.is_owner and leader is None:
        await erasing.rebuild_if_asked()
    notices = Notices(database, workspace, _notifiers(on), outbox, clock)
    handlers: dict[str, Handler] = {
        INGEST_JOB: _ingest_handler(corpus.ingestion),
        ERASE_JOB: erasing.handle,
        **corpus.index_versions.handlers(),
        **notices.handlers(),
    }
    worker = _worker(on, handlers, leader)
    largest = workspace.parsing.max_bytes
    sync = Sync(database, corpus.intake, clock, largest, erasing.was_erased, worker.wake, outbox)
    reading = Reading(database, workspace, sync, connect, clock)
    handlers |= reading.handlers()
    scheduler = Scheduler(database, workspace, outbox, clock, worker.wake)
    return UpkeepRoom(erasing, worker, reading, scheduler, _watching(on, reading, scheduler))


def _worker(on: Ground, handlers: Mapping[str, Handler], leader: Leader | None) -> Worker:
    return Worker(
        on.jobs,
        handlers,
        on.clock,
        concurrency=2 * on.workspace.parsing.workers + 2,
        attempts={NOTIFY_JOB: NOTIFY_ATTEMPTS, MAIL_JOB: NOTIFY_ATTEMPTS},
        without=leader.not_mine if leader else tuple,
        lease_s=_SHARED_LEASE_S if leader else _ALONE_LEASE_S,
    )


def _notifiers(on: Ground) -> Mapping[str, Notifier]:
    """By the kind of job that carries a notice."""
    found: dict[str, Notifier] = {}
    if on.workspace.webhook is not None:
        found[NOTIFY_JOB] = WebhookNotifier(on.workspace.webhook, on.http, on.clock)
    if on.workspace.mail is not None:
        found[MAIL_JOB] = MailNotifier(on.workspace.mail, on.workspace.name)
    return found


def _watching(on: Ground, reading: Reading, scheduler: Scheduler) -> list[Watching]:
    return [
        Watching(on.database, folder, settings.name, reading.tenants(settings), on.clock, scheduler.wake)
        for settings in on.workspace.sources.values()
        if (folder := watched_folder(on.workspace, settings)) is not None
    ]


def _ingest_handler(ingestion: Ingestion) -> Handler:
    async def handle(job: Job) -> Mapping[str, object]:
        document_id, _, version = job.subject.rpartition(":")
        return await ingestion.run(document_id, int(version))

    return handle
