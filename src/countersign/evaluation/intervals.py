"""What a mean over questions is worth: percentile bootstrap (Efron 1979), and paired differences between two runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

RESAMPLES: Final = 2_000
LEAST_QUESTIONS: Final = 20
"""Below this many questions nothing is said about a difference."""
WIDEST: Final = 0.1
"""A difference whose interval holds 0 and is wider than this is not known well enough to be called none."""
_SEED: Final = 20_250_401
_BATCH: Final = 100

Verdict = Literal["better", "worse", "same", "unknown"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def width(self) -> float:
        return self.high - self.low


def interval(values: Sequence[float]) -> Interval:
    """Of the mean of `values`, one a question; the same values always give the same interval. Empty gives 0 of nothing."""
    if not values:
        return Interval(0.0, 0.0, 0.0, 0)
    sample = np.asarray(values, np.float64)
    draws = np.random.default_rng(_SEED)
    means = [
        sample[draws.integers(0, len(sample), (_BATCH, len(sample)))].mean(axis=1)
        for _ in range(RESAMPLES // _BATCH)
    ]
    low, high = np.percentile(np.concatenate(means), (2.5, 97.5))
    return Interval(float(sample.mean()), float(low), float(high), len(sample))


def difference(values: Sequence[float], others: Sequence[float]) -> Interval:
    """Of `values` minus `others`, question by question, in the same order. Raises `ValueError` on unequal lengths."""
    return interval([a - b for a, b in zip(values, others, strict=True)])


def verdict(of: Interval) -> Verdict:
    """What a paired difference says: `unknown` means that there are not enough questions to tell."""
    if of.n < LEAST_QUESTIONS:
        return "unknown"
    if of.low > 0:
        return "better"
    if of.high < 0:
        return "worse"
    return "same" if of.width <= WIDEST else "unknown"
