"""Which candidate to take: the cheapest that is not worse than the best, and no change where nothing can be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from countersign.evaluation.intervals import LEAST_QUESTIONS
from countersign.evaluation.runs import Run, paired

LOSS: Final = 0.02
"""What a cheaper candidate may lose in mean nDCG at 10 against the best and still be called as good."""
SAME_COST: Final = 0.25
SAME_COST_MS: Final = 1.0
"""Costs per question that differ by less than this share, or this time, are the same: processor time is not measured
better, and less is not worth a change."""

Reason = Literal[
    "too_few_questions", "mostly_drafted", "live_is_as_good", "better_than_live", "cheaper_than_live"
]


@dataclass(frozen=True, slots=True)
class Recommendation:
    """`best` has the highest mean; `as_good` are those not worse than it, `chosen` among them."""

    chosen: Run
    best: Run
    as_good: tuple[str, ...]
    reason: Reason


def recommend(runs: Sequence[Run], live: Run, drafted: int = 0) -> Recommendation:
    """`live` is one of `runs`. Not worse than the best: the interval of the paired difference reaches 0, and the mean
    loses at most `LOSS`. `drafted` of the questions repeat the words of a document as they were drafted: where they are
    most, nothing is recommended, because they make words look better than meaning."""
    best = max(runs, key=lambda run: (_mean(run), run.name == live.name))
    if len(live.judged) < LEAST_QUESTIONS:
        return Recommendation(live, best, (), "too_few_questions")
    if 2 * drafted > len(live.judged):
        return Recommendation(live, best, (), "mostly_drafted")
    as_good = [run for run in runs if run is best or _not_worse(run, best)]
    cheapest = min(run.cpu_ms for run in as_good)
    cheap = [run for run in as_good if run.cpu_ms <= cheapest + max(SAME_COST_MS, SAME_COST * cheapest)]
    names = tuple(run.name for run in as_good)
    if live in cheap:
        return Recommendation(live, best, names, "live_is_as_good")
    chosen = max(cheap, key=lambda run: (_mean(run), -run.built.index_bytes, run.name))
    return Recommendation(chosen, best, names, "cheaper_than_live" if live in as_good else "better_than_live")


def _mean(run: Run) -> float:
    values = run.values("ndcg_10")
    return sum(values) / len(values) if values else 0.0


def _not_worse(run: Run, best: Run) -> bool:
    found = paired(run, best)
    return found.high >= 0 and found.mean >= -LOSS
