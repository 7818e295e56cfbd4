"""Asking as a service: bounded at once and per person, so that one caller cannot take the house from the others."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from countersign.access.decide import Action, Permit, may, require
from countersign.access.principal import Principal
from countersign.answer.ask import ask
from countersign.answer.line import Line, Watch
from countersign.answer.live import Emit
from countersign.domain.answers import Answer, AnswerStatus, Question
from countersign.domain.errors import LimitExceeded
from countersign.domain.text import made_storable
from countersign.domain.workspace import Assistant

_AT_ONCE = 64
_AT_ONCE_EACH = 4
_WAITING = 256


def unwatched(step: str) -> None:
    """A watch for callers that show no progress."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One finished question as metrics see it: `steps_s` are (step, seconds) in their order."""

    answer: Answer
    steps_s: tuple[tuple[str, float], ...]


async def as_it_is(line: Line) -> Line:
    """For a line whose index version never changes."""
    return line


def nothing_more(principal: Principal, question: Question, assistant: Assistant, answer: Answer) -> None:
    """For answers that are only given."""


class Asking:
    """`line` is what every question walks; `follow` gives it with the index version that is live in this moment, and
    whatever began goes on with the one that it began with. `afterwards` is told of every answer; it must not block."""

    def __init__(
        self,
        line: Line,
        follow: Callable[[Line], Awaitable[Line]] = as_it_is,
        afterwards: Callable[[Principal, Question, Assistant, Answer], None] = nothing_more,
        *,
        at_once: int = _AT_ONCE,
        at_once_each: int = _AT_ONCE_EACH,
    ) -> None:
        self._line = line
        self._follow = follow
        self._afterwards = afterwards
        self._places = asyncio.Semaphore(at_once)
        self._each = at_once_each
        self._by_person: Counter[str] = Counter()
        self._waiting = 0
        self._observers: list[Callable[[Asked], None]] = []

    @property
    def line(self) -> Line:
        return self._line

    def observe(self, observer: Callable[[Asked], None]) -> None:
        """Told of every finished question, whichever door it came through; must not block."""
        self._observers.append(observer)

    def assistants(self, principal: Principal) -> list[Assistant]:
        """Those that this person may ask."""
        if not isinstance(may(principal, Action.ASK), Permit):
            return []
        mine = (a for a in self._line.assistants.values() if not a.tenants or principal.tenant in a.tenants)
        return sorted(mine, key=lambda assistant: assistant.name)

    def release(self, assistant: str) -> str:
        """The release that the next question to this assistant gets; empty when there is no such assistant."""
        return self._line.releases.get(assistant, "")

    async def ask(
        self,
        principal: Principal,
        question: Question,
        watch: Watch = unwatched,
        request_id: str = "",
        answer_id: str = "",
        emit: Emit | None = None,
    ) -> Answer:
        """The answer as its asker may read it now. Raises `NotPermitted`, `NotFound` (no such assistant), `UsageError`,
        `LimitExceeded`. `answer_id` (a new id of ours) names it beforehand. `emit` gets the text as it may leave:
        whole once all is committed, or sentence by sentence where the assistant delivers live."""
        require(principal, Action.ASK)
        stopwatch = _Stopwatch(watch)
        async with self.place(principal):
            line = await self.newest_line()
            answer = await ask(
                line, principal, self._bounded(question), stopwatch, request_id, answer_id, emit
            )
        if (assistant := line.assistants.get(question.assistant)) is not None:
            self._afterwards(principal, question, assistant, answer)
        for observer in self._observers:
            observer(Asked(answer, stopwatch.ended()))
        return _for_asker(answer)

    def _bounded(self, question: Question) -> Question:
        """A client may ask for a shorter answer than its assistant allows, never for a longer one; what cannot be kept
        as text becomes a mark that says so."""
        question = replace(
            question,
            text=made_storable(question.text),
            document_ids=tuple(made_storable(name) for name in question.document_ids),
        )
        assistant = self._line.assistants.get(question.assistant)
        if assistant is None or question.max_output_tokens is None:
            return question
        most = min(question.max_output_tokens, assistant.max_output_tokens)
        return replace(question, max_output_tokens=most)

    async def newest_line(self) -> Line:
        """The line with the index version that is live in this moment."""
        line = self._line = await self._follow(self._line)
        return line

    @asynccontextmanager
    async def place(self, principal: Principal) -> AsyncGenerator[None]:
        """One of the places that questions and searches share. Raises `LimitExceeded`."""
        if self._by_person[principal.name] >= self._each:
            raise LimitExceeded(
                f"you already have {self._each} questions under way",
                code="too_many_requests",
                hint="Wait for one of them to finish.",
            )
        if self._waiting >= _WAITING:
            raise LimitExceeded(
                "too many questions are waiting", code="overloaded", hint="Retry in a moment."
            )
        self._by_person[principal.name] += 1
        self._waiting += 1
        try:
            await self._places.acquire()
        except asyncio.CancelledError:
            self._leave(principal)
            raise
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()
            self._leave(principal)

    def _leave(self, principal: Principal) -> None:
        self._by_person[principal.name] -= 1
        if self._by_person[principal.name] <= 0:
            del self._by_person[principal.name]

    def with_line(self, **changes: object) -> None:
        """Swap parts of the line (a new release, say) for the questions that come after this call."""
        self._line = replace(self._line, **changes)  # pyright: ignore[reportArgumentType]


class _Stopwatch:
    """A watch that also notes how long each step took."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._marks: list[tuple[str, float]] = []

    def __call__(self, step: str) -> None:
        self._marks.append((step, time.perf_counter()))
        self._watch(step)

    def ended(self) -> tuple[tuple[str, float], ...]:
        ends = [at for _, at in self._marks[1:]] + [time.perf_counter()]
        return tuple((step, end - at) for (step, at), end in zip(self._marks, ends, strict=True))


def _for_asker(answer: Answer) -> Answer:
    """What waits for a reviewer is not in the asker's hands, in no field."""
    if answer.status is not AnswerStatus.HELD:
        return replace(answer, draft="")
    return replace(answer, draft="", citations=(), claims=(), conflicts=())
