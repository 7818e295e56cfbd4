"""An index version as a command asks for it, and waiting until it is built."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from countersign.app.embedders import Embedders
from countersign.app.house import House
from countersign.app.index_versions import ListedVersion
from countersign.domain.errors import UsageError
from countersign.retrieval.version import Chunking, IndexVersion

_LOOK_S = 0.2

Watch = Callable[[int, int, str], None]


def wanted_version(
    embedders: Embedders,
    live: IndexVersion,
    *,
    embedder: str = "",
    chunk_tokens: int | None = None,
    max_tokens: int | None = None,
    manifest: Path | None = None,
) -> IndexVersion:
    """The version that a manifest file describes, or the default one for the embedder that is configured; with another
    embedder (by its name) and other sizes where they are said. Named alone, an embedder means the like of the live
    version for it. Raises `UsageError`."""
    alone = embedder and chunk_tokens is None and max_tokens is None and manifest is None
    chosen = embedders.named(embedder) if embedder else embedders.preferred
    model, dimension = (chosen.model_id, chosen.dimension) if chosen else ("", 0)
    base = _read(manifest) if manifest else IndexVersion(embedder=model, dimension=dimension)
    if alone:
        base = live
    if embedder:
        base = base.for_embedder(model, dimension)
    if chunk_tokens is None and max_tokens is None:
        return base
    target = chunk_tokens or min(base.chunking.target_tokens, max_tokens or 0)
    most = max_tokens or max(base.chunking.max_tokens, target)
    return replace(base, chunking=Chunking(target, most))


def _read(path: Path) -> IndexVersion:
    try:
        return IndexVersion.from_manifest(json.loads(path.read_bytes()))
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is not the manifest of an index version",
            code="index_manifest_invalid",
            hint="`countersign index list --json` shows such manifests.",
        ) from error


async def wait_until_built(house: House, listed: ListedVersion, watch: Watch) -> ListedVersion:
    """Until it is ready, or only documents that could not be cut are left. Works itself where this process owns the
    workspace; else it follows."""
    working = (
        [asyncio.create_task(work()) for work in (house.worker.run, house.index_versions.tend_for_ever)]
        if house.is_owner
        else []
    )
    try:
        while True:
            listed = await house.index_versions.one(listed.stored.id)
            watch(listed.done, listed.stored.documents or 0, listed.stored.id)
            if listed.stored.state != "building" or listed.stuck:
                return listed
            for ended in (task for task in working if task.done()):
                ended.result()
            await asyncio.sleep(_LOOK_S)
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
