"""Looking after the derived index: how far it is, whether it agrees with the database, and building it anew."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from countersign.app.house import House
from countersign.domain.clock import iso
from countersign.domain.events import Event, EventKind
from countersign.retrieval.upkeep import Comparison, compare
from countersign.storage.database import last_seq
from countersign.storage.events import append_in


@dataclass(frozen=True, slots=True)
class IndexState:
    """`behind` counts mutations of the database that the index has not applied; they are searched all the same."""

    tenant: str
    passages: int
    applied_seq: int
    behind: int
    version: str


async def index_states(house: House) -> list[IndexState]:
    """One for each tenant, in the workspace's order. Raises `StorageError`."""
    serving = await house.shelves.current()
    target = await house.database.read(last_seq)
    found: list[IndexState] = []
    for tenant in house.workspace.tenants:
        index = await asyncio.to_thread(serving.indexes.of, tenant)
        held = await asyncio.to_thread(index.passage_ids)
        found.append(
            IndexState(
                tenant, len(held), index.applied_seq, max(0, target - index.applied_seq), index.version
            )
        )
    return found


async def compare_index(house: House, tenant: str) -> Comparison:
    """Every passage id on both sides. The owner brings the index up to date first."""
    serving = await house.shelves.current()
    store = house.shelves.store(serving.version.shape)
    index = await asyncio.to_thread(serving.indexes.of, tenant)
    if house.is_owner:
        await house.bring_up_to_date()
        await asyncio.to_thread(index.refresh)
    return await compare(store, index, tenant)


async def rebuild_index(house: House, tenant: str, actor: str) -> None:
    """A new index from the database; recorded. Owner only."""
    await house.erasing.rebuild_index(tenant)
    event = Event(
        EventKind.INDEX_REBUILT, tenant, actor, tenant, house.clock.now(), {"at": iso(house.clock.now())}
    )
    await house.database.write(append_in, [event])
