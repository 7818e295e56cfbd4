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
from countersign.answer.attributes import BIRTH, DEATH, attributes
from countersign.answer.evidence import Readings, Unit, context_of
from countersign.answer.facts import Facts, Number, facts
from countersign.corpus.terms import content_terms, fold, found_in, is_stop_word
from countersign.domain.documents import Passage

_LEAST_COVERED = {"time": 0.5, "figure": 0.5, "name": 0.6, "thing": 0.6}
_LEAST_UNNAMED = 0.6
_NEARLY = 0.2
"""How much less of the question another passage's answer may carry than the best one's, to be its rival."""
_STILL_SPOKEN_OF = 6
"""Sentences after which a name is no longer spoken of."""
_WORDS = r"(?P<value>[\w'’/-]+(?: (?!(?:and|or|but|which|that|и|а|но|және|бірақ)\b)[\w'’/-]+){0,3})"
_CAPITALS = r"(?P<value>[A-ZА-ЯӘІҢҒҮҰҚӨҺ][\w'’/-]*(?: [A-ZА-ЯӘІҢҒҮҰҚӨҺ\d][\w'’/-]*){0,3})"
_STATED = r"(?: (?:is|was|are|were) |\s?[:—–]\s?)(?:an? |the |это )?" + _WORDS
_LABELLED = r" (?:\( ?\w+ ?\) )?" + _CAPITALS
_MODIFIED = _CAPITALS + " "
_CLAUSE = re.compile(r"[,;]\s(?!\d{4})")
_LIFE = re.compile(r"\((?P<born>[^()–—]{4,40}?)\s?[–—-]\s?(?P<died>[^()–—]{4,40})\)")
_YEAR = re.compile(r"(?<![\d,.])(?:1[0-9]|20)\d\d(?!\d|[,.]\d)")
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


def nearly_best(answers: Sequence[SlotAnswer]) -> list[SlotAnswer]:
    """Those that carry hardly less of the question than the best one."""
    best = max((answer.covered for answer in answers), default=0.0)
    return [answer for answer in answers if answer.covered >= best - _NEARLY]


def rivals(first: SlotAnswer, second: SlotAnswer) -> bool:
    """Whether two answers cannot both be right: no value of one is a value of the other, nor a part of it."""
    if first.passage.document_id == second.passage.document_id:
        return False
    if under_different_titles(first.passage, second.passage):
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


def under_different_titles(first: Passage, second: Passage) -> bool:
    """Titles that share no word, or differ in a figure, are of different things, however alike a short sentence is."""
    mine = frozenset(content_terms(first.title, first.language))
    theirs = frozenset(content_terms(second.title, second.language))
    if not mine or not theirs or mine == theirs:
        return False
    return not mine & theirs or any(any(map(str.isdigit, term)) for term in mine ^ theirs)


def _of_passage(passage: Passage, asked: AskedFor, readings: Readings) -> SlotAnswer | None:
    context = frozenset(content_terms(context_of(passage), passage.language))
    units = readings.units(passage, passage.language)
    best: SlotAnswer | None = None
    for unit, spoken in zip(units, _spoken_of(units), strict=True):
        own = unit.own_terms or unit.terms
        if own <= context:  # the title once more
            continue
        covered = _covered(unit, own, context | spoken, asked)
        if covered < _least(asked) or (best is not None and covered <= best.covered):
            continue
        values = _values(unit, asked)
        if values:
            there = unit.terms | context | spoken
            named = frozenset(name for name in asked.names if found_in(name, there))
            own_names = frozenset(content_terms(" ".join(unit.facts.names), passage.language))
            first = next(iter(values.values()))
            others = bool(own_names - asked.terms)
            best = SlotAnswer(passage, unit, frozenset(values), first, covered, named, others)
    return best


def _spoken_of(units: Sequence[Unit]) -> list[frozenset[str]]:
    """For each unit, the words of the few before it: a name that stands there is still spoken of."""
    singles = [unit for unit in units if not unit.is_carried]
    before: dict[int, frozenset[str]] = {}
    for place, unit in enumerate(singles):
        near = singles[max(0, place - _STILL_SPOKEN_OF) : place]
        before[unit.start] = frozenset().union(*(other.terms for other in near))
    return [before[unit.start] for unit in units]


def _least(asked: AskedFor) -> float:
    return _LEAST_COVERED[asked.kind] if asked.names else _LEAST_UNNAMED


def _covered(unit: Unit, own: frozenset[str], around: frozenset[str], asked: AskedFor) -> float:
    """How much of the question a unit carries: names may stand around it, the attribute must be in it, or its synonym."""
    parts = frozenset(part for term in unit.terms for part in term.split("-"))
    there = unit.terms | parts
    named = sum(found_in(name, there) or found_in(name, around) for name in asked.names)
    rest = asked.terms - asked.names
    if named + len(rest) < _LEAST_COVERED[asked.kind] * len(asked.terms):
        return 0.0
    stated = attributes(unit.text, asked.wanted)
    if asked.wanted & {BIRTH, DEATH} and _LIFE.search(unit.text):
        stated = asked.wanted
    if not stated and not any(term in own or term in parts for term in asked.terms):
        return 0.0
    return (named + sum(bool(stated and t in asked.attributive) or found_in(t, there) for t in rest)) / len(
        asked.terms
    )


def _values(unit: Unit, asked: AskedFor) -> dict[str, str]:
    """Comparable value → as written; nothing where the unit gives several, so that none can be told to be meant."""
    found = _READERS[asked.kind](unit, asked)
    found = {
        v: written for v, written in found.items() if not asked.terms & frozenset(content_terms(v, "en"))
    }
    return found if len(found) <= _MAX_VALUES else {}


def _times(unit: Unit, asked: AskedFor) -> dict[str, str]:
    life = _LIFE.search(unit.text)
    if life is not None and asked.wanted & {BIRTH, DEATH}:
        text = life["born" if BIRTH in asked.wanted else "died"]
        return _dates_of(facts(text), text)
    found = _dates_of(unit.facts, unit.text)
    if len(found) > 1 and asked.wanted:  # those of the clause that speaks of what is asked
        for clause in _CLAUSE.split(unit.text):
            told = _dates_of(facts(clause), clause) if attributes(clause, asked.wanted) else {}
            if told:
                return told
    return found


def _dates_of(read: Facts, text: str) -> dict[str, str]:
    dates = {
        "-".join(f"{part:02d}" for part in (date.year, date.month, date.day) if part): date.text
        for date in read.dates
        if date.year
    }
    years = {year: year for year in _YEAR.findall(text)}
    told = {value[:4] for value in dates}
    return dates | {year: text for year, text in years.items() if year not in told}


def _names(unit: Unit, asked: AskedFor) -> dict[str, str]:
    found = [m for m in _NAME.finditer(unit.text) if not is_stop_word(fold(m.group()))]
    found = [m for m in found if asked.attribute.isdisjoint(content_terms(m.group(), "en"))]
    if len(found) > _MAX_VALUES:  # those that are told to be what is asked for
        found = [m for m in found if attributes(_before(unit.text, m.start()), asked.wanted)]
    return {" ".join(sorted(fold(m.group()).split())): m.group() for m in found}


def _before(text: str, end: int) -> str:
    return " ".join(text[max(0, end - 80) : end].split()[-3:])


def _things(unit: Unit, asked: AskedFor) -> dict[str, str]:
    """`the format is Classical Music`, `Format: Classical Music`, `a Classical Music format`."""
    if not asked.head:
        return {}
    word = rf"(?<!\w)(?i:{re.escape(asked.head)})\w{{0,3}}"
    found: dict[str, str] = {}
    for pattern in (word + _STATED, word + _LABELLED, _MODIFIED + word):
        for match in re.finditer(pattern, unit.text):
            value = match["value"].strip(" ,")
            terms = frozenset(content_terms(value, "en"))
            if terms and not terms & asked.terms:
                found.setdefault(" ".join(sorted(terms)), value)
        if found:
            break
    return found


def _figures(unit: Unit, asked: AskedFor) -> dict[str, str]:
    numbers = [number for number in unit.facts.numbers if not _YEAR.fullmatch(number.text)]
    if len(numbers) > _MAX_VALUES:  # those beside the word for what is asked
        numbers = [number for number in numbers if attributes(_beside(unit, number), asked.wanted)]
    return {
        "/".join(sorted(f"{value.normalize():f}" for value in number.values)) + f" {number.kind}": number.text
        for number in numbers
    }


def _beside(unit: Unit, number: Number) -> str:
    return " ".join(unit.text[number.end :].split()[:2])


_READERS = {"time": _times, "figure": _figures, "name": _names, "thing": _things}
