"""Keeping the disposable index in step with the database: catch up, compare, rebuild."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from countersign.domain.errors import StorageError
from countersign.retrieval.seams import PassageIndex, PassageStore

logger = logging.getLogger(__name__)

_PAGE = 2_000
"""Rows applied in one commit."""


async def catch_up(store: PassageStore, index: PassageIndex, tenant: str) -> int:
    """Apply everything committed up to now; returns the number of rows applied. Owner only. An index that finds itself
    damaged is made anew."""
    target = await store.last_seq()
    applied = 0
    while index.applied_seq < target:
        rows = await store.changes(tenant, index.applied_seq, _PAGE)
        newest = rows[-1].seq if rows else 0
        seq = newest if len(rows) >= _PAGE else max(target, newest)
        try:
            await asyncio.to_thread(index.apply, rows, seq)
        except StorageError as error:
            if error.code != "index_damaged":
                raise
            logger.error("the index of %s is rebuilt: %s", tenant, error.message)
            return applied + await rebuild(store, index, tenant)
        applied += len(rows)
    return applied


@dataclass(frozen=True, slots=True)
class Comparison:
    """Passage ids where index and database disagree; both empty = in step."""

    missing: frozenset[int]
    """Live in the database, absent in the index."""
    extra: frozenset[int]
    """In the index, not live in the database."""

    @property
    def equal(self) -> bool:
        return not self.missing and not self.extra


async def compare(store: PassageStore, index: PassageIndex, tenant: str) -> Comparison:
    """Every id on both sides. Call it after `catch_up`, when nothing is being ingested."""
    expected = await store.live_ids(tenant)
    held = await asyncio.to_thread(index.passage_ids)
    return Comparison(frozenset(expected - held), frozenset(held - expected))


async def rebuild(store: PassageStore, index: PassageIndex, tenant: str) -> int:
    """Fill a new index from the database and let it take over; the old one's files, and any erased text in their
    postings, are gone when this returns. Returns the number of rows read."""
    target = await store.last_seq()
    fresh = await asyncio.to_thread(index.rebuild)
    seq, read = 0, 0
    while True:
        rows = await store.changes(tenant, seq, _PAGE)
        read += len(rows)
        seq = rows[-1].seq if rows else seq
        last = len(rows) < _PAGE
        await asyncio.to_thread(fresh.apply, rows, max(seq, target) if last else seq)
        if last:
            break
    await asyncio.to_thread(fresh.publish)
    return read
