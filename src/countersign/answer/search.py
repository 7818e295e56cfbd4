"""The straight line cut short: a query walks it as far as the guard of passages, and what was found is shown.

    authenticated principal → guard question → retrieve → guard passages → redact → check rights again → record

The steps are those of an answer, so that what is found here is what an answer would rest on. Nothing leaves before it
is on record, in the same transaction that looks at the rights once more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from countersign.access.principal import Principal
from countersign.answer.citations import box_on
from countersign.answer.finding import find
from countersign.answer.line import Line
from countersign.answer.staleness import stale_sources
from countersign.answer.steps import codes, guard_question, opened, sees_personal
from countersign.answer.timing import before_change
from countersign.answer.turn import Turn
from countersign.domain.answers import Question
from countersign.domain.clock import iso
from countersign.domain.documents import Passage
from countersign.domain.events import Event, EventKind
from countersign.domain.search import MAX_HITS, LegScore, SearchHit, SearchQuery, SearchResults, Why
from countersign.retrieval.retrieve import Retrieved

RIGHTS_CHANGED = "rights_changed"
NO_LONGER = "no_longer_in_force"
NOT_YET = "not_yet_in_force"
_MOST = 3 * MAX_HITS
"""Passages that are looked at where only some of them are shown: one a document, or those of one language."""
_RAW = {"dense": "cosine", "words": "words_bm25", "grams": "grams_bm25"}
"""Leg → what it said of a passage."""


class SearchStore(Protocol):
    async def note(
        self, passages: Sequence[Passage], in_force_at: datetime, principal: Principal, event: Event
    ) -> bool:
        """Re-check the person's current rights on every passage and, in the same transaction, record the search.

        False, with nothing recorded, when a passage was lost meanwhile.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Shown:
    """What may be shown, and what its record says of it."""

    in_force_at: datetime
    """The moment at which the passages must be in force."""
    facts: Mapping[str, Any]
    hits: tuple[SearchHit, ...] = ()
    passages: tuple[Passage, ...] = ()


async def search(
    line: Line,
    store: SearchStore,
    principal: Principal,
    query: SearchQuery,
    search_id: str,
    index_version: str,
    request_id: str = "",
) -> SearchResults:
    """What `principal` finds. Raises `NotFound` (no such assistant for this person). `index_version` is that of `line`.

    A passage that is lost while the results are made discards them, and the walk is made once more.
    """
    started = time.perf_counter()
    for _ in range(2):
        turn = _begun(line, principal, query, search_id, request_id)
        results, shown = await _found(line, turn, query, index_version)
        took = replace(results, took_ms=round((time.perf_counter() - started) * 1000, 2))
        event = _event(line, turn, query, took, shown)
        if await store.note(shown.passages, shown.in_force_at, principal, event):
            return took
    turn = _begun(line, principal, query, search_id, request_id)
    nothing = replace(_nothing(turn, index_version), warnings=(RIGHTS_CHANGED,))
    await store.note((), turn.as_of, principal, _event(line, turn, query, nothing, _Shown(turn.as_of, {})))
    return nothing


def _begun(line: Line, principal: Principal, query: SearchQuery, search_id: str, request_id: str) -> Turn:
    question = Question(
        query.assistant,
        query.text,
        document_ids=query.document_ids,
        history=query.history,
        as_of=query.as_of,
    )
    turn = opened(line, principal, question, search_id, request_id)
    return replace(turn, release="") if query.index_version else turn


async def _found(
    line: Line, turn: Turn, query: SearchQuery, index_version: str
) -> tuple[SearchResults, _Shown]:
    turn = await guard_question(line, turn)
    checked = turn.events[-1].facts
    results = _nothing(turn, index_version)
    noted: dict[str, Any] = {"findings": checked["findings"], "blocked": checked["blocked"]}
    if turn.decision is not None:
        refused = replace(results, refusal=turn.decision.refusal, warnings=turn.decision.warnings)
        return refused, _Shown(turn.as_of, noted)
    turn = await before_change(line, turn)
    most = _MOST if query.per_document or query.language else query.limit
    found = await find(line, turn, most, explain=query.explain)
    shown = await asyncio.to_thread(_shown, line, turn, query, found)
    late = stale_sources(shown.passages, line.max_ages, turn.started)
    unsearched = ("lexical_only",) if found.lexical_only and line.embedder is not None else ()
    confirmed = [p.synced for p in shown.passages if p.synced is not None]
    data_as_of = min(confirmed) if confirmed and len(confirmed) == len(shown.passages) else turn.as_of
    results = replace(
        results,
        as_of=turn.asked_for or data_as_of,
        language=found.language,
        hits=shown.hits,
        warnings=(*unsearched, *late),
    )
    noted |= {
        "denied": found.dropped,
        "lexical_only": found.lexical_only,
        "applied_seq": found.applied_seq,
        "as_of": iso(turn.asked_for) if turn.asked_for else "",
    }
    return results, replace(shown, facts={**noted, **shown.facts})


# -- what is shown ----------------------------------------------------------------------------------------------
def _shown(line: Line, turn: Turn, query: SearchQuery, found: Retrieved) -> _Shown:
    """CPU-bound: runs on a thread."""
    wanted = [p for p in found.passages if "neighbour" not in p.features]
    if query.language:
        wanted = [p for p in wanted if p.language == query.language]
    if query.per_document:
        wanted = _first_of_each(wanted)
    guarded = line.guard.passages(tuple(wanted[: query.limit]))
    warned: dict[str, list[str]] = {}
    for finding in guarded.findings:
        if finding.code == "assistant_addressed":
            warned.setdefault(finding.subject, []).append(finding.code)
    sees, key = sees_personal(turn), line.tenant_keys(turn.principal.tenant)

    def seen(text: str) -> str:
        return line.guard.redact(text, may_see_personal=sees, tenant_key=key) if text else ""

    hits: list[SearchHit] = []
    for rank, passage in enumerate(guarded.passages, 1):
        hit = _hit(rank, passage, turn)
        why = _why(passage, found) if query.explain else None
        warnings = (*warned.get(passage.passage_id, ()), *hit.warnings)
        quote, heading = seen(passage.text), seen(hit.heading)
        hits.append(replace(hit, quote=quote, heading=heading, warnings=warnings, why=why))
    facts = {"passage_findings": codes(guarded.findings), "dropped": list(guarded.dropped)}
    return _Shown(turn.as_of, facts, tuple(hits), guarded.passages)


def _first_of_each(passages: Iterable[Passage]) -> list[Passage]:
    best: dict[str, Passage] = {}
    for passage in passages:
        best.setdefault(passage.document_id, passage)
    return list(best.values())


def _hit(rank: int, passage: Passage, turn: Turn) -> SearchHit:
    warnings: list[str] = []
    if passage.valid_to is not None and passage.valid_to <= turn.started:
        warnings.append(NO_LONGER)
    if passage.valid_from is not None and passage.valid_from > turn.started:
        warnings.append(NOT_YET)
    return SearchHit(
        rank=rank,
        passage_id=passage.passage_id,
        document_id=passage.document_id,
        external_id=passage.external_id,
        source=passage.source,
        version=passage.version,
        title=passage.title,
        quote=passage.text,
        language=passage.language,
        page=passage.page,
        page_to=passage.page_to,
        bbox=box_on(passage, passage.page),
        heading=" / ".join(passage.heading_path),
        sheet=passage.sheet,
        is_table=passage.is_table,
        modified=passage.modified,
        synced=passage.synced,
        valid_from=passage.valid_from,
        valid_to=passage.valid_to,
        warnings=tuple(warnings),
    )


def _why(passage: Passage, found: Retrieved) -> Why:
    ranks = found.ranks.get(passage.passage_id, {})
    legs = {leg: LegScore(rank, round(passage.features[_RAW[leg]], 4)) for leg, rank in ranks.items()}
    routed = found.route.reasons(passage.document_id) if found.route else ()
    return Why(round(passage.score, 4), legs, routed)


def _nothing(turn: Turn, index_version: str) -> SearchResults:
    return SearchResults(
        search_id=turn.answer_id,
        tenant=turn.principal.tenant,
        user=turn.principal.name,
        assistant=turn.assistant.name,
        created=turn.started,
        as_of=turn.as_of,
        language=turn.language,
        index_version=index_version,
        release=turn.release,
    )


# -- the record -------------------------------------------------------------------------------------------------
def _event(line: Line, turn: Turn, query: SearchQuery, results: SearchResults, shown: _Shown) -> Event:
    """The query is personal, as a question is; which passages were shown stays."""
    facts: dict[str, Any] = {
        "assistant": turn.assistant.name,
        "release": results.release,
        "index_version": results.index_version,
        "language": results.language,
        "refusal": results.refusal.value if results.refusal else "",
        "passages": [hit.passage_id for hit in results.hits],
        "documents": sorted({hit.document_id for hit in results.hits}),
        "warnings": list(results.warnings),
        "limit": query.limit,
        "per_document": query.per_document,
        "explained": query.explain,
        "impersonated_by": turn.principal.impersonated_by,
        "duration_ms": results.took_ms,
        **shown.facts,
    }
    return Event(
        EventKind.SEARCH_MADE,
        turn.principal.tenant,
        turn.principal.name,
        turn.answer_id,
        line.clock.now(),
        facts,
        {"question": query.text},
        turn.request_id,
    )
