"""Seams of the retrieval room: the authority (database) and the disposable index beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from countersign.domain.documents import Passage


@dataclass(frozen=True, slots=True)
class Scope:
    """What a question may search: decided in the database before any index is touched, the same for every leg."""

    tenant: str
    rights_ids: frozenset[int]
    sources: frozenset[str]
    as_of: datetime
    document_ids: frozenset[str] = frozenset()
    """Empty = any document."""


@dataclass(frozen=True, slots=True)
class IndexRow:
    """What the index knows of one passage. `live` False asks for its removal. `vector` is None in lexical-only mode."""

    passage_id: int
    document_id: str
    source: str
    rights_id: int
    language: str
    valid_from_day: int
    """Days since 1970-01-01; a large negative number when open."""
    valid_to_day: int
    """Exclusive; a large positive number when open."""
    live: bool
    seq: int
    text: str
    vector: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class Hit:
    passage_id: int
    score: float
    leg: str
    """`words`, `grams` or `dense`."""


class PassageIndex(Protocol):
    """Derived, disposable, one per tenant; applied in `seq` order, idempotent. One owner writes, others read."""

    @property
    def applied_seq(self) -> int: ...

    def apply(self, rows: Sequence[IndexRow], seq: int) -> None:
        """Bring the index to `seq`; when this returns the next search sees it. Owner only."""
        ...

    def search_text(self, text: str, scope: Scope, limit: int) -> list[Hit]:
        """Words and 4-grams legs, best first in each leg; only rows inside `scope`."""
        ...

    def search_vector(self, vector: NDArray[np.float32], scope: Scope, limit: int) -> list[Hit]:
        """Exact over the permitted rows."""
        ...

    def passage_ids(self) -> set[int]:
        """Every live passage it holds, for the comparison with the database."""
        ...

    def close(self) -> None: ...


class PassageStore(Protocol):
    """The database's side: what may be searched, what changed, and the last word on every hit."""

    async def scope(
        self, tenant: str, terms: frozenset[str], sources: frozenset[str], as_of: datetime, document_ids: frozenset[str]
    ) -> Scope: ...

    async def last_seq(self) -> int: ...

    async def changes(self, tenant: str, after_seq: int, limit: int) -> list[IndexRow]:
        """Rows changed after `after_seq`, in order, with vectors where they exist."""
        ...

    async def permitted(self, passage_ids: Sequence[int], scope: Scope) -> dict[int, Passage]:
        """Re-check: those of `passage_ids` that `scope` admits at this moment; absent means denied."""
        ...
