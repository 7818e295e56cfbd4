"""What a reader lays over its index: passages that the owner has not applied yet, scored as if it had.

The tail is small (it is what happened since the owner's last commit), so it is scored one by one, with the same
analyzer, the index's own term frequencies and language statistics.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from countersign.domain.documents import Language
from countersign.retrieval.analysis import Analyzer
from countersign.retrieval.seams import Hit, IndexRow, Leg, PassageSearch, Scope, Vector
from countersign.storage.passage_text import LEGS

_K1, _B = 1.2, 0.75
"""The BM25 constants of both engines."""


class TailBase(Protocol):
    """What an index says of itself, so that what it lacks is scored as if it were there."""

    def size(self, leg: Leg) -> tuple[int, int]:
        """How many passages it holds, and how many terms they have in this leg together."""
        ...

    def frequency(self, leg: Leg, term: str) -> int:
        """How many of its passages hold the term."""
        ...

    def scorer(self, vector: Vector, query_mean: Vector | None) -> Callable[[Vector, Language], float]:
        """The dense score of a passage outside it, with its own language statistics."""
        ...


class TailSearch:
    """Implements `retrieval.seams.PassageSearch` over an index and the rows that it lacks."""

    def __init__(
        self, index: PassageSearch, base: TailBase | None, analyzer: Analyzer, rows: Sequence[IndexRow]
    ) -> None:
        self._index = index
        self._base = base
        self._analyzer = analyzer
        self._changed = {row.passage_id: row for row in rows}

    def _fresh(self, scope: Scope) -> list[IndexRow]:
        return [row for row in self._changed.values() if row.live and admits(scope, row)]

    def search_text(self, text: str, scope: Scope, limit: int) -> list[Hit]:
        base = self._index.search_text(text, scope, limit + len(self._changed))
        fresh = self._fresh(scope)
        terms = self._analyzer.query(text)
        documents = [self._analyzer.document(row.text, row.language) for row in fresh]
        hits: list[Hit] = []
        for leg, wanted in zip(LEGS, (terms.words, terms.grams), strict=True):
            kept = [hit for hit in base if hit.leg == leg and hit.passage_id not in self._changed]
            texts = [document.words if leg == "words" else document.grams for document in documents]
            kept += self._bm25(leg, wanted, fresh, texts)
            hits += sorted(kept, key=lambda hit: (-hit.score, hit.passage_id))[:limit]
        return hits

    def _bm25(
        self, leg: Leg, wanted: Sequence[str], rows: Sequence[IndexRow], texts: Sequence[tuple[str, ...]]
    ) -> list[Hit]:
        counts = [Counter(text) for text in texts]
        total, lengths = len(rows), sum(map(len, texts))
        if self._base is not None:
            held, terms = self._base.size(leg)
            total, lengths = total + held, lengths + terms
        average = max(lengths / max(total, 1), 1.0)
        hits: list[Hit] = []
        weight = {term: self._idf(leg, term, counts, total) for term in wanted}
        for row, count, text in zip(rows, counts, texts, strict=True):
            norm = _K1 * (1 - _B + _B * len(text) / average)
            score = sum(weight[t] * (_K1 + 1) * count[t] / (count[t] + norm) for t in wanted if count[t])
            if score > 0:
                hits.append(Hit(row.passage_id, score, leg, row.language))
        return hits

    def _idf(self, leg: Leg, term: str, counts: Sequence[Counter[str]], total: int) -> float:
        indexed = self._base.frequency(leg, term) if self._base is not None else 0
        holding = min(total, indexed + sum(1 for count in counts if term in count))
        return math.log(1 + (total - holding + 0.5) / (holding + 0.5))

    def search_vector(
        self,
        vector: Vector,
        scope: Scope,
        limit: int,
        *,
        also: Sequence[int] = (),
        query_mean: Vector | None = None,
    ) -> list[Hit]:
        wide = limit + len(self._changed)
        base = self._index.search_vector(vector, scope, wide, also=also, query_mean=query_mean)
        hits = [hit for hit in base if hit.passage_id not in self._changed]
        hits += tail_vectors(self._base, self._fresh(scope), vector, query_mean)
        hits.sort(key=lambda hit: (-hit.score, hit.passage_id))
        wanted = set(also)
        return [hit for place, hit in enumerate(hits) if place < limit or hit.passage_id in wanted]


def admits(scope: Scope, row: IndexRow) -> bool:
    """The scope's conditions for one row."""
    return (
        row.rights_id in scope.rights_ids
        and row.source in scope.sources
        and scope.admits_period(row.valid_from_day, row.valid_to_day)
        and (not scope.document_ids or row.document_id in scope.document_ids)
    )


def tail_vectors(
    base: TailBase | None, rows: Sequence[IndexRow], vector: Vector, query_mean: Vector | None
) -> list[Hit]:
    """Dense hits of rows outside the index, normalised with the index's language statistics."""
    score_of = base.scorer(vector, query_mean) if base is not None else None
    hits: list[Hit] = []
    for row in rows:
        if row.vector is None:
            continue
        cosine = float(np.dot(row.vector, vector))
        score = score_of(row.vector, row.language) if score_of is not None else cosine
        hits.append(Hit(row.passage_id, score, "dense", row.language, cosine, row.vector))
    return hits
