"""How likely the passages that were found hold an answer at all, told before anything is written, and why not.

A logistic function of ten features of the question and its passages that do not depend on the size of a collection: how
near the best passage is and how far ahead of the others, whether what the question names is there, and how it goes on from
the talk before it. Where no name or no year of the question is there at all, the answer is not either. The weights were
fitted by `bench/abstention.py` on public sets of questions with and without an answer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from countersign.answer.evidence import context_of
from countersign.answer.facts import facts
from countersign.answer.references import unresolved
from countersign.corpus.language import detect
from countersign.corpus.sentences import split_sentences
from countersign.corpus.terms import content_terms, found_in
from countersign.domain.answers import HistoryTurn
from countersign.domain.documents import Language, Passage

Cause = Literal["subject_not_found", "period_not_found", "question_unclear", "evidence_thin"]

_LOOKED_AT = 8
_LEAST_PASSAGES = 5
"""With fewer there is nothing to be ahead of."""
_MEASURED_ON = "multilingual-e5-small/"
"""Cosines mean something else to another encoder, so there they are left out."""
_COSINE_UNRELATED, _COSINE_WIDTH = 0.80, 0.10
_NEXT = 4
"""The best passage is compared with the one that comes this many places after it."""
_EARLIER_QUESTIONS, _REPLY_CHARS = 2, 600
_UNKNOWN_HISTORY, _UNKNOWN_COVERED = 0.3, 0.8
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_SHORT_YEAR = re.compile(r"\bFY ?'?(\d\d)\b")
_IF_ABSENT = 0.2
_YEARS_AFTER = 1
"""A report of a year speaks of the one before, too."""

NEAR: Mapping[str, float] = MappingProxyType(
    {
        "bias": -7.41,
        "near": 3.54,  # cosine of the nearest passage
        "best": 0.37,  # score of the best passage
        "lead": 4.75,  # …and how far it is ahead of the fifth
        "spread": -0.95,  # documents among the best passages
        "known": 2.4,  # share of the question's names that are there
        "told": 4.04,  # share of the talk so far that one passage has
        "shift": 1.84,  # share of the question that is new in the talk
        "long": -0.47,  # logarithm of the question's words
        "unresolved": -0.8,  # things it points to that nobody named
        "named": 0.63,  # it names documents by their titles
    }
)
WORDS_ONLY: Mapping[str, float] = MappingProxyType(
    {
        "bias": -7.07,
        "best": 1.7,
        "lead": 3.95,
        "spread": -1.66,
        "known": 2.25,
        "covered": 2.26,  # share of the question's words in one passage
        "told": 4.23,
        "shift": 1.41,
        "long": -0.3,
        "unresolved": -0.74,
        "named": 1.11,
    }
)


@dataclass(frozen=True, slots=True)
class Judged:
    """`share`: how likely an answer is there, in [0, 1]; `cause`: what speaks most against it."""

    share: float
    cause: Cause


@dataclass(frozen=True, slots=True)
class Answerability:
    """Weights of a logistic function, with cosines of the embedded encoder and without any."""

    near: Mapping[str, float] = field(default_factory=lambda: NEAR)
    words_only: Mapping[str, float] = field(default_factory=lambda: WORDS_ONLY)
    least: float = 0.3
    """The share from which on there is an answer."""

    def judge(
        self,
        question: str,
        passages: Sequence[Passage],
        *,
        history: Sequence[HistoryTurn] = (),
        named: bool = False,
        model_id: str = "",
    ) -> Judged | None:
        """None where this cannot tell: too few passages, or the best of them in another language than the question.

        `named`: the question was found to name documents by their titles."""
        language = detect(question)
        found = [passage for passage in passages if "neighbour" not in passage.features][:_LOOKED_AT]
        if len(found) < _LEAST_PASSAGES or found[0].language not in (language, "und"):
            return None
        seen = features(question, language, found, history, named=named)
        known = model_id.startswith(_MEASURED_ON) and any(p.features.get("cosine") for p in found)
        share = logistic(self.near if known else self.words_only, seen)
        return Judged(absent(seen, share), _cause(seen))


def features(
    question: str,
    language: Language,
    found: Sequence[Passage],
    history: Sequence[HistoryTurn] = (),
    *,
    named: bool = False,
) -> dict[str, float]:
    """What can be seen of a question and the passages found for it, best first; most are in [0, 1]."""
    found = found[:_LOOKED_AT]
    core = core_of(question)
    terms = frozenset(content_terms(core, language))
    names = frozenset(content_terms(" ".join(facts(core).names), language)) & terms
    there = [frozenset(content_terms(f"{context_of(p)} {p.text}", p.language)) for p in found]
    told = frozenset(content_terms(_told(history), language))
    scores = [passage.score for passage in found]
    nearest = max((passage.features.get("cosine", 0.0) for passage in found), default=0.0)
    covered = max((_share(terms, words) for words in there), default=0.0)
    return {
        "near": _unit((nearest - _COSINE_UNRELATED) / _COSINE_WIDTH),
        "best": scores[0],
        "lead": scores[0] - scores[min(_NEXT, len(scores) - 1)],
        "spread": len({passage.title or passage.document_id for passage in found}) / len(found),
        "known": 1.0 if named else _share(names, frozenset[str]().union(*there)),
        "dated": _dated(question, found),
        "covered": _UNKNOWN_COVERED if told else covered,
        "told": max((_share_of(told, words) for words in there), default=0.0) if told else _UNKNOWN_HISTORY,
        "shift": 1.0 - _share(terms, told) if told else 0.5,
        "long": math.log(max(1, len(terms))),
        "unresolved": float(min(2, unresolved(question, language, told))),
        "named": float(named),
    }


def core_of(question: str) -> str:
    """The sentence that asks, without what is said around it: how to answer, definitions, an excuse."""
    sentences = (question[start:end].strip() for start, end in split_sentences(question))
    asking = next((sentence for sentence in sentences if sentence.endswith("?")), question)
    return asking.rpartition(": ")[2]


def logistic(weights: Mapping[str, float], seen: Mapping[str, float]) -> float:
    total = sum(weight * seen.get(name, 1.0) for name, weight in weights.items())  # the bias is always there
    return 1.0 / (1.0 + math.exp(-total))


def absent(seen: Mapping[str, float], share: float) -> float:
    """`share`, or what is left of it where none of the names, or none of the years, is anywhere in what was found."""
    return share * _IF_ABSENT if seen["known"] == 0.0 or seen["dated"] == 0.0 else share


def _cause(seen: Mapping[str, float]) -> Cause:
    if seen["known"] == 0.0:
        return "subject_not_found"
    if seen["dated"] == 0.0:
        return "period_not_found"
    return "question_unclear" if seen["unresolved"] else "evidence_thin"


def _told(history: Sequence[HistoryTurn]) -> str:
    """What the talk was about: the last questions, and the beginning of the last answer."""
    asked = [turn.content for turn in history if turn.role == "user"][-_EARLIER_QUESTIONS:]
    answered = [turn.content[:_REPLY_CHARS] for turn in history if turn.role != "user"][-1:]
    return "\n".join((*asked, *answered))


def _share(terms: frozenset[str], words: frozenset[str]) -> float:
    """All of nothing is there."""
    return sum(found_in(term, words) for term in terms) / len(terms) if terms else 1.0


def _share_of(told: frozenset[str], words: frozenset[str]) -> float:
    return len(told & words) / len(told)


def _dated(question: str, passages: Sequence[Passage]) -> float:
    """1 unless the titles give years and none of them is, or follows, a year that is asked for."""
    asked = {int(year) for year in _YEAR.findall(question)}
    asked |= {2000 + int(year) for year in _SHORT_YEAR.findall(question)}
    titled = {int(year) for passage in passages for year in _YEAR.findall(context_of(passage))}
    if not asked or not titled:
        return 1.0
    return float(any(0 <= title - year <= _YEARS_AFTER for title in titled for year in asked))


def _unit(value: float) -> float:
    return min(1.0, max(0.0, value))
