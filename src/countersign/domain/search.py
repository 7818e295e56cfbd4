"""What a person finds without asking for an answer: passages that they may see, in the order of an answer's evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from countersign.domain.answers import HistoryTurn, RefusalReason
from countersign.domain.documents import Box, Language

MAX_HITS = 100
_PICTURES = frozenset({"application/pdf", "image/png", "image/jpeg", "image/tiff"})


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """`language` keeps passages of one language only; `per_document` the best passage of each document. `explain` and
    `index_version` (its id or name; empty = the live one) are for operators."""

    assistant: str
    text: str
    history: tuple[HistoryTurn, ...] = ()
    as_of: datetime | None = None
    document_ids: tuple[str, ...] = ()
    language: Language = ""
    limit: int = 10
    per_document: bool = False
    explain: bool = False
    index_version: str = ""


@dataclass(frozen=True, slots=True)
class LegScore:
    """`score` as the leg gave it: a cosine of meaning, BM25 of words and of 4-grams."""

    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Why:
    """Why a passage stands where it does. `score` in [0, 1] orders the results; `legs` are those that found it (`dense`,
    `words`, `grams`); `routed_by` says what of its document the question names (`name`, `identifier`, `period`)."""

    score: float
    legs: Mapping[str, LegScore] = field(default_factory=dict[str, LegScore])
    routed_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One passage as its reader may see it. `rank` counts from 1; `why` is told to operators only."""

    rank: int
    passage_id: str
    document_id: str
    external_id: str
    source: str
    version: int
    title: str
    quote: str
    """The whole passage, personal data replaced by tokens as in a citation."""
    language: Language
    page: int | None = None
    page_to: int | None = None
    bbox: Box | None = None
    heading: str = ""
    sheet: str = ""
    mime: str = ""
    is_table: bool = False
    modified: datetime | None = None
    synced: datetime | None = None
    """When its source confirmed it last."""
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    warnings: tuple[str, ...] = ()
    why: Why | None = None

    @property
    def has_image(self) -> bool:
        """Whether its page can be shown as it looks."""
        return self.page is not None and self.mime in _PICTURES


@dataclass(frozen=True, slots=True)
class SearchResults:
    """`refusal` says why nothing was searched; nothing found is no refusal. `release` is empty when another index version
    than the live one was looked at."""

    search_id: str
    tenant: str
    user: str
    assistant: str
    created: datetime
    as_of: datetime
    """The moment asked about, else when the oldest of what is shown was confirmed."""
    language: Language
    """Of the query, as far as it can be told."""
    index_version: str
    release: str
    hits: tuple[SearchHit, ...] = ()
    warnings: tuple[str, ...] = ()
    refusal: RefusalReason | None = None
    took_ms: float = 0.0
