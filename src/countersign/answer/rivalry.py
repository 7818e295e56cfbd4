"""Whether the likeliest answers of two passages are rivals: two different answers to the one question.

A logistic model of a dozen features says how surely. It was fitted on public questions, half of a set of contradicting
documents against sets in which nothing contradicts (`bench/conflicts.py` measures it on the other halves).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from operator import mul

from countersign.answer.asked import AskedFor
from countersign.answer.candidates import Candidate, Reader
from countersign.answer.evidence import Readings
from countersign.answer.slots import SlotAnswer, nearly_best, rivals, under_different_titles
from countersign.corpus.terms import content_terms
from countersign.domain.documents import Passage

_CAPITALISED = re.compile(r"(?<!\w)[A-ZА-ЯӘІҢҒҮҰҚӨҺ]\w+")
_LEAST_TERMS = 2
_LEAST = 0.25
_WEIGHTS = (0.51, 3.85, 1.52, -1.0, 1.26, 1.62, 1.45, 1.52, 0.74, 1.3, 2.32, -5.92)


@dataclass(frozen=True, slots=True)
class Rivals:
    """`score` is the logarithm of the odds that the two contradict each other."""

    first: Candidate
    second: Candidate
    features: tuple[float, ...]
    score: float


def rival_candidates(
    passages: Sequence[Passage], asked: AskedFor, readings: Readings, plain: Sequence[SlotAnswer]
) -> list[Rivals]:
    """The pairs of passages, all of one language, that surely enough answer differently; the surest first.

    `plain` are the answers of those among them that leave no choice.
    """
    found = [pair for pair in scored_pairs(passages, asked, readings, plain) if pair.score >= _LEAST]
    return sorted(found, key=lambda pair: -pair.score)


def scored_pairs(
    passages: Sequence[Passage], asked: AskedFor, readings: Readings, plain: Sequence[SlotAnswer]
) -> list[Rivals]:
    """Every pair of passages whose likeliest answers differ."""
    if not asked.kind or len(asked.terms) < _LEAST_TERMS:
        return []
    reader = Reader(asked)
    read = [reader.best(passage, readings) for passage in passages]
    known = [candidate for candidate in read if candidate is not None]
    told = Counter(candidate.key for candidate in known)
    answers = {answer.passage.passage_id: answer for answer in nearly_best(plain)}
    found: list[Rivals] = []
    for first, second in combinations(known, 2):
        if _may_be_rivals(first, second) and (asked.names or not _another_subject(first, second)):
            features = _features(first, second, asked, answers, told)
            score = _WEIGHTS[-1] + sum(map(mul, features, _WEIGHTS))
            found.append(Rivals(first, second, features, score))
    return found


def _may_be_rivals(first: Candidate, second: Candidate) -> bool:
    if first.passage.document_id == second.passage.document_id:
        return False
    if under_different_titles(first.passage, second.passage):
        return False
    mine, theirs = first.key, second.key
    if mine[:1].isdigit() != theirs[:1].isdigit():
        return False
    if mine[:1].isdigit():  # figures of different units answer different questions
        return mine.partition(" ")[2] == theirs.partition(" ")[2] and not (
            theirs.startswith(mine) or mine.startswith(theirs)
        )
    here, there = set(mine.split()), set(theirs.split())
    return not (here <= there or there <= here)


def _another_subject(first: Candidate, second: Candidate) -> bool:
    """One lacks a word of the question that the other has, and has a capitalised one of its own: `Sarysu branch`."""
    less, more = sorted((first, second), key=lambda candidate: candidate.features.carried)
    if less.features.carried == more.features.carried or less.features.attribute >= more.features.attribute:
        return False
    capitals = _CAPITALISED.findall(less.unit.text)
    own = frozenset(content_terms(" ".join(capitals), less.passage.language)) - more.unit.terms
    return bool(own - frozenset(content_terms(less.written, less.passage.language)))


def _features(
    first: Candidate,
    second: Candidate,
    asked: AskedFor,
    answers: Mapping[str, SlotAnswer],
    told: Mapping[str, int],
) -> tuple[float, ...]:
    mine, theirs = first.unit.terms, second.unit.terms
    kind = "sort" if asked.sort else asked.kind
    plainly = [answers[c.passage.passage_id] for c in (first, second) if c.passage.passage_id in answers]
    plain = min(answer.covered for answer in plainly) if len(plainly) == 2 and rivals(*plainly) else 0.0
    return (
        max(first.score, second.score),
        min(first.features.carried, second.features.carried),
        len(mine & theirs) / max(1, min(len(mine), len(theirs))),
        float((first.key in second.others) + (second.key in first.others)),
        float(max(told[first.key], told[second.key]) > 1),
        plain,
        min(first.features.near_name, second.features.near_name),
        float(kind == "time"),
        float(kind == "figure"),
        float(kind == "name"),
        float(kind == "sort"),
    )
