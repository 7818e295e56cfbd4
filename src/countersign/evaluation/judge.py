"""One question's ranked documents against the documents that should answer it.

Measures: nDCG at 10 with gain 1 for every expected document or page (Järvelin and Kekäläinen 2002), recall at 5 and 10,
and the reciprocal of the first right rank (MRR).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from countersign.evaluation.questions import Expected


@dataclass(frozen=True, slots=True)
class Place:
    """A passage that was found: its document and the pages it covers (None where the format has none)."""

    source: str
    external_id: str
    page: int | None = None
    page_to: int | None = None

    def answers(self, expected: Expected) -> bool:
        if (self.source, self.external_id) != (expected.source, expected.external_id):
            return False
        if expected.page is None or self.page is None:
            return expected.page is None
        return self.page <= expected.page <= (self.page_to or self.page)


@dataclass(frozen=True, slots=True)
class Scores:
    """All in [0, 1]. `given` is the share of what is expected that reaches the model; `rank` the first right one, 0 = none."""

    ndcg_10: float
    recall_5: float
    recall_10: float
    mrr: float
    given: float
    rank: int


def judge(expected: Sequence[Expected], found: Sequence[Place], given: Sequence[Place]) -> Scores:
    """`found` are passages, best first; `given` what an answer would be written from. A document counts once, at its best
    passage; where the question expects a page, each page of a document counts. Raises `ValueError` without `expected`."""
    if not expected:
        raise ValueError("a question without expected documents cannot be judged")
    gains = _gains(expected, found)
    count = len(expected)
    ideal = sum(_discount(rank) for rank in range(1, min(count, 10) + 1))
    cumulated = sum(min(1, gain) * _discount(rank) for rank, gain in enumerate(gains[:10], 1))
    first = next((rank for rank, gain in enumerate(gains, 1) if gain), 0)
    reached = sum(any(place.answers(each) for place in given) for each in expected)
    return Scores(
        ndcg_10=cumulated / ideal,
        recall_5=sum(gains[:5]) / count,
        recall_10=sum(gains[:10]) / count,
        mrr=1 / first if first else 0.0,
        given=reached / count,
        rank=first,
    )


def _gains(expected: Sequence[Expected], found: Sequence[Place]) -> list[int]:
    """How many of `expected` each rank is the first to answer."""
    by_page = any(each.page is not None for each in expected)
    missing = list(dict.fromkeys(expected))
    seen: set[tuple[object, ...]] = set()
    gains: list[int] = []
    for place in found:
        key = (place.source, place.external_id, *((place.page, place.page_to) if by_page else ()))
        if key in seen:
            continue
        seen.add(key)
        answered = [each for each in missing if place.answers(each)]
        missing = [each for each in missing if each not in answered]
        gains.append(len(answered))
    return gains


def _discount(rank: int) -> float:
    return 1 / math.log2(rank + 1)
