"""Questions that say which documents should answer them: what every choice of retrieval is measured against."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from countersign.domain.documents import Language

Origin = Literal["own", "imported", "drafted"]
"""Asked and answered well here, brought from a file, or drafted from a document."""
State = Literal["draft", "confirmed", "dropped"]
STATES: Final[tuple[State, ...]] = ("draft", "confirmed", "dropped")

MAX_TEXT: Final = 1_000
"""Characters of a question."""
MAX_EXPECTED: Final = 50
"""Documents that one question may expect."""
MAX_QUESTIONS: Final = 20_000
"""In a set."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A document that answers, by its source's name for it; with `page` (1-based) only that page does."""

    source: str
    external_id: str
    page: int | None = None


@dataclass(frozen=True, slots=True)
class NewQuestion:
    """`document_id` and `page` say what it was drafted from; empty for every other origin."""

    text: str
    language: Language
    expected: tuple[Expected, ...]
    document_id: str = ""
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Question:
    id: str
    n: int
    """Its place in the set, from 1."""
    text: str
    language: Language
    origin: Origin
    state: State
    expected: tuple[Expected, ...]
    made_by: str
    made: datetime
    document_id: str = ""
    page: int | None = None
    decided_by: str = ""
    decided: datetime | None = None
    edited: bool = False
    """A person changed the words that were drafted."""


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """A set with how many of its questions are in each state; what was emptied by an erasure counts nowhere."""

    id: str
    name: str
    tenant: str
    created: datetime
    created_by: str
    draft: int = 0
    confirmed: int = 0
    dropped: int = 0
