"""A measurement as a value: what was measured, on what, for whom, and what follows from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from countersign.domain.clock import iso
from countersign.evaluation.intervals import LEAST_QUESTIONS, RESAMPLES, WIDEST, Interval, verdict
from countersign.evaluation.recommend import LOSS, Recommendation
from countersign.evaluation.runs import Disagreement, Summary


@dataclass(frozen=True, slots=True)
class Measured:
    """On what. `person` is empty when the owner of the files measured over every document of the tenant."""

    id: str
    """Names documents, questions and rights: the same while none of them changes."""
    set_name: str
    tenant: str
    person: str
    assistant: str
    sources: tuple[str, ...]
    documents: int
    """In force, in these sources, and admitted."""
    taken: int
    """Of them, what was cut: all, or a sample with every expected one."""
    questions: int
    not_there: int
    """Confirmed questions that were left out: nothing that they expect is among the documents."""
    finished: datetime


@dataclass(frozen=True, slots=True)
class Shown:
    """A question that the candidates differ on, with its words and what it expects."""

    text: str
    language: str
    expected: tuple[str, ...]
    of: Disagreement


@dataclass(frozen=True, slots=True)
class Tuned:
    measured: Measured
    summaries: tuple[Summary, ...]
    """The live version first."""
    recommendation: Recommendation
    questions: tuple[Shown, ...]

    @property
    def live(self) -> Summary:
        return self.summaries[0]

    @property
    def chosen(self) -> Summary:
        name = self.recommendation.chosen.name
        return next(each for each in self.summaries if each.run.name == name)

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.live.languages)


def tuned_to_json(tuned: Tuned) -> dict[str, Any]:
    """Everything of the report, without a word of any document."""
    measured, advice = tuned.measured, tuned.recommendation
    return {
        "format": 1,
        **asdict(measured),
        "finished": iso(measured.finished),
        "method": {"resamples": RESAMPLES, "least_questions": LEAST_QUESTIONS, "widest": WIDEST, "loss": LOSS},
        "candidates": [_summary(each) for each in tuned.summaries],
        "recommendation": {
            "candidate": advice.chosen.name,
            "version": advice.chosen.version.id,
            "manifest": advice.chosen.version.manifest,
            "best": advice.best.name,
            "as_good": list(advice.as_good),
            "reason": advice.reason,
        },
        "differing": [
            {"question": each.text, "language": each.language, "expected": list(each.expected), "ranks": each.of.ranks}
            for each in tuned.questions
        ],
    }  # fmt: skip


def _summary(of: Summary) -> dict[str, Any]:
    run = of.run
    return {
        "name": run.name,
        "version": run.version.id,
        "fitted": run.fitted,
        "measures": {name: _interval(each) for name, each in of.measures.items()},
        "languages": {name: _interval(each) for name, each in of.languages.items()},
        "to_live": _interval(of.to_live) | {"verdict": verdict(of.to_live)} if of.to_live else None,
        "cpu_ms": round(run.cpu_ms, 2),
        "p50_ms": round(run.wall_ms(50), 2),
        "p95_ms": round(run.wall_ms(95), 2),
        **asdict(run.built),
    }


def _interval(of: Interval) -> dict[str, Any]:
    return {"mean": round(of.mean, 4), "low": round(of.low, 4), "high": round(of.high, 4), "n": of.n}


ADVICE: dict[str, str] = {
    "too_few_questions": "There are not enough questions to tell: at least {least} are needed, better 100. Keep what answers now, and confirm more questions.",
    "mostly_drafted": "Most questions stand as they were drafted, in the words of the documents: that makes words look better than meaning. Keep what answers now; put the questions as people would, or bring questions that were asked.",
    "live_is_as_good": "Keep what answers now: no candidate is better, and none as good is cheaper, beyond what chance explains.",
    "better_than_live": "Take “{chosen}”: it is better than what answers now, and of all that are as good as the best (“{best}”) it costs least per question.",
    "cheaper_than_live": "Take “{chosen}”: it finds as much as what answers now, and as the best (“{best}”), and costs less per question.",
}
"""Why, in words."""


def advice(tuned: Tuned) -> str:
    said = tuned.recommendation
    return ADVICE[said.reason].format(least=LEAST_QUESTIONS, chosen=said.chosen.name, best=said.best.name)
