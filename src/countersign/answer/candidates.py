"""The likeliest answer of one passage to a question for a time, a figure, a name or a thing of a sort.

Every value of the kind that is asked for is a candidate. A linear score orders them: how much of the question its sentence
carries, how near the question's words stand, whether it is the only one there. Where `slots` takes only a sentence that
leaves no choice, this takes the best of several, and says how good it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import mul
from typing import NamedTuple

from countersign.answer.asked import AskedFor
from countersign.answer.attributes import BIRTH, DEATH, pattern_of
from countersign.answer.evidence import Readings, Unit, context_of
from countersign.answer.facts import month_of
from countersign.corpus.terms import content_terms, fold, found_in, is_stop_word
from countersign.domain.documents import Passage

_UPPER = "A-ZА-ЯӘІҢҒҮҰҚӨҺÀ-ÖØ-Þ"
_NAME = re.compile(
    rf"(?<!\w)[{_UPPER}][\w'’&-]*(?:,? (?:(?:of|de|van|von|di|da|la|le) )?[{_UPPER}][\w'’&-]*)*"
)
_PLACE = re.compile(r"(?:\b(?:in|at|near|on|from|to|of|в|во|на|из)\s(?:the\s)?|,\s)$")
_AGENT = re.compile(r"\bby\s$")
_POSSESSIVE = re.compile(r"['’]s$")
_YEARS = re.compile(r"(?<![\d,.])(?:1[0-9]|20)\d\d(?:[–-]\d\d(?:\d\d)?)?(?!\d|[,.]\d)")
_YEAR = re.compile(r"(?:1[0-9]|20)\d\d")
_LIFE = re.compile(r"\((?P<born>[^()–—]{4,40}?)\s?[–—-]\s?(?P<died>[^()–—]{4,40})\)")
_STILL_SPOKEN_OF = 6
"""Sentences after which a name is no longer spoken of."""
_LEAST_NAMED = 0.5
_LEAST_CARRIED = 0.3
_FAR_CHARS = 250
_WHOLE_STEM = 4
"""Longer stems lose their last letter, which English stems change: `citi` for `city`."""

_WEIGHTS: dict[str, tuple[float, ...]] = {
    "time": (0.73, 0.32, 0.23, -1.66, 0.81, 1.03, 1.19, 1.71, -1.3, 1.9, 0.59, 0.68, -0.86, -1.16),
    "figure": (0.74, 0.51, 0.02, -0.69, 2.54, 0.2, -0.05, 1.9, -1.12, -0.79, 0.86, -0.8, -0.69, -2.59),
    "name": (0.46, 0.39, 0.06, -1.24, 1.35, 0.86, -0.2, 1.79, -1.31, 0.46, 0.31, 0.88, -0.53, -1.94),
    "thing": (0.31, 0.38, 0.17, -0.32, 1.08, 0.46, 0.11, 1.29, -1.1, -0.18, -0.1, 0.13, -0.1, -2.46),
    "sort": (0.23, 0.13, 0.16, 0.22, 0.72, 1.34, 1.05, 1.01, -0.53, -0.0, -0.99, -0.62, -0.3, 0.2),
}  # fmt: skip


class Features(NamedTuple):
    """Of one candidate, in [0, 1] unless said otherwise."""

    attribute: float
    """How much of what is asked of the named its sentence carries."""
    named: float
    """How many of the names its sentence carries."""
    spoken_of: float
    """The same with the title and the sentences before it."""
    carried: float
    """How much of the question the whole passage carries."""
    near_attribute: float
    near_name: float
    follows: float
    alone: float
    """One over the number of candidates in its sentence."""
    late: float
    """Grows with the sentences before it."""
    bonus: float
    """Of its kind: the date of a life that is asked for, a unit, the right preposition; below zero for the wrong one."""
    opens: float
    """A single word that opens its sentence: a capital letter says nothing there."""
    several: float
    """Whether it has several words: a full name, a full date, a figure with its unit."""
    length: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """`key` is comparable; `others` are the keys of all candidates of its passage."""

    passage: Passage
    unit: Unit
    key: str
    written: str
    features: Features
    score: float
    others: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Value:
    """Offsets are those of the sentence."""

    start: int
    end: int
    key: str
    written: str
    bonus: float = 0.0


@dataclass(frozen=True, slots=True)
class _Mention:
    """`word` is the place of one of the question's words in order, names first; above them all: a synonym."""

    start: int
    end: int
    word: int


class Reader:
    """Reads passages of one language for one question."""

    def __init__(self, asked: AskedFor) -> None:
        self._asked = asked
        self._words = (*sorted(asked.names), *sorted(asked.attribute))
        self._attributive = frozenset(n for n, word in enumerate(self._words) if word in asked.attributive)
        parts = (f"({re.escape(w[:-1] if len(w) > _WHOLE_STEM else w)}\\w*)" for w in self._words)
        self._pattern = re.compile(r"(?<!\w)(?:" + "|".join(parts) + ")")
        self._synonyms = pattern_of(asked.wanted)
        self._values = _READERS["sort" if asked.sort else asked.kind]

    def best(self, passage: Passage, readings: Readings) -> Candidate | None:
        """None where the passage speaks of something else, or has no value of the kind."""
        found = sorted(self._candidates(passage, readings), key=lambda c: -c[0])
        if not found:
            return None
        score, value, unit, features = found[0]
        keys = frozenset(other.key for _, other, _, _ in found)
        return Candidate(passage, unit, value.key, value.written, features, score, keys)

    def _candidates(
        self, passage: Passage, readings: Readings
    ) -> Iterator[tuple[float, _Value, Unit, Features]]:
        lowered = _lowered(passage.text)
        mentions = self._mentions(lowered)
        context = frozenset(content_terms(context_of(passage), passage.language))
        around = frozenset(n for n, word in enumerate(self._words) if context and found_in(word, context))
        there = around.union(mention.word for mention in mentions)
        carried = self._share(there, 0, len(self._words))
        names = len(self._asked.names)
        if carried < _LEAST_CARRIED or (names and self._share(there, 0, names) < _LEAST_NAMED):
            return
        units = [unit for unit in readings.units(passage, passage.language) if not unit.is_carried]
        inside = _by_unit(mentions, units)
        weights = _WEIGHTS["sort" if self._asked.sort else self._asked.kind]
        for place, unit in enumerate(units):
            values = [v for v in self._values(unit, self._asked) if not self._asks(v, unit, inside[place])]
            if not values:
                continue
            before = inside[max(0, place - _STILL_SPOKEN_OF) : place + 1]
            spoken = around.union(*({mention.word for mention in near} for near in before))
            for value in values:
                features = self._features(value, unit, inside[place], spoken, carried, len(values), place)
                score = weights[-1] + sum(map(mul, features, weights))
                yield score, value, unit, features

    def _mentions(self, lowered: str) -> list[_Mention]:
        found = [_Mention(*m.span(), (m.lastindex or 1) - 1) for m in self._pattern.finditer(lowered)]
        if self._synonyms is not None:
            above = len(self._words)
            found += [_Mention(*m.span(), above) for m in self._synonyms.finditer(lowered)]
        return sorted(found, key=lambda mention: mention.start)

    def _asks(self, value: _Value, unit: Unit, inside: Sequence[_Mention]) -> bool:
        """What the question itself says does not answer it."""
        start, end = unit.start + value.start, unit.start + value.end
        return any(m.start < end and m.end > start for m in inside if m.word < len(self._words))

    def _share(self, there: frozenset[int] | set[int], start: int, end: int) -> float:
        """How many of the question's words from `start` up to `end` are there, a synonym for any that asks for it."""
        if start == end:
            return 1.0
        if len(self._words) in there:
            there = there | self._attributive
        return sum(n in there for n in range(start, end)) / (end - start)

    def _features(
        self,
        value: _Value,
        unit: Unit,
        inside: Sequence[_Mention],
        spoken: frozenset[int],
        carried: float,
        rivals: int,
        place: int,
    ) -> Features:
        names = len(self._asked.names)
        here = {mention.word for mention in inside}
        start, end = unit.start + value.start, unit.start + value.end
        away = _away((m for m in inside if m.word >= names), start, end)
        return Features(
            attribute=self._share(here, names, len(self._words)),
            named=self._share(here, 0, names),
            spoken_of=self._share(spoken, 0, names),
            carried=carried,
            near_attribute=math.exp(-away / 40),
            near_name=math.exp(-_away((m for m in inside if m.word < names), start, end) / 60),
            follows=float(any(m.word >= names and 0 <= start - m.end < 40 for m in inside)),
            alone=1 / rivals,
            late=math.log1p(place) / 3,
            bonus=value.bonus,
            opens=float(value.start == 0 and " " not in value.written),
            several=float(" " in value.written),
            length=min(1.0, len(unit.text) / 400),
        )


def _lowered(text: str) -> str:
    """Comparable with stems, of the same length."""
    lowered = text.casefold().replace("ё", "е")
    return lowered if len(lowered) == len(text) else text.lower()[: len(text)]


def _by_unit(mentions: Sequence[_Mention], units: Sequence[Unit]) -> list[list[_Mention]]:
    return [[m for m in mentions if unit.start <= m.start < unit.end] for unit in units]


def _away(mentions: Iterator[_Mention], start: int, end: int) -> int:
    """Characters to the nearest mention; one that stands before the value counts as a little nearer."""
    return min(
        (start - m.end if m.end <= start else max(0, m.start - end) + 3 for m in mentions),
        default=_FAR_CHARS,
    )


def _times(unit: Unit, asked: AskedFor) -> Iterator[_Value]:
    text, lowered = unit.text, _lowered(unit.text)
    life = _LIFE.search(text) if asked.wanted & {BIRTH, DEATH} else None
    wanted = life.span("born" if BIRTH in asked.wanted else "died") if life is not None else (0, 0)
    told: set[str] = set()

    def value(start: int, end: int, key: str) -> _Value:
        told.add(key[:4])
        in_life = life is not None and life.start() <= start < life.end()
        bonus = 1.0 if wanted[0] <= start < wanted[1] else -1.0 if in_life else 0.0
        return _Value(start, end, key, text[start:end], bonus)

    for date in unit.facts.dates:
        at = lowered.find(date.text)
        if date.year and at >= 0:
            parts = [part for part in (date.year, date.month, date.day) if part]
            yield value(at, at + len(date.text), "-".join(f"{part:02d}" for part in parts))
    for match in _YEARS.finditer(text):
        if match.group()[:4] not in told:
            yield value(*match.span(), match.group()[:4])


def _figures(unit: Unit, asked: AskedFor) -> Iterator[_Value]:
    for number in unit.facts.numbers:
        if not _YEAR.fullmatch(number.text):
            values = "/".join(sorted(f"{value.normalize():f}" for value in number.values))
            yield _Value(
                number.start, number.end, f"{values} {number.kind}", number.text, float(bool(number.kind))
            )


def _names(unit: Unit, asked: AskedFor) -> Iterator[_Value]:
    for match in _NAME.finditer(unit.text):
        written = _POSSESSIVE.sub("", match.group())
        folded = fold(written)
        if not (is_stop_word(folded) or month_of(folded) or len(folded) < 2):
            before = unit.text[max(0, match.start() - 8) : match.start()]
            in_place = _PLACE.search(before) is not None
            bonus = in_place if asked.place else _AGENT.search(before) is not None or -in_place
            key = " ".join(sorted(folded.replace(",", "").split()))
            yield _Value(match.start(), match.start() + len(written), key, written, float(bonus))


def _members(unit: Unit, asked: AskedFor) -> Iterator[_Value]:
    if asked.sort is not None:
        for match in asked.sort.members.finditer(_lowered(unit.text)):
            start, end = match.span()
            yield _Value(start, end, f"sort {match.lastindex}", unit.text[start:end], 1.0)


_READERS: dict[str, Callable[[Unit, AskedFor], Iterator[_Value]]] = {
    "time": _times, "figure": _figures, "name": _names, "thing": _names, "sort": _members
}  # fmt: skip
