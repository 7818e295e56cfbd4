"""Answers of different documents to one question for a time or a figure, in whatever words: the value beside what was
asked about.

A passage answers with a sentence that, read with the one before it and under its headings, carries nearly every word of
the question and gives one value of the kind that is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from countersign.answer.asked import AskedFor
from countersign.answer.evidence import Readings, Unit, context_of
from countersign.corpus.terms import content_terms, fold, found_in, is_stop_word
from countersign.domain.documents import Passage

_LEAST_COVERED = {"time": 0.5, "figure": 0.5, "name": 0.6}
_YEAR = re.compile(r"(?<![\d,.])(?:1[0-9]|20)\d\d(?![\d,]|\.\d)")
_MAX_VALUES = 2
_NAME = re.compile(
    r"(?<=[a-zа-яәіңғүұқөһ,(] )(?:[A-ZА-ЯӘІҢҒҮҰҚӨҺ][\w'’-]+)(?: (?:of |de |van |von )?[A-ZА-ЯӘІҢҒҮҰҚӨҺ][\w'’-]*)*"
)


@dataclass(frozen=True, slots=True)
class SlotAnswer:
    """What one passage answers: `values` are comparable, `written` is as it stands there."""

    passage: Passage
    unit: Unit
    values: frozenset[str]
    written: str
    covered: float
    named: frozenset[str]
    """The question's names that it speaks of."""
    others: bool
    """Whether it speaks of names that the question does not."""


def slot_answers(passages: Sequence[Passage], asked: AskedFor, readings: Readings) -> list[SlotAnswer]:
    """The best answer of each passage that gives one."""
    if asked.kind not in _READERS or len(asked.terms) < 2:
        return []
    found = [_of_passage(passage, asked, readings) for passage in passages]
    return [answer for answer in found if answer is not None]


def rivals(first: SlotAnswer, second: SlotAnswer) -> bool:
    """Whether two answers cannot both be right: no value of one is a value of the other, nor a part of it."""
    if first.passage.document_id == second.passage.document_id:
        return False
    if _under_different_titles(first.passage, second.passage):
        return False
    if (first.named - second.named and second.others) or (second.named - first.named and first.others):
        return False
    kinds = {_kind(value) for value in first.values} & {_kind(value) for value in second.values}
    mine = [value for value in first.values if _kind(value) in kinds]
    theirs = [value for value in second.values if _kind(value) in kinds]
    return bool(kinds) and not any(a in b or b in a for a in mine for b in theirs)


def _kind(value: str) -> str:
    """The unit of a figure; figures of different units answer different questions."""
    return value.partition(" ")[2] if value[:1].isdigit() else ""


def _under_different_titles(first: Passage, second: Passage) -> bool:
    """Titles that share no word, or differ in a figure, are of different things, however alike a short sentence is."""
    mine = frozenset(content_terms(first.title, first.language))
    theirs = frozenset(content_terms(second.title, second.language))
    if not mine or not theirs or mine == theirs:
        return False
    return not mine & theirs or any(any(map(str.isdigit, term)) for term in mine ^ theirs)


def _of_passage(passage: Passage, asked: AskedFor, readings: Readings) -> SlotAnswer | None:
    context = frozenset(content_terms(context_of(passage), passage.language))
    best: SlotAnswer | None = None
    for unit in readings.units(passage, passage.language):
        there = unit.terms | context | frozenset(p for term in unit.terms for p in term.split("-"))
        own = unit.own_terms or unit.terms
        if own <= context:  # the title once more
            continue
        if not any(term in own for term in asked.terms):
            continue
        covered = sum(found_in(term, there) for term in asked.terms) / len(asked.terms)
        if covered < _LEAST_COVERED[asked.kind] or (best is not None and covered <= best.covered):
            continue
        values = _values(unit, asked)
        if values:
            named = frozenset(name for name in asked.names if found_in(name, there))
            own_names = frozenset(content_terms(" ".join(unit.facts.names), passage.language))
            first = next(iter(values.values()))
            others = bool(own_names - asked.terms)
            best = SlotAnswer(passage, unit, frozenset(values), first, covered, named, others)
    return best


def _values(unit: Unit, asked: AskedFor) -> dict[str, str]:
    """Comparable value → as written; nothing where the unit gives several, so that none can be told to be meant."""
    found = _READERS[asked.kind](unit)
    found = {
        v: written for v, written in found.items() if not asked.terms & frozenset(content_terms(v, "en"))
    }
    return found if len(found) <= _MAX_VALUES else {}


def _times(unit: Unit) -> dict[str, str]:
    dates = {
        "-".join(f"{part:02d}" for part in (date.year, date.month, date.day) if part): date.text
        for date in unit.facts.dates
        if date.year
    }
    years = {year: year for year in _YEAR.findall(unit.text)}
    told = {value[:4] for value in dates}
    return dates | {year: text for year, text in years.items() if year not in told}


def _names(unit: Unit) -> dict[str, str]:
    return {
        " ".join(sorted(fold(name).split())): name
        for name in _NAME.findall(unit.text)
        if not is_stop_word(fold(name))
    }


def _figures(unit: Unit) -> dict[str, str]:
    numbers = [number for number in unit.facts.numbers if not _YEAR.fullmatch(number.text)]
    return {
        "/".join(sorted(f"{value.normalize():f}" for value in number.values)) + f" {number.kind}": number.text
        for number in numbers
    }


_READERS = {"time": _times, "figure": _figures, "name": _names}
