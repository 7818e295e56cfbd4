"""Which passage index a workspace has, and where it lies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from countersign.corpus.seams import Embedder
from countersign.domain.workspace import Workspace
from countersign.retrieval.seams import PassageIndex


class Indexes(Protocol):
    """One index a tenant, opened when first asked for."""

    def of(self, tenant: str) -> PassageIndex: ...

    def close(self) -> None: ...


def is_shared(workspace: Workspace) -> bool:
    """The index lies on the storage: several processes, here or elsewhere, do the work, and one of them leads."""
    return workspace.index == "lance"


def embedded_indexes(
    workspace: Workspace, embedder: Embedder | None, version: str, *, owner: bool
) -> Indexes:
    from countersign.storage.passage_index import PassageIndexes

    root = workspace.state / "index" / version
    return PassageIndexes(root, _dimension(embedder), owner=owner, settings=version)


def shared_indexes(
    workspace: Workspace, embedder: Embedder | None, version: str
) -> Callable[[int | None], Indexes]:
    """Opens them for the leader of an epoch, or (None) for a reader. Raises `ConfigError` without the extra `scale`."""
    from countersign.storage.lance_index import LanceIndexes
    from countersign.storage.shared_place import open_place

    place = open_place(f"{workspace.storage.rstrip('/')}/index/{version}", workspace.object_storage)

    def open_for(epoch: int | None) -> Indexes:
        return LanceIndexes(place, _dimension(embedder), epoch=epoch, settings=version)

    return open_for


def _dimension(embedder: Embedder | None) -> int | None:
    return embedder.dimension if embedder else None
