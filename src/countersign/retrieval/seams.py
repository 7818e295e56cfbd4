"""Seams of the retrieval room: the authority (database) and the disposable index beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from countersign.domain.documents import Language, Passage

Vector = NDArray[np.float32]
Leg = Literal["words", "grams", "dense"]

ALWAYS_FROM_DAY = -(2**31)
ALWAYS_TO_DAY = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Scope:
    """What a question may search: decided in the database before any index is touched, the same for every leg."""

    tenant: str
    rights_ids: frozenset[int]
    sources: frozenset[str]
    as_of: datetime
    document_ids: frozenset[str] = frozenset()
    """Empty = any document."""
    ended: bool = False
    """Only what was in force before `as_of` and no longer is: to say that nothing else is known, never to answer from."""

    def admits_period(self, from_day: int, to_day: int) -> bool:
        """Whether the index admits a passage in force from `from_day` until before `to_day`."""
        return to_day <= self.day + 1 if self.ended else from_day <= self.day < to_day

    @property
    def day(self) -> int:
        """Days from 1970-01-01 to `as_of`: the index filters by day, the database by the moment."""
        return int(self.as_of.timestamp() // 86_400)


@dataclass(frozen=True, slots=True)
class IndexRow:
    """What the index knows of one passage. `live` False asks for its removal. `vector` is None in lexical-only mode."""

    passage_id: int
    document_id: str
    source: str
    rights_id: int
    language: Language
    valid_from_day: int
    """Days since 1970-01-01, rounded down; `ALWAYS_FROM_DAY` when open."""
    valid_to_day: int
    """Exclusive, rounded up; `ALWAYS_TO_DAY` when open."""
    live: bool
    seq: int
    text: str
    vector: Vector | None


@dataclass(frozen=True, slots=True)
class Titled:
    """What a document is called, for routing. `live` False: it is gone."""

    document_id: str
    title: str
    filename: str
    live: bool
    seq: int


@dataclass(frozen=True, slots=True)
class Hit:
    """One passage in one leg. `score` orders the leg: BM25, or the dense score made comparable across languages."""

    passage_id: int
    score: float
    leg: Leg
    language: Language = "und"
    cosine: float = 0.0
    """Dense leg only: the plain cosine behind `score`."""
    vector: Vector | None = field(default=None, compare=False, repr=False)
    """Dense leg only: the passage's own."""


class PassageSearch(Protocol):
    """Search over the rows inside a scope. Synchronous and CPU-bound: call it on a thread."""

    def search_text(self, text: str, scope: Scope, limit: int) -> list[Hit]:
        """Words and 4-grams legs, at most `limit` each, best first in each leg; only rows inside `scope`."""
        ...

    def search_vector(
        self,
        vector: Vector,
        scope: Scope,
        limit: int,
        *,
        also: Sequence[int] = (),
        query_mean: Vector | None = None,
    ) -> list[Hit]:
        """Exact over the rows inside `scope`, best first. `also` names passages to be scored whatever their place.

        Scores are z-scores per document language, of the cosine or, with `query_mean` (what questions of that language
        have in common), of the cosine after it is taken away from the question.
        """
        ...


class IndexRebuild(Protocol):
    """A new index being filled beside the one that answers."""

    def apply(self, rows: Sequence[IndexRow], seq: int) -> None: ...

    def publish(self) -> None:
        """Take over atomically and remove every file of the old one."""
        ...


class PassageIndex(PassageSearch, Protocol):
    """Derived, disposable, one per tenant; applied in `seq` order, idempotent. One owner writes, others read."""

    @property
    def owner(self) -> bool: ...

    @property
    def applied_seq(self) -> int: ...

    @property
    def version(self) -> str:
        """Analyzer, embedding model and settings it was built with."""
        ...

    def apply(self, rows: Sequence[IndexRow], seq: int) -> None:
        """Bring the index to `seq`; when this returns the next search sees it. Owner only (`Conflict`)."""
        ...

    def refresh(self) -> None:
        """See what the owner has committed since; cheap when nothing has changed."""
        ...

    def with_tail(self, rows: Sequence[IndexRow]) -> PassageSearch:
        """The index as if `rows` were applied, in memory only: how a reader answers from the newest state."""
        ...

    def rebuild(self) -> IndexRebuild: ...

    def passage_ids(self) -> set[int]:
        """Every live passage it holds, for the comparison with the database."""
        ...

    def close(self) -> None: ...


class PassageStore(Protocol):
    """The database's side: what may be searched, what changed, and the last word on every hit."""

    async def scope(
        self,
        tenant: str,
        terms: frozenset[str],
        sources: frozenset[str],
        as_of: datetime,
        document_ids: frozenset[str] = frozenset(),
    ) -> Scope: ...

    async def last_seq(self) -> int: ...

    async def changes(self, tenant: str, after_seq: int, limit: int) -> list[IndexRow]:
        """Rows changed after `after_seq`, in `seq` order, never part of a mutation: the last one comes whole."""
        ...

    async def live_ids(self, tenant: str) -> set[int]: ...

    async def permitted(self, passage_ids: Iterable[int], scope: Scope) -> dict[int, Passage]:
        """Re-check: those of `passage_ids` that `scope` admits at this moment; absent means denied."""
        ...

    async def titles(self, tenant: str, after_seq: int) -> list[Titled]:
        """Every document changed after `after_seq`, whoever may read it: for routing, which shows nothing."""
        ...

    async def document(self, scope: Scope, limit: int) -> list[Passage]:
        """The permitted passages of the scope's documents, in the documents' own order."""
        ...

    async def neighbours(self, near: Passage, scope: Scope, reach: int) -> list[Passage]:
        """Permitted passages of the same document version up to `reach` places before and after, in order."""
        ...
