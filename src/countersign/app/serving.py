"""Index versions as the house serves them: which one answers the next question, and the others kept fresh beside it.

Which version is live stands in the database and is asked there before each question, so that a switch by any process is
the next question's in all of them. What is opened for a version (retriever, index) stays open for the questions that began with it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from countersign.answer.line import Line
from countersign.app.indexing import (
    ChunkersFor,
    Indexes,
    embedded_indexes,
    index_folder,
    is_shared,
    remove_all_but,
    shared_indexes,
)
from countersign.app.releases import behaviour_of, register_releases, releases_of
from countersign.corpus.seams import Embedder
from countersign.domain.clock import Clock
from countersign.domain.errors import Conflict
from countersign.domain.events import Event, EventKind
from countersign.domain.workspace import Workspace
from countersign.release.manifest import Release
from countersign.retrieval.retrieve import Retriever
from countersign.retrieval.seams import PassageIndex
from countersign.retrieval.upkeep import rebuild
from countersign.retrieval.version import IndexVersion
from countersign.storage.database import Database
from countersign.storage.events import append_in
from countersign.storage.index_versions import (
    StoredVersion,
    adopt,
    get_version,
    kept_versions,
    live_id,
    live_version,
    not_ready,
)
from countersign.storage.passages import SqlPassageStore

if TYPE_CHECKING:
    from countersign.app.leading import Leader

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shelf:
    """The passages of one way of cutting, and their index as this process searches it."""

    folder: str
    passages: SqlPassageStore
    indexes: Indexes
    retriever: Retriever


@dataclass(frozen=True, slots=True)
class Serving:
    """A version that questions can be answered from. `releases` is assistant → id."""

    id: str
    version: IndexVersion
    retriever: Retriever
    indexes: Indexes
    releases: Mapping[str, str]


class Shelves:
    """`leader` is who writes the index where several processes share it; else the owner does."""

    def __init__(
        self,
        database: Database,
        workspace: Workspace,
        embedder: Embedder | None,
        clock: Clock,
        *,
        owner: bool,
    ) -> None:
        self._database = database
        self._workspace = workspace
        self._embedder = embedder
        self._clock = clock
        self._owner = owner
        self._shared = is_shared(workspace)
        self.chunkers = ChunkersFor(embedder)
        self.leader: Leader | None = None
        self._shelves: dict[str, Shelf] = {}
        self._serving: dict[str, Serving] = {}
        self._newest: Serving | None = None
        self._opening = asyncio.Lock()
        self._changing = asyncio.Lock()

    @property
    def model(self) -> str:
        """The embedding model of this process; empty = words only."""
        return self._embedder.model_id if self._embedder else ""

    # -- which one answers ------------------------------------------------------------------------------------
    async def open(self) -> Serving:
        """What this process answers from at first; a workspace without any version gets its first one."""
        live = await self._database.read(live_version)
        if live is None or live.version.embedder != self.model:
            live = await self._database.write(self._adopt)
        return await self._serve(live)

    def _adopt(self, connection: Connection) -> StoredVersion:
        now = self._clock.now()
        live, before = adopt(connection, self.model, now)
        if before:
            logger.warning("another embedding model: index version %s follows %s", live.id, before)
            facts = {"before": before, "after": live.id, "reverted": False}
            tenants = self._workspace.tenants
            append_in(
                connection,
                [Event(EventKind.INDEX_SWITCHED, tenant, "house", live.id, now, facts) for tenant in tenants],
            )
        return live

    async def current(self) -> Serving:
        """The version that is live in this moment."""
        newest = self._newest
        named = await self._database.look_up(live_id)
        if newest is not None and newest.id == named:
            return newest
        known = self._serving.get(named)
        if known is None:
            known = await self._serve(await self._database.read(get_version, named))
        self._newest = known
        return known

    async def follow(self, line: Line) -> Line:
        """`line` as it is while its version is live; else with what answers now."""
        serving = await self.current()
        if line.retriever is serving.retriever:
            return line
        return replace(line, retriever=serving.retriever, releases=serving.releases)

    async def candidate(self) -> Serving | None:
        """The newest version that is ready beside the live one and that this process can serve."""
        kept = await self._database.read(kept_versions)
        ready = [v for v in kept if v.state == "ready" and v.version.embedder == self.model]
        return self._beside(ready[0]) if ready else None

    async def named(self, version: str) -> Serving:
        """A version by id or name, to be looked at beside the live one. Raises `NotFound`, and `Conflict` unless it is
        ready and for the embedding model that this process has."""
        stored = await self._database.read(get_version, version)
        if stored.state not in ("ready", "live"):
            raise not_ready(stored)
        if stored.version.embedder != self.model:
            raise Conflict(
                f"{stored.id} is for another embedding model",
                code="index_version_embedder",
                hint="Look at a version for the model that is configured.",
            )
        return self._beside(stored)

    @property
    def newest(self) -> Serving:
        """The version that this process knew last to be live."""
        assert self._newest is not None
        return self._newest

    async def _serve(self, stored: StoredVersion) -> Serving:
        async with self._opening:
            if (known := self._serving.get(stored.id)) is None:
                version = self._mine(stored.version)
                shelf = self._shelf(version.chunking.key)
                releases = await register_releases(
                    self._database, self._workspace, self.releases_of(version), self._clock
                )
                retriever = shelf.retriever.reshaped(version.settings)
                known = Serving(stored.id, version, retriever, shelf.indexes, releases)
                self._serving[stored.id] = known
            self._newest = known
            return known

    def _beside(self, stored: StoredVersion) -> Serving:
        """To search, not to answer: it has no releases."""
        shelf = self._shelf(stored.chunking)
        retriever = shelf.retriever.reshaped(stored.version.settings)
        return Serving(stored.id, stored.version, retriever, shelf.indexes, {})

    def _mine(self, version: IndexVersion) -> IndexVersion:
        """Another process may have another embedding model: what it made live is served with the model that is here."""
        return version if version.embedder == self.model else version.for_embedder(self.model)

    def releases_of(self, version: IndexVersion) -> list[Release]:
        chunker = self.chunkers.of(version.chunking.key)
        return releases_of(self._workspace, behaviour_of(chunker, version))

    # -- what lies beside each other --------------------------------------------------------------------------
    def _folder(self, chunking: str) -> str:
        return index_folder(self.chunkers.of(chunking), self._embedder)

    def store(self, chunking: str) -> SqlPassageStore:
        return SqlPassageStore(self._database, self.model or None, chunking)

    def _shelf(self, chunking: str) -> Shelf:
        found = self._shelves.get(chunking)
        if found is None:
            folder, passages = self._folder(chunking), self.store(chunking)
            if self._shared:
                indexes = shared_indexes(self._workspace, self._embedder, folder)(None)
            else:
                indexes = embedded_indexes(self._workspace, self._embedder, folder, owner=self._owner)
            retriever = Retriever(passages, indexes.of, self._embedder)
            found = self._shelves[chunking] = Shelf(folder, passages, indexes, retriever)
        return found

    def open_to_write(self, chunking: str, epoch: int) -> Indexes:
        """For a leader."""
        return shared_indexes(self._workspace, self._embedder, self._folder(chunking))(epoch)

    async def stores(self) -> Mapping[str, SqlPassageStore]:
        """Chunking → its passages, of all that is kept up for this process's model; the live one first."""
        kept = await self._database.read(kept_versions)
        mine = [v for v in kept if v.state == "live" or v.version.embedder == self.model]
        return {key: self.store(key) for key in dict.fromkeys(version.chunking for version in mine)}

    async def to_write(self, chunking: str, tenant: str) -> PassageIndex:
        """Raises `StorageError` (`not_leading`), `Conflict` (`index_owned`)."""
        if self.leader is not None:
            return await asyncio.to_thread(self.leader.of, tenant, chunking)
        return await asyncio.to_thread(self._shelf(chunking).indexes.of, tenant)

    async def bring_up_to_date(self) -> None:
        """Every index that is kept, where this process writes them. Raises `StorageError`."""
        if self.leader is not None:
            await self.leader.apply()
            return
        for chunking in await self.stores():
            await self.apply(chunking)

    async def apply(self, chunking: str) -> None:
        """Bring one to the newest state, where this process writes it."""
        if self.leader is not None:
            await self.leader.apply(chunking)
            return
        async with self._changing:
            for tenant in self._workspace.tenants if chunking in await self.stores() else ():
                await self._shelf(chunking).retriever.warm_up(tenant)

    async def rebuild(self, tenant: str) -> None:
        """A new index of every kept version from the database, and none of what is kept no more: the old files are gone
        when this returns."""
        for chunking, passages in (await self.stores()).items():
            await rebuild(passages, await self.to_write(chunking, tenant), tenant)
        await self.remove_strays()

    async def remove_strays(self) -> None:
        """Close and delete every index that no kept version has. Raises `StorageError` where this process writes none."""
        if self.leader is not None:
            self.leader.require()
        async with self.leader.applying if self.leader is not None else self._changing:
            kept = await self.stores()
            for chunking in [key for key in self._shelves if key not in kept]:
                gone = self._shelves.pop(chunking)
                await asyncio.to_thread(gone.indexes.close)
            if self.leader is not None:
                await self.leader.let_go(kept)
            folders = [self._folder(key) for key in kept]
            removed = await asyncio.to_thread(remove_all_but, self._workspace, folders)
            self._serving = {i: s for i, s in self._serving.items() if s.version.chunking.key in kept}
        if removed:
            logger.info("index folders removed: %s", ", ".join(removed))

    def of(self, tenant: str) -> PassageIndex:
        """The index of the version that this process knew last to be live."""
        return self.newest.indexes.of(tenant)

    def close(self) -> None:
        for shelf in self._shelves.values():
            shelf.indexes.close()
        self._shelves.clear()
