"""The cell of a table that a figure comes from: its row, its column, and the unit that the table gives its figures in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from countersign.answer.facts import facts
from countersign.corpus.chunk import UNITS
from countersign.corpus.sentences import is_table_row
from countersign.corpus.terms import content_terms, found_in
from countersign.domain.documents import Language, Passage

_MAX_LABEL_CHARS = 120
_DIGITS = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Cell:
    """Labels as they stand in the table; `column` is empty where several cells of the row are meant."""

    row: str
    column: str
    unit: str


def cell_of(passage: Passage, resting: str) -> Cell | None:
    """The cell of `passage` whose figure the text `resting` on it gives; None where no row gives one of its figures."""
    lines = [line.strip() for line in passage.text.split("\n") if line.strip()]
    rows = [_cells(line) for line in lines if is_table_row(line)]
    if not rows:
        return None
    header, body = _parted(rows)
    wanted = _figures(resting)
    said = frozenset(content_terms(resting, passage.language))
    scored = [
        (_covered(row[0], said, passage.language), -place, row, places)
        for place, row in enumerate(body)
        if (places := [i for i, cell in enumerate(row) if i and _figures(cell) & wanted])
    ]
    if not scored:
        return None
    _, _, row, places = max(scored, key=lambda item: item[:2])
    columns = [header[i] for i in places if i < len(header)]
    column = columns[0] if len(places) == 1 and columns else ""
    unit = _unit(column, header, [line for line in lines if not is_table_row(line)])
    return Cell(row[0][:_MAX_LABEL_CHARS], column[:_MAX_LABEL_CHARS], unit)


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.split(" | "))


def _parted(rows: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], Sequence[tuple[str, ...]]]:
    """Header, joined column by column where it spans several rows, and the rows under it."""
    count = 0
    while count < len(rows) - 1 and not any(_is_value(cell) for cell in rows[count][1:]):
        count += 1
    if not count:
        return (), rows
    width = max(len(row) for row in rows[:count])
    names = [[row[i] for row in rows[:count] if i < len(row) and row[i]] for i in range(width)]
    return tuple(" ".join(dict.fromkeys(name)) for name in names), rows[count:]


def _is_value(cell: str) -> bool:
    """A figure that is no year: a header may name years."""
    return bool(_DIGITS.search(cell)) and re.fullmatch(r"\D*(?:19|20)\d\d\D*", cell) is None


def _figures(text: str) -> frozenset[str]:
    """Figures without their units and signs, so that `1,250` in a table is the `1 250 million` of a sentence."""
    bare = re.sub(r"(?<=\d)[\s\u00a0\u202f](?=\d{3}(?!\d))", "", text)
    found = {re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", figure) for figure in re.findall(r"\d[\d.,]*\d|\d", bare)}
    return frozenset(found) | frozenset(f"{v.normalize():f}" for n in facts(bare).numbers for v in n.values)


def _covered(label: str, said: frozenset[str], language: Language) -> float:
    terms = content_terms(label, language)
    return sum(found_in(term, said) for term in terms) / len(terms) if terms else 0.0


def _unit(column: str, header: Sequence[str], around: Sequence[str]) -> str:
    """What the column says, else the table's corner, else the line above the table."""
    for text in (column, *header[:1], *around):
        found = UNITS.search(text)
        if found is not None:
            return (
                " ".join(text.split())[:_MAX_LABEL_CHARS] if len(text) <= _MAX_LABEL_CHARS else found.group()
            )
    return ""
