"""Permitted, current passages of different documents that contradict each other about what was asked.

Four ways to tell: sentences whose words agree almost entirely once the figures are taken out, with other figures of one
kind (across languages by glossary concepts); sentences that differ in one short stretch (`twins`); passages that are
copies but for some stretches (`copies`); different values for the time, figure, name or thing that was asked for
(`slots`). Beside them, two things of the name that was asked about (`namesakes`): no contradiction, but a choice that is
not ours to make.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from countersign.answer.asked import AskedFor, asked_for
from countersign.answer.copies import Copy, changed, copied, copy_of
from countersign.answer.evidence import Readings, Unit, context_of
from countersign.answer.facts import Date, Facts, Number
from countersign.answer.namesakes import bearers, namesakes
from countersign.answer.rivalry import rival_candidates
from countersign.answer.slots import nearly_best, rivals, slot_answers
from countersign.answer.twins import Words, difference, words_of_sentence
from countersign.corpus.glossary import concepts
from countersign.corpus.terms import content_terms, found_in
from countersign.domain.answers import Citation, ConflictNote
from countersign.domain.documents import Language, Passage

Asks = Mapping[Language, AskedFor]
"""What the question asks for, read in the language of each passage."""

_LEAST_SAME = 0.7
_LEAST_QUESTION = 0.34
_MAX_PASSAGES = 8
_MAX_SENTENCES = 60
_MAX_SUBJECT_CHARS = 160
_SUBJECT_CHARS = 60
_MAX_WORDS = 1_500
_LEAST_COMMON = 0.4
_MAX_CONFLICTS = 6
_LEAST_PLAIN = 0.9
"""How much of the question two sentences carry that need no further sign of speaking of one thing."""
_ITEM = re.compile(r"\s*\d{1,3}[.)]\s")


@dataclass(frozen=True, slots=True)
class Conflict:
    """`values[i]` is what `sides[i]` says; `text` is the sentence of the first side.

    `same_name`: the two sides speak of two things of one name.
    """

    text: str
    values: tuple[str, str]
    sides: tuple[Passage, Passage]
    same_name: bool = False

    @property
    def documents(self) -> frozenset[str]:
        return frozenset(side.document_id for side in self.sides)


@dataclass(frozen=True, slots=True)
class _Statement:
    """One sentence or row with a figure, of one document."""

    passage: Passage
    text: str
    words: frozenset[str]
    concepts: frozenset[str]
    facts: Facts


def find_conflicts(
    passages: Sequence[Passage], question: str = "", readings: Readings | None = None
) -> tuple[Conflict, ...]:
    """Conflicts about what was asked, each pair of values once."""
    readings = readings or Readings()
    looked_at = passages[:_MAX_PASSAGES]
    asks = {language: asked_for(question, language) for language in {p.language for p in looked_at}}
    asked = [
        statement
        for passage in looked_at
        for statement in _asked_about(_statements(passage, readings), passage, question)
    ]
    found: list[Conflict] = []
    for first, second in combinations(asked, 2):
        values = None if _other_subject(first, second, asks) else _disagreement(first, second)
        if values is not None:
            found.append(Conflict(first.text, values, (first.passage, second.passage)))
    if question:
        if not any(asked.defines for asked in asks.values()):
            found += _twins(looked_at, asks, readings)
            found += _copies(looked_at, asks, readings)
        found += _slots(looked_at, asks, readings)
        found = _which_first(_namesakes(looked_at, asks, readings), found)
    once: list[Conflict] = []
    for conflict in found:
        if not any(_repeats(conflict, known) for known in once):
            once.append(conflict)
    return tuple(once[:_MAX_CONFLICTS])


def _which_first(namesakes: list[Conflict], others: list[Conflict]) -> list[Conflict]:
    """Documents on two things of one name do not contradict each other: their values answer two questions."""
    pairs = {conflict.documents for conflict in namesakes}
    return [*namesakes, *(replace(c, same_name=c.documents in pairs) for c in others)]


def _repeats(conflict: Conflict, known: Conflict) -> bool:
    """The same two values, whichever way round and however much of the words around them is taken along."""

    def alike(mine: str, theirs: str) -> bool:
        return mine.casefold() in theirs.casefold() or theirs.casefold() in mine.casefold()

    (a, b), (c, d) = conflict.values, known.values
    return (alike(a, c) and alike(b, d)) or (alike(a, d) and alike(b, c))


def _other_subject(first: _Statement, second: _Statement, asks: Asks) -> bool:
    """The question names what only one of the two speaks of: the Gold card, where the other has the Silver card."""
    if first.passage.language != second.passage.language:
        return False
    asked = asks[first.passage.language].terms
    mine, theirs = first.words - second.words, second.words - first.words
    return bool(mine and theirs) and bool(mine & asked) != bool(theirs & asked)


def noted(conflicts: Sequence[Conflict], citations: Sequence[Citation]) -> tuple[ConflictNote, ...]:
    """Conflicts as an answer shows them; both sides must be among `citations`, value by value."""
    number = {citation.passage_id: citation.n for citation in citations}
    return tuple(
        ConflictNote(
            conflict.text[:_MAX_SUBJECT_CHARS],
            conflict.values,
            tuple(number[side.passage_id] for side in conflict.sides),
            conflict.same_name,
        )
        for conflict in conflicts
    )


def _twins(passages: Sequence[Passage], asks: Asks, readings: Readings) -> list[Conflict]:
    """Sentences of two documents that differ in one stretch only."""
    said: list[tuple[Passage, Words, AskedFor, frozenset[str]]] = []
    for passage in passages:
        asked = asks[passage.language]
        context = frozenset(content_terms(context_of(passage), passage.language))
        units = [unit for unit in readings.units(passage, passage.language) if not unit.is_carried]
        said += [
            (passage, words_of_sentence(unit.text, passage.language), asked, context)
            for unit in _telling(units[:_MAX_SENTENCES], asked, context)
        ]
    found: list[Conflict] = []
    for (mine, first, asked, context), (theirs, second, _, other) in combinations(said, 2):
        if mine.document_id == theirs.document_id or mine.language != theirs.language:
            continue
        values = difference(first, second, asked, context ^ other)
        if values is not None:
            found.append(Conflict(first.text, values, (mine, theirs)))
    return found


def _copies(passages: Sequence[Passage], asks: Asks, readings: Readings) -> list[Conflict]:
    """What was changed in one of two passages that are otherwise copies."""
    whole: dict[str, Copy] = {}
    found: list[Conflict] = []
    for mine, theirs in _alike(passages, asks, readings):
        first, second = (_copy(side, whole) for side in (mine, theirs))
        if copied(first, second):
            here, there = (frozenset(content_terms(context_of(p), p.language)) for p in (mine, theirs))
            for (start, end), *values in changed(first, second, asks[mine.language], here ^ there):
                text = mine.text[max(0, start - _SUBJECT_CHARS) : end + _SUBJECT_CHARS]
                found.append(Conflict(text, (values[0], values[1]), (mine, theirs)))
    return found


def _alike(passages: Sequence[Passage], asks: Asks, readings: Readings) -> Iterator[tuple[Passage, Passage]]:
    """Pairs that may be copies, by the words they have in common; the exact comparison costs much more."""
    asked = [passage for passage in passages if asks[passage.language].kind]
    bags = [
        frozenset[str]().union(*(unit.terms for unit in readings.units(p, p.language) if not unit.is_carried))
        for p in asked
    ]
    for (mine, here), (theirs, there) in combinations(zip(asked, bags, strict=True), 2):
        if mine.document_id == theirs.document_id or mine.language != theirs.language:
            continue
        if len(here & there) >= _LEAST_COMMON * min(len(here), len(there)):
            yield mine, theirs


def _copy(passage: Passage, known: dict[str, Copy]) -> Copy:
    if passage.passage_id not in known:
        words = words_of_sentence(passage.text, passage.language, _MAX_WORDS)
        known[passage.passage_id] = copy_of(words)
    return known[passage.passage_id]


def _telling(units: Sequence[Unit], asked: AskedFor, context: frozenset[str]) -> list[Unit]:
    """Sentences that carry a word of the question, of a passage that carries several; links and headings tell nothing."""
    parts = [frozenset(part for term in unit.terms for part in term.split("-")) for unit in units]
    whole = context.union(*parts)
    if sum(found_in(term, whole) for term in asked.terms) < _LEAST_QUESTION * len(asked.terms):
        return []
    return [
        unit
        for unit, terms in zip(units, parts, strict=True)
        if "://" not in unit.text and not unit.text.endswith("?") and (not asked.terms or terms & asked.terms)
    ]


def _slots(passages: Sequence[Passage], asks: Asks, readings: Readings) -> list[Conflict]:
    """Different values for what was asked for, in whatever words."""
    found: list[Conflict] = []
    for language in sorted({passage.language for passage in passages}):
        own = [passage for passage in passages if passage.language == language]
        asked = asks[language]
        plain = slot_answers(own, asked, readings)
        found += [
            Conflict(first.unit.text, (first.written, second.written), (first.passage, second.passage))
            for first, second in combinations(nearly_best(plain), 2)
            if rivals(first, second)
            and (asked.kind == "thing" or min(first.covered, second.covered) >= _LEAST_PLAIN)
        ]
        found += [
            Conflict(
                pair.first.unit.text,
                (pair.first.written, pair.second.written),
                (pair.first.passage, pair.second.passage),
            )
            for pair in rival_candidates(own, asked, readings, plain)
        ]
    return found


def _namesakes(passages: Sequence[Passage], asks: Asks, readings: Readings) -> list[Conflict]:
    """Different things of the name that was asked about."""
    found: list[Conflict] = []
    for language in sorted({passage.language for passage in passages}):
        asked = asks[language]
        own = bearers([passage for passage in passages if passage.language == language], asked, readings)
        found += [
            Conflict(first.text, (first.label, second.label), (first.passage, second.passage), same_name=True)
            for first, second in combinations(own, 2)
            if namesakes(first, second, asked)
        ]
    return found


def _statements(passage: Passage, readings: Readings) -> list[_Statement]:
    units = [unit for unit in readings.units(passage, passage.language) if not unit.is_carried]
    figures = [
        unit
        for unit in units
        if unit.facts.dates or any(not _numbers_an_item(unit, n) for n in unit.facts.numbers)
    ]
    return [_statement(passage, unit) for unit in figures[:_MAX_SENTENCES]]


def _numbers_an_item(unit: Unit, number: Number) -> bool:
    """The number of a list: `2. Enter a name`."""
    return number.start == 0 and _ITEM.match(unit.text) is not None


def _statement(passage: Passage, unit: Unit) -> _Statement:
    figures = frozenset(
        term for number in unit.facts.numbers for term in content_terms(number.text, passage.language)
    )
    words = frozenset(term for term in unit.terms - figures if not any(map(str.isdigit, term)))
    return _Statement(passage, unit.text, words, concepts(unit.text), unit.facts)


def _asked_about(statements: list[_Statement], passage: Passage, question: str) -> list[_Statement]:
    """Those of one passage's statements that share enough words or concepts with the question."""
    if not question or not statements:
        return statements
    context = context_of(passage)
    asked, asked_concepts = content_terms(question, passage.language), concepts(question)
    context_terms, context_concepts = frozenset(content_terms(context, passage.language)), concepts(context)

    def about(statement: _Statement) -> bool:
        if statement.words <= context_terms and not statement.passage.is_table:  # the title once more
            return False
        alike = len(asked_concepts & (statement.concepts | context_concepts)) / max(1, len(asked_concepts))
        if alike >= _LEAST_QUESTION:
            return True
        there = statement.words | context_terms
        found = sum(found_in(term, there) for term in asked) / len(asked) if asked else 0.0
        return found >= _LEAST_QUESTION

    return [statement for statement in statements if about(statement)]


def _disagreement(first: _Statement, second: _Statement) -> tuple[str, str] | None:
    if first.passage.document_id == second.passage.document_id or not _same_subject(first, second):
        return None
    for kind in {number.kind for number in first.facts.numbers}:
        mine = [number for number in first.facts.numbers if number.kind == kind]
        theirs = [number for number in second.facts.numbers if number.kind == kind]
        if mine and theirs and _all_differ(mine, theirs):
            return (mine[0].text, theirs[0].text)
    if first.facts.numbers or second.facts.numbers:
        return None
    return _dates_disagree(first.facts.dates, second.facts.dates)


def _all_differ(mine: list[Number], theirs: list[Number]) -> bool:
    """No figure of one is a figure of the other, and as many are given: `5 and 7 days` does not contradict `5 days`."""
    values = frozenset().union(*(number.values for number in mine))
    return len(mine) == len(theirs) and not any(number.values & values for number in theirs)


def _dates_disagree(mine: tuple[Date, ...], theirs: tuple[Date, ...]) -> tuple[str, str] | None:
    if len(mine) != 1 or len(theirs) != 1 or mine[0].within(theirs[0]) or theirs[0].within(mine[0]):
        return None
    return (mine[0].text, theirs[0].text)


def _same_subject(first: _Statement, second: _Statement) -> bool:
    if first.passage.language == second.passage.language:
        if min(len(first.words), len(second.words)) < 2:
            return False
        shared = sum(found_in(word, second.words) for word in first.words)
        back = sum(found_in(word, first.words) for word in second.words)
        return (shared + back) / (len(first.words) + len(second.words)) >= _LEAST_SAME
    both, either = first.concepts & second.concepts, first.concepts | second.concepts
    return len(both) >= 3 and len(both) / len(either) >= _LEAST_SAME
