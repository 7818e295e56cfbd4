"""Index versions beside each other: built by durable jobs, kept fresh, switched to and reverted, given up.

A version is built document by document. Which documents it lacks is read from the passages themselves, so that whatever
is killed goes on where it was; only some hundred of them wait in the queue at a time, so that new documents are not
kept waiting behind a corpus. Whoever writes the index looks after this (`tend`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import Connection

from countersign.app.embedders import Embedders, not_configured
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
from countersign.storage.cuts import count_lacking, lacking, queue_cuts, residencies
from countersign.storage.database import Database
from countersign.storage.events import append_in
from countersign.storage.index_versions import (
    CUT_JOB,
    DROP_JOB,
    StoredVersion,
    add_version,
    forget_done,
    get_version,
    kept_versions,
    list_versions,
    mark_ready,
    note_documents,
    progress_of,
    remove_passages,
    remove_vectors,
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
    """`done` of `documents` were cut or embedded for it and `failed` could not be, both 0 where nothing had to be. `stuck`:
    only those that failed are left, and building it again tries them again. `servable`: this process has its embedding
    model, called `embedder` here."""

    stored: StoredVersion
    done: int
    failed: int
    stuck: bool
    servable: bool
    embedder: str


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
        self._looked_after: set[str] = set()
        """Versions that this process found to lack nothing when it began."""

    # -- for people -------------------------------------------------------------------------------------------
    async def list(self) -> list[ListedVersion]:
        """Every version that ever was, the newest first."""
        found = await self._database.read(list_versions)
        return [await self._listed(stored) for stored in found]

    async def one(self, named: str) -> ListedVersion:
        """By id or name. Raises `NotFound`."""
        return await self._listed(await self._database.read(get_version, named))

    async def _listed(self, stored: StoredVersion) -> ListedVersion:
        servable = self._shelves.serves(stored.version)
        name = self._embedders.name_of(stored.version.embedder)
        progress = await self._database.read(progress_of, stored.id)
        if stored.state != "building":
            return ListedVersion(stored, stored.documents or 0, progress.failed, False, servable, name)
        stuck = False
        if progress.failed and not progress.open:
            left = await self._lacking(stored, "", progress.failed + 1)
            stuck = 0 < len(left) <= progress.failed
        done = min(progress.done, stored.documents or 0)
        return ListedVersion(stored, done, progress.failed, stuck, servable, name)

    async def _lacking(self, version: StoredVersion, after: str, limit: int) -> list[tuple[str, str]]:
        closed = await self._closed(version)
        return await self._database.read(lacking, version.shape, closed, after, limit)

    async def _closed(self, version: StoredVersion) -> tuple[str, ...]:
        """Residencies whose text may not go to its model: found by words only."""
        labels = await self._database.read(residencies) if version.version.embedder else ()
        may = self._embedders.may_embed
        return tuple(label for label in labels if not may(version.version.embedder, label))

    @property
    def _embedders(self) -> Embedders:
        return self._shelves.embedders

    async def build(self, version: IndexVersion, name: str, actor: str) -> ListedVersion:
        """Add it and begin to build it. Raises `UsageError`, `Conflict` while a dropped one of its kind is being removed."""
        self._require_servable(version)
        embedder = self._embedders.of(version.embedder)
        version = replace(version, dimension=embedder.dimension if embedder else 0)
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
        if not self._shelves.serves(version):
            raise Conflict(
                f"the version is for the embedding model {version.embedder}, which is not configured here",
                code="index_version_embedder",
                hint="Configure that model under `embeddings` first, or build the version for another one.",
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
        model = stored.version.embedder
        if not self._shelves.serves(stored.version):
            raise not_configured(model)  # another process may have it
        indexed = stored.state != "building"
        return await self._ingestion.make_up(document_id, stored.chunking, model, indexed=indexed)

    async def _remove(self, job: Job) -> Mapping[str, object]:
        """What only a dropped version used. Nothing of a way of cutting that another version keeps up."""
        stored = await self._database.read(get_version, job.subject)
        after: int | None = 0
        pages = 0
        while after is not None:
            after = await self._database.write(remove_passages, stored.chunking, after)
            pages += after is not None
        text: str | None = ""
        while text is not None:
            text = await self._database.write(remove_vectors, stored.version.embedder, text)
            pages += text is not None
        await self._shelves.remove_strays()
        return {"pages": pages}

    async def tend_for_ever(self) -> None:
        while True:
            await self.tend()
            await asyncio.sleep(_TEND_S)

    async def tend(self) -> None:
        """One look at what is kept beside the live version: fresh indexes, and the next documents of what is being built.
        Once after a start, what the others lack too: documents that came while their model was not configured. Only where
        this process writes the index."""
        live = (await self._shelves.current()).version.shape
        for shape in await self._shelves.stores():
            if shape != live:
                await self._shelves.apply(shape)
        for version in await self._database.read(kept_versions):
            is_new = version.state == "building" or version.id not in self._looked_after
            if is_new and self._shelves.serves(version.version):
                await self._go_on(version)

    async def _go_on(self, version: StoredVersion) -> None:
        if version.documents is None and version.state == "building":
            documents = await self._database.read(count_lacking, version.shape, await self._closed(version))
            await self._database.write(note_documents, version.id, documents)
        progress = await self._database.read(progress_of, version.id)
        if progress.open > _IN_QUEUE // 2:
            return
        after = self._reached.get(version.id, "")
        page = await self._lacking(version, after, _IN_QUEUE)
        if page:
            self._reached[version.id] = page[-1][0]
            await self._database.write(queue_cuts, version.id, page, self._clock.now())
        elif not progress.open:
            self._reached.pop(version.id, None)
            if version.state != "building":  # what failed waits until it is asked for
                self._looked_after.add(version.id)
                await self._database.write(forget_done, version.id)
            elif not after:  # nothing waits and nothing lacks
                self._looked_after.add(version.id)
                await self._shelves.apply(version.shape)
                await self._database.write(self._ready, version)

    def _ready(self, connection: Connection, version: StoredVersion) -> None:
        if mark_ready(connection, version.id, self._clock.now()):
            facts = {"documents": version.documents or 0}
            self._note(connection, EventKind.INDEX_VERSION_READY, version.id, "house", facts)
