"""One pass over a source: take in what is new or changed, remove what is gone, note when the source was last whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from countersign.corpus.ingest import Intake, Received
from countersign.domain.clock import Clock
from countersign.domain.documents import SourceDocument
from countersign.domain.errors import SourceError
from countersign.sources.connector import Listed, SourceConnector
from countersign.storage.documents import SqlDocumentStore


@dataclass(frozen=True, slots=True)
class SyncStep:
    """Progress after each file: `done` of `total`, and what became of this one."""

    done: int
    total: int
    external_id: str
    received: Received | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SyncReport:
    source: str
    listed: int
    new: int
    changed: int
    unchanged: int
    quarantined: int
    removed: int
    problems: tuple[tuple[str, str], ...]
    """(external_id, code) of what could not be read; nothing of these was changed."""


class SyncWatch(Protocol):
    def __call__(self, step: SyncStep) -> None: ...


class Sync:
    """`wake` is called after each arrival, so that a worker in this process starts at once."""

    def __init__(
        self,
        store: SqlDocumentStore,
        intake: Intake,
        clock: Clock,
        max_bytes: int,
        erased: Callable[[], Callable[[SourceDocument], bool]],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._intake = intake
        self._clock = clock
        self._max_bytes = max_bytes
        self._erased = erased
        self._wake = wake

    async def run(
        self, name: str, connector: SourceConnector, tenants: tuple[str, ...], watch: SyncWatch
    ) -> SyncReport:
        """Raises `SourceError` when the source cannot be listed; then nothing is removed."""
        try:
            listed = await asyncio.to_thread(_list, connector.list())
        except SourceError as error:
            for tenant in tenants:
                await self._store.synced(tenant, name, 0, self._clock.now(), error.code)
            raise
        erased = await asyncio.to_thread(self._erased)
        changes: list[str] = []
        problems: list[tuple[str, str]] = []
        for done, item in enumerate(_parents_first(listed), start=1):
            if erased(item.document):
                received, problem = None, "erased"
            else:
                received, problem = await self._take(connector, item)
            changes.append(received.change if received else "")
            if problem:
                problems.append((item.document.external_id, problem))
            watch(SyncStep(done, len(listed), item.document.external_id, received, problem))
        removed = await self._remove(name, tenants, listed)
        return SyncReport(
            source=name,
            listed=len(listed),
            new=changes.count("new"),
            changed=changes.count("content") + changes.count("metadata"),
            unchanged=changes.count("unchanged"),
            quarantined=changes.count("quarantined"),
            removed=removed,
            problems=tuple(problems),
        )

    async def _take(self, connector: SourceConnector, item: Listed) -> tuple[Received | None, str]:
        if item.problem:
            return None, item.problem
        try:
            content = await asyncio.to_thread(connector.read, item.document.external_id, self._max_bytes)
        except SourceError as error:
            return None, error.code
        received = await self._intake.receive(item.document, content, actor="ingestion")
        self._wake()
        return received, ""

    async def _remove(self, name: str, tenants: tuple[str, ...], listed: list[Listed]) -> int:
        removed = 0
        for tenant in tenants:
            present = {item.document.external_id for item in listed if item.document.tenant == tenant}
            now = self._clock.now()
            removed += await self._store.remove_absent(tenant, name, present, "ingestion", now)
            await self._store.synced(tenant, name, len(present), now)
        return removed


def _list(documents: Iterator[Listed]) -> list[Listed]:
    return list(documents)


def _parents_first(listed: list[Listed]) -> list[Listed]:
    """A predecessor before its successor, so that supersession is settled in one pass."""
    return sorted(listed, key=lambda item: bool(item.document.supersedes))
