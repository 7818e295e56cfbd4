"""Index versions beside each other: built by durable jobs, kept fresh, switched to and reverted, given up.

A version is built document by document. Which documents it lacks is read from the passages themselves, so that whatever
is killed goes on where it was; only some hundred of them wait in the queue at a time, so that new documents are not
kept waiting behind a corpus. Whoever writes the index looks after this (`tend`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from countersign.app.releases import put_in_force
from countersign.app.serving import Shelves
from countersign.corpus.ingest import Ingestion
from countersign.domain.clock import Clock
from countersign.domain.errors import Conflict, UsageError
from countersign.domain.events import Event, EventKind
from countersign.domain.jobs import Handler, Job
from countersign.domain.workspace import Workspace
from countersign.release.manifest import Release
from countersign.retrieval.version import IndexVersion
from countersign.storage.cuts import count_documents, queue_cuts, to_be_cut
from countersign.storage.database import Database
from countersign.storage.events import append_in
from countersign.storage.index_versions import (
    CUT_JOB,
    DROP_JOB,
    StoredVersion,
    add_version,
    get_version,
    kept_versions,
    list_versions,
    mark_ready,
    note_documents,
    progress_of,
    remove_passages,
    retire,
    switch,
    version_before,
)

_IN_QUEUE = 200
"""Documents of one version that wait at a time."""
_TEND_S = 1.0
_GRACE = timedelta(minutes=5)
"""How long what answered lately is kept after it was dropped: for questions that are under way in any process."""
_SMALLEST_TOKENS, _LARGEST_TOKENS = 16, 4_000


@dataclass(frozen=True, slots=True)
class ListedVersion:
    """`done` of `documents` are cut and `failed` could not be, both 0 where nothing had to be. `stuck`: only those that
    failed are left, and building it again tries them again. `servable`: this process has its embedding model."""

    stored: StoredVersion
    done: int
    failed: int
    stuck: bool
    servable: bool


class IndexVersions:
    def __init__(
        self,
        database: Database,
        workspace: Workspace,
        shelves: Shelves,
        ingestion: Ingestion,
        clock: Clock,
    ) -> None:
        self._database = database
        self._workspace = workspace
        self._shelves = shelves
        self._ingestion = ingestion
        self._clock = clock
        self._reached: dict[str, str] = {}
        """Version → the document up to which what it lacks was queued."""

    # -- for people -------------------------------------------------------------------------------------------
    async def list(self) -> list[ListedVersion]:
        """Every version that ever was, the newest first."""
        found = await self._database.read(list_versions)
        return [await self._listed(stored) for stored in found]

    async def one(self, named: str) -> ListedVersion:
        """By id or name. Raises `NotFound`."""
        return await self._listed(await self._database.read(get_version, named))

    async def _listed(self, stored: StoredVersion) -> ListedVersion:
        servable = stored.version.embedder == self._shelves.model
        if stored.state != "building":
            return ListedVersion(stored, stored.documents or 0, 0, False, servable)
        progress = await self._database.read(progress_of, stored.id)
        stuck = False
        if progress.failed and not progress.open:
            left = await self._database.read(to_be_cut, stored.chunking, "", progress.failed + 1)
            stuck = 0 < len(left) <= progress.failed
        done = min(progress.done, stored.documents or 0)
        return ListedVersion(stored, done, progress.failed, stuck, servable)

    async def build(self, version: IndexVersion, name: str, actor: str) -> ListedVersion:
        """Add it and begin to build it. Raises `UsageError`, `Conflict` while a dropped one of its kind is being removed."""
        self._require_servable(version)
        sizes = version.chunking
        if not _SMALLEST_TOKENS <= sizes.target_tokens <= sizes.max_tokens <= _LARGEST_TOKENS:
            raise UsageError(
                f"passages of {sizes.target_tokens} and at most {sizes.max_tokens} tokens cannot be cut",
                code="chunking_invalid",
                hint=f"{_SMALLEST_TOKENS} ≤ --chunk-tokens ≤ --max-tokens ≤ {_LARGEST_TOKENS}.",
            )
        return await self._listed(await self._database.write(self._add, version, name, actor))

    def _add(self, connection: Connection, version: IndexVersion, name: str, actor: str) -> StoredVersion:
        now = self._clock.now()
        stored, is_new = add_version(connection, version, name, actor, now)
        if is_new:
            facts = {"chunking": stored.chunking, "embedder": version.embedder, "state": stored.state}
            self._note(connection, EventKind.INDEX_VERSION_ADDED, stored.id, actor, facts)
        return stored

    async def switch(self, named: str, actor: str) -> ListedVersion:
        """The next question of every process is answered from it. Raises `NotFound`, `Conflict`."""
        chosen = await self._database.read(get_version, named)
        return await self._switch(chosen, actor, reverted=False)

    async def revert(self, actor: str) -> ListedVersion:
        """Back to the version that answered before. Raises `Conflict` when there is none."""
        return await self._switch(await self._database.read(version_before), actor, reverted=True)

    async def _switch(self, chosen: StoredVersion, actor: str, *, reverted: bool) -> ListedVersion:
        self._require_servable(chosen.version)
        releases = self._shelves.releases_of(chosen.version)
        stored = await self._database.write(self._put_live, chosen.id, releases, actor, reverted)
        await self._shelves.current()
        return await self._listed(stored)

    def _put_live(
        self, connection: Connection, version_id: str, releases: list[Release], actor: str, reverted: bool
    ) -> StoredVersion:
        now = self._clock.now()
        stored, before = switch(connection, version_id, now)
        if before:
            put_in_force(connection, self._workspace, releases, now)
            facts = {"before": before, "after": stored.id, "reverted": reverted}
            self._note(connection, EventKind.INDEX_SWITCHED, stored.id, actor, facts)
        return stored

    async def drop(self, named: str, actor: str) -> ListedVersion:
        """Give it up; a job removes what only it used. Raises `NotFound`, `Conflict` for the live one."""
        chosen = await self._database.read(get_version, named)
        return await self._listed(await self._database.write(self._retire, chosen, actor))

    def _retire(self, connection: Connection, chosen: StoredVersion, actor: str) -> StoredVersion:
        now = self._clock.now()
        answered = chosen.turn > 0
        stored = retire(connection, chosen.id, now, now + _GRACE if answered else now)
        if chosen.state != "retired":
            facts = {"chunking": stored.chunking, "embedder": stored.version.embedder}
            self._note(connection, EventKind.INDEX_VERSION_DROPPED, stored.id, actor, facts)
        return stored

    def _require_servable(self, version: IndexVersion) -> None:
        if version.embedder != self._shelves.model:
            raise Conflict(
                f"the version is for the embedding model {version.embedder or '(none)'},"
                f" and this workspace has {self._shelves.model or '(none)'}",
                code="index_version_embedder",
                hint="Configure that model under `embeddings` first, or build the version for the present one.",
            )

    def _note(
        self,
        connection: Connection,
        kind: EventKind,
        version_id: str,
        actor: str,
        facts: Mapping[str, object],
    ) -> None:
        now = self._clock.now()
        events = [Event(kind, tenant, actor, version_id, now, facts) for tenant in self._workspace.tenants]
        append_in(connection, events)

    # -- the work ---------------------------------------------------------------------------------------------
    def handlers(self) -> dict[str, Handler]:
        return {CUT_JOB: self._cut, DROP_JOB: self._remove}

    async def _cut(self, job: Job) -> Mapping[str, object]:
        version_id, _, document_id = job.subject.partition(":")
        stored = await self._database.read(get_version, version_id)
        if stored.state == "retired":
            return {"skipped": True}
        return await self._ingestion.cut_again(document_id, stored.chunking)

    async def _remove(self, job: Job) -> Mapping[str, object]:
        """What only a dropped version used. Nothing of a way of cutting that another version keeps up."""
        stored = await self._database.read(get_version, job.subject)
        after: int | None = 0
        pages = 0
        while after is not None:
            after = await self._database.write(remove_passages, stored.chunking, after)
            pages += after is not None
        await self._shelves.remove_strays()
        return {"pages": pages}

    async def tend_for_ever(self) -> None:
        while True:
            await self.tend()
            await asyncio.sleep(_TEND_S)

    async def tend(self) -> None:
        """One look at what is kept beside the live version: fresh indexes, and the next documents of what is being built.
        Only where this process writes the index."""
        kept = await self._database.read(kept_versions)
        mine = [version for version in kept if version.version.embedder == self._shelves.model]
        live = (await self._shelves.current()).version.chunking.key
        for chunking in dict.fromkeys(version.chunking for version in mine):
            if chunking != live:
                await self._shelves.apply(chunking)
        for version in mine:
            if version.state == "building":
                await self._go_on(version)

    async def _go_on(self, version: StoredVersion) -> None:
        if version.documents is None:
            documents = await self._database.read(count_documents)
            await self._database.write(note_documents, version.id, documents)
        progress = await self._database.read(progress_of, version.id)
        if progress.open > _IN_QUEUE // 2:
            return
        after = self._reached.get(version.id, "")
        page = await self._database.read(to_be_cut, version.chunking, after, _IN_QUEUE)
        if page:
            self._reached[version.id] = page[-1][0]
            await self._database.write(queue_cuts, version.id, page, self._clock.now())
        elif not progress.open:
            self._reached.pop(version.id, None)
            if not after:  # nothing waits and nothing lacks
                await self._shelves.apply(version.chunking)
                await self._database.write(self._ready, version)

    def _ready(self, connection: Connection, version: StoredVersion) -> None:
        if mark_ready(connection, version.id, self._clock.now()):
            facts = {"documents": version.documents or 0}
            self._note(connection, EventKind.INDEX_VERSION_READY, version.id, "house", facts)
