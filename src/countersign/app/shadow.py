"""A candidate index version on live questions: it searches too, after the answer was given, and only counts are kept.

Nothing of it is shown to anybody, and no question, text or person is stored. Who is busy drops questions, never answers.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from countersign.access.principal import Principal
from countersign.app.serving import Serving, Shelves
from countersign.domain.answers import Answer, Question
from countersign.domain.clock import Clock, iso
from countersign.domain.documents import Passage
from countersign.domain.errors import CountersignError
from countersign.domain.workspace import Assistant
from countersign.storage.database import Database
from countersign.storage.shadow_results import Seen, note_seen

logger = logging.getLogger(__name__)

_WAITING = 16
_FIRST = 10


@dataclass(frozen=True, slots=True)
class _Asked:
    principal: Principal
    question: Question
    assistant: Assistant
    answer: Answer


class Shadow:
    """`share` of the questions, chosen by the answer's id, so that the same answer is always in or out."""

    def __init__(self, database: Database, shelves: Shelves, share: float, clock: Clock) -> None:
        self._database = database
        self._shelves = shelves
        self._share = share
        self._clock = clock
        self._waiting: asyncio.Queue[_Asked] = asyncio.Queue(_WAITING)

    def note(self, principal: Principal, question: Question, assistant: Assistant, answer: Answer) -> None:
        """Told of an answer that was given; must not block."""
        if question.task == "summarise" or not _chosen(answer.answer_id, self._share):
            return
        if not self._waiting.full():
            self._waiting.put_nowait(_Asked(principal, question, assistant, answer))

    async def run(self) -> None:
        """For ever: what was asked, one after the other."""
        while True:
            await self._compare(await self._waiting.get())

    async def drain(self) -> None:
        """What waits now."""
        while not self._waiting.empty():
            await self._compare(self._waiting.get_nowait())

    async def _compare(self, asked: _Asked) -> None:
        try:
            live = await self._shelves.current()
            candidate = await self._shelves.candidate()
            if candidate is None:
                return
            own, live_ms = await _searched(live, asked)
            other, shadow_ms = await _searched(candidate, asked)
        except CountersignError as error:
            logger.warning("a question was not tried on the other index version: %s", error.code)
            return
        seen = _seen(own, other, asked.answer, live_ms, shadow_ms)
        day = iso(self._clock.now())[:10]
        await self._database.write(note_seen, candidate.id, live.id, day, seen)


def _chosen(answer_id: str, share: float) -> bool:
    place = int.from_bytes(sha256(f"shadow/{answer_id}".encode()).digest()[:8])
    return place < share * 2**64


async def _searched(serving: Serving, asked: _Asked) -> tuple[Sequence[Passage], float]:
    started = time.perf_counter()
    found = await serving.retriever.retrieve(
        asked.principal,
        asked.question.text,
        sources=asked.assistant.sources,
        as_of=asked.answer.as_of,
        document_ids=asked.question.document_ids,
        history=asked.question.history,
        limit=_FIRST,
    )
    return found.passages[:_FIRST], (time.perf_counter() - started) * 1000


def _seen(
    own: Sequence[Passage], other: Sequence[Passage], answer: Answer, live_ms: float, shadow_ms: float
) -> Seen:
    """Passages of two ways of cutting are not the same, so documents are compared."""
    here, there = {p.document_id for p in own}, {p.document_id for p in other}
    union = here | there
    ranks = {p.document_id: rank for rank, p in reversed(list(enumerate(other, 1)))}
    cited = {citation.document_id for citation in answer.citations}
    found = [ranks[document_id] for document_id in sorted(cited) if document_id in ranks]
    overlap = len(here & there) / len(union) if union else 1.0
    return Seen(overlap, len(cited), len(found), sum(found), live_ms, shadow_ms)
