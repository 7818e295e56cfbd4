"""What a question becomes: claims bound to citations, a confidence, and one of four honest outcomes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from countersign.domain.documents import Box, Language

Task = Literal["answer", "summarise", "reply"]
Support = Literal["literal", "semantic", "none"]


class AnswerStatus(StrEnum):
    DELIVERED = "delivered"
    HELD = "held"
    REFUSED = "refused"
    DEGRADED = "degraded"


class RefusalReason(StrEnum):
    NO_EVIDENCE = "no_evidence"
    SOURCE_TOO_OLD = "source_too_old"
    QUESTION_BLOCKED = "question_blocked"
    OUTPUT_BLOCKED = "output_blocked"
    BUDGET_EXCEEDED = "budget_exceeded"
    NO_MODEL_ALLOWED = "no_model_allowed"
    MODEL_UNAVAILABLE = "model_unavailable"
    REJECTED_BY_REVIEWER = "rejected_by_reviewer"


@dataclass(frozen=True, slots=True)
class HistoryTurn:
    """One earlier message as the client sent it: untrusted, whatever its role says."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Question:
    assistant: str
    text: str
    task: Task = "answer"
    document_ids: tuple[str, ...] = ()
    history: tuple[HistoryTurn, ...] = ()
    as_of: datetime | None = None
    language: Language = ""
    max_output_tokens: int | None = None
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class Citation:
    """A numbered reference to a passage of one document version; `quote` is verbatim from it."""

    n: int
    citation_id: str
    passage_id: str
    document_id: str
    external_id: str
    source: str
    version: int
    title: str
    quote: str
    page: int | None = None
    bbox: Box | None = None
    heading: str = ""
    sheet: str = ""
    row: str = ""
    """Of the table cell that the cited figure stands in: the row's label, the column's, and the table's unit."""
    column: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of an answer. `start`/`end` are offsets into the answer's text; `citations` are citation numbers."""

    text: str
    start: int
    end: int
    supported: bool
    support: Support
    citations: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()
    """Why it is unsupported: `number_missing:45`, `name_missing:…`, `language_unknown`, `no_citation`, `low_overlap`."""


@dataclass(frozen=True, slots=True)
class ConflictNote:
    """Two permitted, current passages that disagree about the same subject, or speak of two things of one name."""

    subject: str
    values: tuple[str, ...]
    citations: tuple[int, ...]
    same_name: bool = False
    """Two things of one name: which of them is meant only the person who asks can say."""


@dataclass(frozen=True, slots=True)
class Confidence:
    """A score in [0, 1] with the features it came from. `calibrated` is False until a release holds a certificate."""

    score: float
    band: Literal["low", "medium", "high"]
    calibrated: bool = False
    features: dict[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class Usage:
    input_tokens: int = 0
    output_tokens: int = 0
    reported: bool = False
    """True when the provider said so, False when we estimated."""


@dataclass(frozen=True, slots=True)
class Cost:
    """`amount` is None when the price is unknown: an unknown price is a state, never 0."""

    amount: float | None
    currency: str
    unmetered: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    answer_id: str
    tenant: str
    user: str
    assistant: str
    task: Task
    status: AnswerStatus
    text: str
    """What the asker may read now: the answer, or a fixed localised sentence when held or refused."""
    release: str
    created: datetime
    as_of: datetime
    language: Language
    draft: str = ""
    """The generated text when it was not delivered: for the reviewer, never for the asker."""
    confidence: Confidence | None = None
    citations: tuple[Citation, ...] = ()
    claims: tuple[Claim, ...] = ()
    conflicts: tuple[ConflictNote, ...] = ()
    warnings: tuple[str, ...] = ()
    hold_reasons: tuple[str, ...] = ()
    refusal: RefusalReason | None = None
    model: str = ""
    rung: int = 0
    degraded_because: str = ""
    usage: Usage = field(default_factory=Usage)
    cost: Cost | None = None
    ai_generated: bool = True
