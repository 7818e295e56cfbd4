"""A candidate's run over a question set: what was measured, its summary, and where runs disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from countersign.evaluation.intervals import Interval, difference, interval
from countersign.evaluation.judge import Scores
from countersign.retrieval.version import IndexVersion

MEASURES: Final = ("ndcg_10", "recall_5", "recall_10", "mrr", "given")
_MISSED_BELOW: Final = 10
"""A document behind this rank counts as missed."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One question of one run. Times are of one search as an answer makes it, embedding of the question included."""

    question_id: str
    language: str
    scores: Scores
    cpu_ms: float
    wall_ms: float


@dataclass(frozen=True, slots=True)
class Built:
    """What the passages of a candidate cost. `embedded` vectors had to be made in `seconds`; the others were known."""

    passages: int
    index_bytes: int
    embedded: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Run:
    """`version` is what would be built; of what is fitted, the one that all questions together teach."""

    name: str
    version: IndexVersion
    judged: tuple[Judged, ...]
    built: Built
    fitted: bool = False
    """Judged by cross-validation: no question was judged by what it taught."""

    def values(self, measure: str) -> list[float]:
        return [float(getattr(each.scores, measure)) for each in self.judged]

    @property
    def cpu_ms(self) -> float:
        """Of a question in the middle: what else the machine does at times weighs nothing."""
        return float(np.median([each.cpu_ms for each in self.judged])) if self.judged else 0.0

    def wall_ms(self, percentile: float) -> float:
        return float(np.percentile([e.wall_ms for e in self.judged], percentile)) if self.judged else 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of the report. `to_live` is nDCG at 10 against the live version; None for the live version itself."""

    run: Run
    measures: dict[str, Interval]
    languages: dict[str, Interval]
    """nDCG at 10 by the language of the question."""
    to_live: Interval | None

    @property
    def ndcg(self) -> Interval:
        return self.measures["ndcg_10"]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A question that one run finds and another misses: ranks by the name of the run, 0 = not found."""

    question_id: str
    ranks: dict[str, int]


def summarise(run: Run, live: Run | None) -> Summary:
    """Raises `ValueError` when the two were not asked the same questions."""
    spoken = sorted({each.language for each in run.judged})
    by_language = {
        language: interval([e.scores.ndcg_10 for e in run.judged if e.language == language])
        for language in spoken
    }
    measures = {measure: interval(run.values(measure)) for measure in MEASURES}
    return Summary(run, measures, by_language, paired(run, live) if live is not None else None)


def paired(run: Run, other: Run) -> Interval:
    """nDCG at 10 of `run` minus that of `other` on the same questions."""
    if [e.question_id for e in run.judged] != [e.question_id for e in other.judged]:
        raise ValueError("the two runs were not asked the same questions")
    return difference(run.values("ndcg_10"), other.values("ndcg_10"))


def disagreements(runs: Sequence[Run], most: int) -> list[Disagreement]:
    """The questions that runs differ on most: found near the top by one, missed by another; then those that all miss."""
    if not runs:
        return []
    found: list[tuple[float, Disagreement]] = []
    for place, judged in enumerate(runs[0].judged):
        ranks = {run.name: run.judged[place].scores.rank for run in runs}
        reached = [1 / rank if rank else 0.0 for rank in ranks.values()]
        missed = any(rank == 0 or rank > _MISSED_BELOW for rank in ranks.values())
        if missed:
            weight = max(reached) - min(reached)
            found.append((weight if max(reached) else -1.0, Disagreement(judged.question_id, ranks)))
    found.sort(key=lambda pair: (-pair[0], pair[1].question_id))
    return [each for _, each in found[:most]]


def judged_to_json(judged: Judged) -> dict[str, Any]:
    scores = judged.scores
    return {
        "question": judged.question_id, "language": judged.language, "cpu_ms": judged.cpu_ms,
        "wall_ms": judged.wall_ms, "rank": scores.rank,
        **{measure: getattr(scores, measure) for measure in MEASURES},
    }  # fmt: skip


def judged_from_json(stored: dict[str, Any]) -> Judged:
    scores = Scores(**{measure: stored[measure] for measure in MEASURES}, rank=stored["rank"])
    return Judged(stored["question"], stored["language"], scores, stored["cpu_ms"], stored["wall_ms"])
