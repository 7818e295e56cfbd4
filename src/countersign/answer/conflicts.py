"""Permitted, current passages of different documents that give different figures for one subject.

Two sentences conflict when their words agree almost entirely once the figures are taken out, both give a figure of one
kind, and neither gives the other's. Documents in different languages are compared by their glossary concepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from countersign.answer.evidence import Readings, Unit, context_of
from countersign.answer.facts import Date, Facts, Number
from countersign.corpus.glossary import concepts
from countersign.corpus.terms import content_terms, found_in
from countersign.domain.answers import Citation, ConflictNote
from countersign.domain.documents import Passage

_LEAST_SAME = 0.7
_LEAST_QUESTION = 0.34
_MAX_PASSAGES = 8
_MAX_SENTENCES = 60
_MAX_SUBJECT_CHARS = 160


@dataclass(frozen=True, slots=True)
class _Statement:
    """One sentence or row with a figure, of one document."""

    passage: Passage
    text: str
    words: frozenset[str]
    concepts: frozenset[str]
    facts: Facts


def find_conflicts(
    passages: Sequence[Passage],
    citations: Sequence[Citation],
    question: str = "",
    readings: Readings | None = None,
) -> tuple[ConflictNote, ...]:
    """Conflicts about what was asked, each once. `citations` names those of the passages that the answer cites."""
    readings = readings or Readings()
    asked = [
        statement
        for passage in passages[:_MAX_PASSAGES]
        for statement in _asked_about(_statements(passage, readings), passage, question)
    ]
    notes: dict[tuple[str, ...], ConflictNote] = {}
    for first, second in combinations(asked, 2):
        values = _disagreement(first, second)
        if values:
            notes.setdefault(tuple(sorted(values)), _note(first, second, values, citations))
    return tuple(notes.values())


def _statements(passage: Passage, readings: Readings) -> list[_Statement]:
    units = [unit for unit in readings.units(passage, passage.language) if not unit.is_carried]
    figures = [unit for unit in units if unit.facts.numbers or unit.facts.dates]
    return [_statement(passage, unit) for unit in figures[:_MAX_SENTENCES]]


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
        alike = len(asked_concepts & (statement.concepts | context_concepts)) / max(1, len(asked_concepts))
        if alike >= _LEAST_QUESTION:
            return True
        there = statement.words | context_terms
        found = sum(found_in(term, there) for term in asked) / len(asked) if asked else 0.0
        return found >= _LEAST_QUESTION

    return [statement for statement in statements if about(statement)]


def _disagreement(first: _Statement, second: _Statement) -> tuple[str, ...]:
    if first.passage.document_id == second.passage.document_id or not _same_subject(first, second):
        return ()
    for kind in {number.kind for number in first.facts.numbers}:
        mine = [number for number in first.facts.numbers if number.kind == kind]
        theirs = [number for number in second.facts.numbers if number.kind == kind]
        if mine and theirs and _all_differ(mine, theirs):
            return (mine[0].text, theirs[0].text)
    if first.facts.numbers or second.facts.numbers:
        return ()
    return _dates_disagree(first.facts.dates, second.facts.dates)


def _all_differ(mine: list[Number], theirs: list[Number]) -> bool:
    """No figure of one is a figure of the other, and as many are given: `5 and 7 days` does not contradict `5 days`."""
    values = frozenset().union(*(number.values for number in mine))
    return len(mine) == len(theirs) and not any(number.values & values for number in theirs)


def _dates_disagree(mine: tuple[Date, ...], theirs: tuple[Date, ...]) -> tuple[str, ...]:
    if len(mine) != 1 or len(theirs) != 1 or mine[0].within(theirs[0]) or theirs[0].within(mine[0]):
        return ()
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


def _note(
    first: _Statement, second: _Statement, values: tuple[str, ...], citations: Sequence[Citation]
) -> ConflictNote:
    ids = {first.passage.passage_id, second.passage.passage_id}
    numbers = tuple(citation.n for citation in citations if citation.passage_id in ids)
    return ConflictNote(first.text[:_MAX_SUBJECT_CHARS], values, numbers)
