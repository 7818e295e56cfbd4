"""Which passage index an index version of this workspace has, and where it lies.

Versions that cut and embed alike share one; its folder is named by what its rows were made with.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Collection
from typing import Protocol

from countersign.corpus.chunk import StructureChunker
from countersign.corpus.seams import Chunker, Embedder
from countersign.domain.workspace import Workspace
from countersign.retrieval.seams import PassageIndex
from countersign.retrieval.version import Chunking, Shape


class Indexes(Protocol):
    """One index a tenant, opened when first asked for."""

    def of(self, tenant: str) -> PassageIndex: ...

    def close(self) -> None: ...


class ChunkersFor:
    """The chunker of each way of cutting. They count tokens as the embedded model does, so that no passage is cut off
    by it."""

    def __init__(self, counter: Embedder | None) -> None:
        self._counter = counter
        self._made: dict[str, Chunker] = {}

    def of(self, chunking: str) -> Chunker:
        if chunking not in self._made:
            self._made[chunking] = make_chunker(self._counter, Chunking.of(chunking))
        return self._made[chunking]


def make_chunker(counter: Embedder | None, chunking: Chunking = Chunking()) -> StructureChunker:  # noqa: B008 - frozen
    sizes = (chunking.target_tokens, chunking.max_tokens)
    if counter is None:
        return StructureChunker(*sizes)
    return StructureChunker(*sizes, counter.count_tokens, counter.model_id)


def index_folder(chunker: Chunker, shape: Shape) -> str:
    """Names everything that the derived index was made with."""
    made_with = f"{chunker.settings_id}|{shape.embedder or 'lexical'}"
    return hashlib.sha256(made_with.encode()).hexdigest()[:16]


def is_shared(workspace: Workspace) -> bool:
    """The index lies on the storage: several processes, here or elsewhere, do the work, and one of them leads."""
    return workspace.index == "lance"


def embedded_indexes(workspace: Workspace, shape: Shape, folder: str, *, owner: bool) -> Indexes:
    from countersign.storage.passage_index import PassageIndexes

    root = workspace.state / "index" / folder
    return PassageIndexes(root, shape.dimension or None, owner=owner, settings=folder)


def shared_indexes(workspace: Workspace, shape: Shape, folder: str) -> Callable[[int | None], Indexes]:
    """Opens them for the leader of an epoch, or (None) for a reader. Raises `ConfigError` without the extra `scale`."""
    from countersign.storage.lance_index import LanceIndexes
    from countersign.storage.shared_place import open_place

    place = open_place(f"{workspace.storage.rstrip('/')}/index/{folder}", workspace.object_storage)

    def open_for(epoch: int | None) -> Indexes:
        return LanceIndexes(place, shape.dimension or None, epoch=epoch, settings=folder)

    return open_for


def remove_all_but(workspace: Workspace, folders: Collection[str]) -> list[str]:
    """Delete every other index folder of the workspace; only where this process writes the index. Returns their names."""
    if not is_shared(workspace):
        root = workspace.state / "index"
        strays = [path for path in root.iterdir() if path.name not in folders] if root.is_dir() else []
        for path in strays:
            shutil.rmtree(path, ignore_errors=True)
        return sorted(path.name for path in strays)
    from countersign.storage.shared_place import open_place

    place = open_place(f"{workspace.storage.rstrip('/')}/index", workspace.object_storage)
    found = {name.partition("/")[0] for name in place.names()}
    strays = sorted(found - set(folders))
    for name in strays:
        place.remove(f"{name}/")
    return strays
