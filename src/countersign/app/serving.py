"""Index versions as the house serves them: which one answers the next question, and the others kept fresh beside it.

Which version is live stands in the database and is asked there before each question, so that a switch by any process is
the next question's in all of them. What is opened for a version (retriever, index) stays open for the questions that began with it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from countersign.answer.line import Line
from countersign.app.embedders import Embedders
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
from countersign.retrieval.version import IndexVersion, Shape
from countersign.storage.database import Database
from countersign.storage.events import append_in
from countersign.storage.index_versions import (
    StoredVersion,
    adopt,
    count_failed,
    get_version,
    kept_shapes,
    kept_versions,
    live_id,
    not_ready,
)
from countersign.storage.passages import SqlPassageStore

if TYPE_CHECKING:
    from countersign.app.leading import Leader

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shelf:
    """The passages of one way of cutting, and their index for one model as this process searches it."""

    passages: SqlPassageStore
    indexes: Indexes
    retriever: Retriever


@dataclass(frozen=True, slots=True)
class Serving:
    """A version that questions can be answered from. `embedder` None = words only. `releases` is assistant → id."""

    id: str
    version: IndexVersion
    embedder: Embedder | None
    retriever: Retriever
    indexes: Indexes
    releases: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Shortcoming:
    says: str
    to_do: str


class Shelves:
    """`leader` is who writes the index where several processes share it; else the owner does."""

    def __init__(
        self, database: Database, workspace: Workspace, embedders: Embedders, clock: Clock, *, owner: bool
    ) -> None:
        self._database = database
        self._workspace = workspace
        self._embedders = embedders
        self._clock = clock
        self._owner = owner
        self._shared = is_shared(workspace)
        self.chunkers = ChunkersFor(embedders.counter)
        self.leader: Leader | None = None
        self._shelves: dict[Shape, Shelf] = {}
        self._serving: dict[str, Serving] = {}
        self._newest: Serving | None = None
        self._opening = asyncio.Lock()
        self._changing = asyncio.Lock()

    @property
    def embedders(self) -> Embedders:
        return self._embedders

    # -- which one answers ------------------------------------------------------------------------------------
    async def open(self) -> Serving:
        """What this process answers from at first; a workspace without any version gets its first one."""
        return await self._serve(await self._database.write(self._adopt))

    def _adopt(self, connection: Connection) -> StoredVersion:
        now, preferred = self._clock.now(), self._embedders.preferred
        model, dimension = (preferred.model_id, preferred.dimension) if preferred else ("", 0)
        live, before = adopt(connection, model, dimension, now)
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
        return line if line.retriever is serving.retriever else self.joined(line, serving)

    def joined(self, line: Line, serving: Serving) -> Line:
        """`line` answering from `serving`: passages, release, and the model that compares across languages."""
        return replace(
            line,
            retriever=serving.retriever,
            releases=serving.releases,
            embedder=serving.embedder,
            may_embed=partial(self._embedders.may_embed, serving.version.embedder),
        )

    async def candidate(self) -> Serving | None:
        """The newest version that is ready beside the live one and that this process can serve."""
        kept = await self._database.read(kept_versions)
        ready = [v for v in kept if v.state == "ready" and self.serves(v.version)]
        return self._beside(ready[0]) if ready else None

    async def named(self, version: str) -> Serving:
        """A version by id or name, to be looked at beside the live one. Raises `NotFound`, and `Conflict` unless it is
        ready and for an embedding model that this process has."""
        stored = await self._database.read(get_version, version)
        if stored.state not in ("ready", "live"):
            raise not_ready(stored)
        if not self.serves(stored.version):
            raise Conflict(
                f"{stored.id} is for another embedding model",
                code="index_version_embedder",
                hint="Look at a version for a model that is configured.",
            )
        return self._beside(stored)

    @property
    def newest(self) -> Serving:
        """The version that this process knew last to be live."""
        assert self._newest is not None
        return self._newest

    def serves(self, version: IndexVersion) -> bool:
        """Whether its embedding model is configured here."""
        return not version.embedder or self._embedders.of(version.embedder) is not None

    async def degraded(self) -> tuple[str, ...]:
        """Why questions are not found by meaning as the workspace file wants it, in words for an operator."""
        missing = self._embedders.missing
        said = [f"{each.says}: {each.to_do}" for each in await self.shortcomings()]
        return tuple(([missing] if missing else []) + said)

    async def shortcomings(self) -> tuple[Shortcoming, ...]:
        """Where the index versions and the embedding models that are configured do not go together."""
        kept = await self._database.read(kept_versions)
        failed = await self._database.read(count_failed)
        return tuple(_shortcomings(kept, self._embedders, failed))

    async def _serve(self, stored: StoredVersion) -> Serving:
        async with self._opening:
            if (known := self._serving.get(stored.id)) is None:
                releases = await register_releases(
                    self._database, self._workspace, self.releases_of(stored.version), self._clock
                )
                known = replace(self._beside(stored), releases=releases)
                self._serving[stored.id] = known
            self._newest = known
            return known

    def _beside(self, stored: StoredVersion) -> Serving:
        """To search, not to answer: it has no releases."""
        version, shelf = stored.version, self._shelf(stored.shape)
        embedder = self._embedders.to_ask(version.embedder, version.dimension)
        retriever = shelf.retriever.reshaped(version.settings)
        return Serving(stored.id, version, embedder, retriever, shelf.indexes, {})

    def releases_of(self, version: IndexVersion) -> list[Release]:
        chunker = self.chunkers.of(version.chunking.key)
        return releases_of(self._workspace, behaviour_of(chunker, version))

    # -- what lies beside each other --------------------------------------------------------------------------
    def folder(self, shape: Shape) -> str:
        return index_folder(self.chunkers.of(shape.chunking), shape)

    def store(self, shape: Shape) -> SqlPassageStore:
        return SqlPassageStore(self._database, shape.embedder or None, shape.chunking)

    def _shelf(self, shape: Shape) -> Shelf:
        found = self._shelves.get(shape)
        if found is None:
            folder, passages = self.folder(shape), self.store(shape)
            if self._shared:
                indexes = shared_indexes(self._workspace, shape, folder)(None)
            else:
                indexes = embedded_indexes(self._workspace, shape, folder, owner=self._owner)
            retriever = Retriever(
                passages, indexes.of, self._embedders.to_ask(shape.embedder, shape.dimension)
            )
            found = self._shelves[shape] = Shelf(passages, indexes, retriever)
        return found

    def open_to_write(self, shape: Shape, epoch: int) -> Indexes:
        """For a leader."""
        return shared_indexes(self._workspace, shape, self.folder(shape))(epoch)

    async def stores(self) -> Mapping[Shape, SqlPassageStore]:
        """The passages of every index that is to be there, the live one's first. While the vectors of another model are
        made for passages that are there already, its index waits for them: it is filled once, with all of them."""
        kept = await self._database.read(kept_versions)
        answers = {version.shape for version in kept if version.state != "building"}
        ways = {shape.chunking for shape in answers}
        there = (v.shape for v in kept if v.shape in answers or v.chunking not in ways)
        return {shape: self.store(shape) for shape in dict.fromkeys(there)}

    async def to_write(self, shape: Shape, tenant: str) -> PassageIndex:
        """Raises `StorageError` (`not_leading`), `Conflict` (`index_owned`)."""
        if self.leader is not None:
            return await asyncio.to_thread(self.leader.of, tenant, shape)
        return await asyncio.to_thread(self._shelf(shape).indexes.of, tenant)

    async def bring_up_to_date(self) -> None:
        """Every index that is kept, where this process writes them. Raises `StorageError`."""
        if self.leader is not None:
            await self.leader.apply()
            return
        for shape in await self.stores():
            await self.apply(shape)

    async def apply(self, shape: Shape) -> None:
        """Bring one to the newest state, where this process writes it."""
        if self.leader is not None:
            await self.leader.apply({shape: self.store(shape)})
            return
        async with self._changing:
            for tenant in self._workspace.tenants if shape in await self._kept() else ():
                await self._shelf(shape).retriever.warm_up(tenant)

    async def _kept(self) -> tuple[Shape, ...]:
        return await self._database.read(kept_shapes)

    async def rebuild(self, tenant: str) -> None:
        """A new index of every kept version from the database, and none of what is kept no more: the old files are gone
        when this returns."""
        for shape, passages in (await self.stores()).items():
            await rebuild(passages, await self.to_write(shape, tenant), tenant)
        await self.remove_strays()

    async def remove_strays(self) -> None:
        """Close and delete every index that is not to be there. Raises `StorageError` where this process writes none."""
        if self.leader is not None:
            self.leader.require()
        async with self.leader.applying if self.leader is not None else self._changing:
            kept = await self.stores()
            for shape in [each for each in self._shelves if each not in kept]:
                gone = self._shelves.pop(shape)
                await asyncio.to_thread(gone.indexes.close)
            if self.leader is not None:
                await self.leader.let_go(kept)
            folders = [self.folder(each) for each in kept]
            removed = await asyncio.to_thread(remove_all_but, self._workspace, folders)
            self._serving = {i: s for i, s in self._serving.items() if s.version.shape in kept}
        if removed:
            logger.info("index folders removed: %s", ", ".join(removed))

    def of(self, tenant: str) -> PassageIndex:
        """The index of the version that this process knew last to be live."""
        return self.newest.indexes.of(tenant)

    def close(self) -> None:
        for shelf in self._shelves.values():
            shelf.indexes.close()
        self._shelves.clear()


def _shortcomings(kept: Sequence[StoredVersion], embedders: Embedders, failed: int) -> Iterator[Shortcoming]:
    """`kept` with the live one first; `failed` counts documents that a version was given up on."""
    live = kept[0].version if kept else IndexVersion()
    if live.embedder and embedders.of(live.embedder) is None:
        yield Shortcoming(
            f"index version {live.id} was made with {live.embedder}, which is not configured here: only words are searched",
            "configure it under `embeddings`, or `countersign index build` and `countersign index switch`",
        )
    preferred = embedders.preferred
    if preferred is not None and preferred.model_id not in {each.version.embedder for each in kept}:
        name = embedders.name_of(preferred.model_id)
        yield Shortcoming(
            f"`{name}` is configured, and no index version has its vectors: it answers nothing",
            f"countersign index build --embedder {name}, then countersign index switch",
        )
    if failed:
        yield Shortcoming(
            f"{failed} documents could not be cut or embedded for an index version",
            "see the log, then ask for the version again: countersign index build",
        )
