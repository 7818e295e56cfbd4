"""Searching as a service: the passages that a person's question finds, in order, without an answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from countersign.access.decide import Action, require
from countersign.access.principal import Principal
from countersign.answer.line import Line
from countersign.answer.search import search
from countersign.app.asking import Asking
from countersign.app.serving import Shelves
from countersign.corpus.blobs import Blobs
from countersign.corpus.seams import Parser
from countersign.domain.clock import Clock
from countersign.domain.errors import NotFound, UsageError
from countersign.domain.events import Event, EventKind
from countersign.domain.ids import new_id
from countersign.domain.search import MAX_HITS, SearchQuery, SearchResults
from countersign.domain.text import made_storable
from countersign.storage.database import Database
from countersign.storage.events import append_in
from countersign.storage.searches import SqlSearchStore, shown_page, with_mimes

_PAGE_WIDTH_PX = 1000


@dataclass(frozen=True, slots=True)
class Searched:
    """One finished search as metrics see it."""

    results: SearchResults
    took_s: float


class Searching:
    """Shares the places of `asking`, so that searching takes nothing from those who ask. Every method takes the person who
    acts and re-checks what they may see at this moment."""

    def __init__(
        self, asking: Asking, database: Database, blobs: Blobs, parser: Parser, shelves: Shelves, clock: Clock
    ) -> None:
        self._asking = asking
        self._database = database
        self._store = SqlSearchStore(database)
        self._blobs = blobs
        self._parser = parser
        self._shelves = shelves
        self._clock = clock
        self._observers: list[Callable[[Searched], None]] = []

    def observe(self, observer: Callable[[Searched], None]) -> None:
        """Told of every finished search, whichever door it came through; must not block."""
        self._observers.append(observer)

    async def search(self, principal: Principal, query: SearchQuery, request_id: str = "") -> SearchResults:
        """What this person finds. Raises `NotPermitted`, `NotFound` (no such assistant, no such index version),
        `UsageError`, `Conflict` (the version is not ready), `LimitExceeded`.

        `explain` and `index_version` need the action `explain_search`, or the owner of the workspace behind `--as`.
        """
        require(principal, Action.ASK)
        if (query.explain or query.index_version) and not principal.impersonated_by:
            require(principal, Action.EXPLAIN_SEARCH)
        query = _checked(query)
        started = time.perf_counter()
        async with self._asking.place(principal):
            line, index_version = await self._line(query.index_version)
            results = await search(
                line, self._store, principal, query, new_id("sea"), index_version, request_id
            )
            if results.hits:
                hits = await self._database.read(with_mimes, results.hits)
                results = replace(results, hits=hits)
        for observer in self._observers:
            observer(Searched(results, time.perf_counter() - started))
        return results

    async def _line(self, index_version: str) -> tuple[Line, str]:
        line = await self._asking.newest_line()
        if not index_version:
            return line, self._shelves.newest.id
        beside = await self._shelves.named(index_version)
        return replace(self._shelves.joined(line, beside), releases=line.releases), beside.id

    async def page_png(
        self, principal: Principal, search_id: str, rank: int, width_px: int = _PAGE_WIDTH_PX
    ) -> bytes:
        """The page of a passage that this person's own search has shown, as PNG, rendered in the sandbox; on record.

        Raises `NotFound` for what they may not read now, and when the format has no pages.
        """
        shown = await self._database.read(shown_page, search_id, rank, principal)
        if shown.page is None:
            raise NotFound("this document has no pages", code="no_page")
        facts = {"passages": [shown.passage_id], "documents": [shown.document_id]}
        now = self._clock.now()
        opened = Event(EventKind.SEARCH_OPENED, principal.tenant, principal.name, search_id, now, facts)
        await self._database.write(append_in, [opened])
        async with self._blobs.path(shown.blob) as path:
            return await self._parser.render_page(path, shown.page, width_px)


def _checked(query: SearchQuery) -> SearchQuery:
    if not query.text.strip():
        raise UsageError(
            "there is nothing to search for", code="query_missing", hint="Give some words or a question."
        )
    if not 1 <= query.limit <= MAX_HITS:
        raise UsageError(
            f"{query.limit} passages cannot be shown",
            code="search_limit_invalid",
            hint=f"From 1 to {MAX_HITS}.",
        )
    return replace(
        query,
        text=made_storable(query.text),
        document_ids=tuple(made_storable(name) for name in query.document_ids),
    )
