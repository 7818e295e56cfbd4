"""Asking as a service: bounded at once and per person, so that one caller cannot take the house from the others."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

from countersign.access.decide import Action, require
from countersign.access.principal import Principal
from countersign.answer.ask import ask
from countersign.answer.line import Line, Watch
from countersign.domain.answers import Answer, Question
from countersign.domain.errors import LimitExceeded
from countersign.domain.workspace import Assistant

_AT_ONCE = 64
_AT_ONCE_EACH = 4
_WAITING = 256


def unwatched(step: str) -> None:
    """A watch for callers that show no progress."""


class Asking:
    """`line` is what every question walks."""

    def __init__(self, line: Line, *, at_once: int = _AT_ONCE, at_once_each: int = _AT_ONCE_EACH) -> None:
        self._line = line
        self._places = asyncio.Semaphore(at_once)
        self._each = at_once_each
        self._by_person: Counter[str] = Counter()
        self._waiting = 0

    @property
    def line(self) -> Line:
        return self._line

    def assistants(self, principal: Principal) -> list[Assistant]:
        """Those that this person may ask."""
        mine = (a for a in self._line.assistants.values() if not a.tenants or principal.tenant in a.tenants)
        return sorted(mine, key=lambda assistant: assistant.name)

    async def ask(
        self, principal: Principal, question: Question, watch: Watch = unwatched, request_id: str = ""
    ) -> Answer:
        """Raises `NotPermitted`, `NotFound` (no such assistant), `UsageError`, `LimitExceeded`."""
        require(principal, Action.ASK)
        async with self._place(principal):
            return await ask(self._line, principal, question, watch, request_id)

    @asynccontextmanager
    async def _place(self, principal: Principal) -> AsyncGenerator[None]:
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
