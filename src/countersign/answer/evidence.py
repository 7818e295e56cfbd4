"""Passages cut into the pieces a claim can rest on: a sentence, two adjacent ones, a table row read with its header."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise

from countersign.answer.facts import Facts, facts
from countersign.corpus.sentences import is_table_row, split_sentences
from countersign.corpus.terms import content_terms
from countersign.domain.documents import Language, Passage

_MAX_UNITS = 400
_CLAUSE = re.compile(
    r"[;,—]\s|\s(?:–|-)\s|\s(?:и|а|но|или|and|but|while|whereas|or|ал|және|бірақ|немесе)\s", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Segment:
    """The smallest piece that binds a figure to its subject: a clause, or one cell read as `row label, header: cell`."""

    text: str
    terms: frozenset[str]
    facts: Facts


@dataclass(frozen=True, slots=True)
class Unit:
    """One piece of evidence. `start`/`end` are offsets into the passage's text; `terms` are its content stems."""

    start: int
    end: int
    text: str
    terms: frozenset[str]
    facts: Facts
    segments: tuple[Segment, ...]
    is_row: bool
    before: str = ""
    """The sentence whose words this one carries on, when it is read with it."""
    own_terms: frozenset[str] = frozenset()

    @property
    def is_carried(self) -> bool:
        return bool(self.before)


class Readings:
    """Passages cut into evidence once for one answer, however many checks look at them. Not for more than one answer:
    what it holds is text that somebody may see now."""

    def __init__(self) -> None:
        self._cut: dict[tuple[str, Language], tuple[Unit, ...]] = {}

    def units(self, passage: Passage, language: Language) -> tuple[Unit, ...]:
        key = (passage.passage_id, language)
        if key not in self._cut:
            self._cut[key] = units_of(passage, language)
        return self._cut[key]


def units_of(passage: Passage, language: Language) -> tuple[Unit, ...]:
    """The evidence units of a passage, single ones first, then sentences with the one before."""
    spans = split_sentences(passage.text)[:_MAX_UNITS]
    header = _header(passage.text, spans)
    singles = [_single(passage.text, span, header, language) for span in spans]
    singles = [unit for unit in singles if unit.text]
    pairs = [
        _carried(first, second) for first, second in pairwise(singles) if not (first.is_row or second.is_row)
    ]
    return (*singles, *pairs)


def context_of(passage: Passage) -> str:
    """What a reader knows before reading the passage: title, headings and sheet."""
    return " / ".join(part for part in (passage.title, *passage.heading_path, passage.sheet) if part)


def _header(text: str, spans: tuple[tuple[int, int], ...]) -> tuple[str, ...]:
    """Cells of the first table row, taken as the header when it has no figures of its own."""
    first = next((text[a:b].strip() for a, b in spans if is_table_row(text[a:b])), "")
    cells = tuple(cell.strip() for cell in first.split(" | "))
    figures = sum(_has_figure(cell) for cell in cells)
    return cells if first and figures <= len(cells) // 2 else ()


def _single(text: str, span: tuple[int, int], header: tuple[str, ...], language: Language) -> Unit:
    start, end = span
    raw = text[start:end]
    start += len(raw) - len(raw.lstrip())
    body = raw.strip()
    row = is_table_row(body)
    read = _read_row(body, header) if row else body
    whole = Segment(body, _terms(read, language), facts(body))
    segments = _row_segments(body, header, language) if row else _clauses(whole, language)
    return Unit(start, start + len(body), body, whole.terms, whole.facts, segments, row)


def _carried(before: Unit, unit: Unit) -> Unit:
    """A sentence read with the words of the one before it ("It costs…"); its figures stay its own, or a claim could
    take the subject of one sentence and the figure of the other."""
    return replace(unit, terms=before.terms | unit.terms, before=before.text, own_terms=unit.terms)


def _read_row(row: str, header: tuple[str, ...]) -> str:
    cells = [cell.strip() for cell in row.split(" | ")]
    if len(cells) != len(header) or tuple(cells) == header:
        return row
    return "; ".join(f"{name}: {cell}" for name, cell in zip(header, cells, strict=True))


def _row_segments(row: str, header: tuple[str, ...], language: Language) -> tuple[Segment, ...]:
    cells = [cell.strip() for cell in row.split(" | ")]
    names = header if len(cells) == len(header) else ("",) * len(cells)
    if tuple(cells) == header:
        return ()
    return tuple(
        Segment(cell, _terms(f"{cells[0]} {name} {cell}", language), facts(cell))
        for name, cell in zip(names, cells, strict=True)
    )


def _clauses(whole: Segment, language: Language) -> tuple[Segment, ...]:
    """Clauses, cut only where both sides hold a figure: elsewhere a comma separates nothing that could be exchanged."""
    sentence = whole.text
    if not _has_figure(sentence):
        return (whole,)
    first = next(place for place, char in enumerate(sentence) if char.isdigit())
    last = next(place for place in range(len(sentence) - 1, -1, -1) if sentence[place].isdigit())
    cuts = [0]
    for match in _CLAUSE.finditer(sentence, first):
        if match.end() > last:
            break
        if _has_figure(sentence[cuts[-1] : match.start()]):
            cuts.append(match.start() + 1)
    if len(cuts) == 1:
        return (whole,)
    cuts.append(len(sentence))
    parts = [sentence[a:b] for a, b in pairwise(cuts)]
    return tuple(Segment(part.strip(), _terms(part, language), facts(part)) for part in parts)


def _has_figure(text: str) -> bool:
    return any(map(str.isdigit, text))


def _terms(text: str, language: Language) -> frozenset[str]:
    return frozenset(content_terms(text, language))
