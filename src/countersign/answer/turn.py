"""The growing result of one walk down the straight line; each step hands on a new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from countersign.access.principal import Principal
from countersign.answer.compose import Composed
from countersign.answer.decide import Decision
from countersign.answer.period import Period
from countersign.domain.answers import (
    Citation,
    Claim,
    Confidence,
    ConflictNote,
    Cost,
    HistoryTurn,
    Question,
    RefusalReason,
    Usage,
)
from countersign.domain.documents import Passage
from countersign.domain.events import Event, EventKind
from countersign.domain.workspace import Assistant
from countersign.retrieval.seams import Vector


@dataclass(frozen=True, slots=True)
class Served:
    """Which rung wrote the draft, why not a better one, and what it used."""

    model: str
    rung: int
    skipped: tuple[tuple[str, str], ...]
    """(rung, reason code) of every better rung."""
    finish_reason: str
    usage: Usage
    cost: Cost | None

    @property
    def degraded_because(self) -> str:
        """The first reason that was a failure; a rung that residency forbids was never usable."""
        for rung, reason in self.skipped:
            if reason != "residency_not_allowed":
                return f"{rung}: {reason}"
        return ""


@dataclass(frozen=True, slots=True)
class Turn:
    answer_id: str
    question: Question
    principal: Principal
    assistant: Assistant
    release: str
    started: datetime
    as_of: datetime
    language: str
    request_id: str = ""
    asked_for: datetime | None = None
    """The moment that the answer is for when it is not the present; `as_of` is then the same."""
    period: Period | None = None
    """What the words of the question say of its time."""
    in_force_until: datetime | None = None
    """When (exclusive) ended what alone answers the question."""
    asked: str = ""
    """The question as it goes on: cleaned by the guard."""
    vectors: Sequence[Vector] | None = field(default=None, compare=False, repr=False)
    """What the question was searched with, so that a second search need not embed it again."""
    history: tuple[HistoryTurn, ...] = ()
    passages: tuple[Passage, ...] = ()
    retrieval_features: dict[str, float] = field(default_factory=dict[str, float])
    answerable: bool | None = None
    """Whether the passages hold an answer, where that can be told beforehand."""
    doubt: str = ""
    """Why they do not, as a code."""
    data_as_of: datetime | None = None
    composed: Composed | None = None
    canary: str = ""
    datamark: str = ""
    draft: str = ""
    left: str = ""
    """What of the draft has left already, sentence by sentence; always its beginning."""
    served: Served | None = None
    claims: tuple[Claim, ...] = ()
    citations: tuple[Citation, ...] = ()
    cited: tuple[Passage, ...] = ()
    """The passage of each citation, in the order of their numbers."""
    conflicts: tuple[ConflictNote, ...] = ()
    confidence: Confidence | None = None
    warnings: tuple[str, ...] = ()
    decision: Decision | None = None
    """Set by the step that ends the walk: early by a refusal, at the end by the rules."""
    events: tuple[Event, ...] = ()

    @property
    def asked_now(self) -> str:
        """The question without the words that say when: the versions of that time are asked as if it were today."""
        if self.period is None or self.asked != self.question.text:
            return self.asked
        return self.period.left_out_of(self.asked)

    @property
    def data_age(self) -> timedelta | None:
        """How long ago the oldest used source was last confirmed."""
        return None if self.data_as_of is None else self.started - self.data_as_of

    def noting(self, kind: EventKind, facts: dict[str, Any], at: datetime, **personal: str) -> Turn:
        """The same turn with one more event: the record of the step that just ended."""
        actor = self.principal.name
        event = Event(
            kind, self.principal.tenant, actor, self.answer_id, at, facts, personal, self.request_id
        )
        return replace(self, events=(*self.events, event))

    def refused(self, reason: RefusalReason, *warnings: str) -> Turn:
        return replace(self, decision=Decision.refuse(reason, warnings))
