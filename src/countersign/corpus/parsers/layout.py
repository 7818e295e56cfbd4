"""From positioned pieces of text to blocks in reading order: tables, columns, paragraphs, list items.

Plain geometry over points with the origin at the top left of the page as displayed. No model, no PDF library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from countersign.corpus.parsers.grids import Table, aligned_tables, ruled_tables

_BULLET = re.compile(r"^\s*(?:[•▪◦●○■□‣–—\-*·]|\(?\d{1,3}[.)]|\(?[a-zа-яәғқңөұүһі][.)])\s+\S", re.IGNORECASE)
MAX_SEGMENTS_FOR_TABLES = 6_000


@dataclass(slots=True)
class Segment:
    """A stretch of one line without a wide gap. `order` is its place in the content stream."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    bold: bool = False
    hidden: str = ""
    order: int = 0

    @property
    def size(self) -> float:
        height, width = self.y1 - self.y0, self.x1 - self.x0
        return width if len(self.text) > 3 and height > 3 * width else height

    @property
    def middle_y(self) -> float:
        return (self.y0 + self.y1) / 2

    @property
    def middle_x(self) -> float:
        return (self.x0 + self.x1) / 2


@dataclass(frozen=True, slots=True)
class Rulings:
    """Straight lines drawn on the page: (y, x0, x1) and (x, y0, y1)."""

    horizontal: tuple[tuple[float, float, float], ...] = ()
    vertical: tuple[tuple[float, float, float], ...] = ()


@dataclass(slots=True)
class Block:
    kind: str
    text: str
    box: tuple[float, float, float, float]
    size: float = 0.0
    bold: bool = False
    hidden: str = ""
    header_rows: int = 0
    lines: int = 1


@dataclass(slots=True)
class _Line:
    segments: list[Segment] = field(default_factory=list[Segment])
    table: Table | None = None
    order: int = 0
    x0: float = 0.0
    y0: float = 0.0
    x1: float = 0.0
    y1: float = 0.0

    @property
    def text(self) -> str:
        return " ".join(segment.text for segment in self.segments)

    @property
    def size(self) -> float:
        return max(segment.size for segment in self.segments)

    @property
    def bold(self) -> bool:
        return all(segment.bold for segment in self.segments)


def blocks_of(segments: Sequence[Segment], width: float, height: float, rulings: Rulings) -> list[Block]:
    """All text of a page as blocks in reading order, hidden text as blocks of its own at the end."""
    visible = [segment for segment in segments if not segment.hidden]
    tables: list[Table] = []
    if len(visible) <= MAX_SEGMENTS_FOR_TABLES:
        tables, visible = ruled_tables(visible, rulings.horizontal, rulings.vertical)
        more, visible = aligned_tables(visible)
        tables += more
    lines = _lines(visible) + [_table_line(table) for table in tables]
    lines.sort(key=lambda line: line.order)
    ordered = _reading_order(lines, width)
    return [*_paragraphs(ordered), *_hidden_blocks(segment for segment in segments if segment.hidden)]


def _lines(segments: Sequence[Segment]) -> list[_Line]:
    """Join neighbours of the content stream that stand on one line with an ordinary gap."""
    lines: list[_Line] = []
    for segment in segments:
        last = lines[-1] if lines else None
        if last is not None and _continues(last, segment):
            last.segments.append(segment)
            last.x0, last.x1 = min(last.x0, segment.x0), max(last.x1, segment.x1)
            last.y0, last.y1 = min(last.y0, segment.y0), max(last.y1, segment.y1)
        else:
            lines.append(
                _Line([segment], None, segment.order, segment.x0, segment.y0, segment.x1, segment.y1)
            )
    return lines


def _continues(line: _Line, segment: Segment) -> bool:
    size = max(1.0, line.segments[-1].size, segment.size)
    return same_level(line.segments[-1], segment) and -0.5 * size < segment.x0 - line.x1 < 2.5 * size


def same_level(first: Segment, second: Segment) -> bool:
    """Whether two pieces stand on one line; a raised or lowered small piece does."""
    shared = min(first.y1, second.y1) - max(first.y0, second.y0)
    return shared > 0.45 * max(0.1, min(first.size, second.size))


def _table_line(table: Table) -> _Line:
    return _Line([], table, table.order, *table.box)


def _reading_order(lines: list[_Line], width: float) -> list[_Line]:
    """The content stream's order, unless the page has two columns and the stream jumps between them."""
    gutter = _gutter(lines, width)
    if gutter is None:
        return lines
    sides = [_side(line, gutter) for line in lines]
    jumps = sum(1 for a, b in pairwise(sides) if a and b and a != b)
    if jumps <= 3:
        return lines
    ordered: list[_Line] = []
    band: list[_Line] = []
    for line in sorted(lines, key=lambda item: item.y0):
        if _side(line, gutter):
            band.append(line)
            continue
        ordered += _by_column(band, gutter)
        ordered.append(line)
        band = []
    return ordered + _by_column(band, gutter)


def _by_column(band: list[_Line], gutter: float) -> list[_Line]:
    return sorted(band, key=lambda line: (_side(line, gutter), line.y0, line.x0))


def _side(line: _Line, gutter: float) -> int:
    """1 left of the gutter, 2 right of it, 0 across it."""
    if line.x1 <= gutter + 2:
        return 1
    return 2 if line.x0 >= gutter - 2 else 0


def _gutter(lines: Sequence[_Line], width: float) -> float | None:
    """x of a vertical white band near the middle with wide text on both sides of it, if there is one."""
    if len(lines) < 12:
        return None
    steps = [width * (0.35 + 0.01 * step) for step in range(31)]
    crossing = [sum(1 for line in lines if line.x0 < x - 1 and line.x1 > x + 1) for x in steps]
    best = min(range(len(steps)), key=lambda index: (crossing[index], abs(index - 15)))
    if crossing[best] > 0.2 * len(lines):
        return None
    x = steps[best]
    left = [line for line in lines if line.x1 <= x + 2]
    right = [line for line in lines if line.x0 >= x - 2]
    wide = [sum(1 for line in side if line.x1 - line.x0 > 0.2 * width) for side in (left, right)]
    return x if min(wide) >= 5 else None


def _paragraphs(lines: Iterable[_Line]) -> list[Block]:
    blocks: list[Block] = []
    current: list[_Line] = []
    for line in lines:
        if line.table is not None:
            _flush(current, blocks)
            blocks.append(Block("table", line.table.text, line.table.box, header_rows=line.table.header_rows))
        else:
            if current and not _same_paragraph(current, line):
                _flush(current, blocks)
            current.append(line)
    _flush(current, blocks)
    return blocks


def _same_paragraph(current: Sequence[_Line], line: _Line) -> bool:
    last = current[-1]
    size = min(last.size, line.size)
    if abs(last.size - line.size) > 0.12 * size + 0.4 or last.bold != line.bold or _BULLET.match(line.text):
        return False
    gap = line.y0 - last.y1
    usual = current[1].y0 - current[0].y1 if len(current) > 1 else gap
    if not -0.9 * size < gap < 0.7 * size or gap > usual + 0.35 * size:
        return False
    overlap = min(last.x1, line.x1) - max(last.x0, line.x0)
    ended = last.text.rstrip().endswith((".", "!", "?", ":", ";")) and line.x0 > current[0].x0 + 1.2 * size
    return overlap > -size and not (ended and len(current) > 1)


def _flush(current: list[_Line], blocks: list[Block]) -> None:
    if not current:
        return
    text = _join_lines(current)
    if text:
        box = (
            min(line.x0 for line in current), min(line.y0 for line in current),
            max(line.x1 for line in current), max(line.y1 for line in current),
        )  # fmt: skip
        kind = "list_item" if _BULLET.match(text) and len(text) < 2_000 else "paragraph"
        size = sorted(line.size for line in current)[len(current) // 2]
        blocks.append(Block(kind, text, box, size, all(line.bold for line in current), lines=len(current)))
    current.clear()


def _join_lines(lines: Sequence[_Line]) -> str:
    """Lines joined with a space; a hyphen that the typesetter put at a line's end goes away."""
    text = ""
    for line in lines:
        piece = line.text.strip()
        if text.endswith(("\x02", "\u00ad", "\ufffe")):
            text = text[:-1] + piece
        elif text:
            text += " " + piece
        else:
            text = piece
    return text.replace("\x02", "-").replace("\u00ad", "").replace("\ufffe", "-").strip()


def _hidden_blocks(segments: Iterable[Segment]) -> list[Block]:
    blocks: list[Block] = []
    for segment in segments:
        last = blocks[-1] if blocks else None
        if last is not None and last.hidden == segment.hidden and len(last.text) < 1_000:
            last.text += " " + segment.text
            x0, y0, x1, y1 = last.box
            last.box = (min(x0, segment.x0), min(y0, segment.y0), max(x1, segment.x1), max(y1, segment.y1))
        else:
            box = (segment.x0, segment.y0, segment.x1, segment.y1)
            blocks.append(Block("paragraph", segment.text, box, segment.size, hidden=segment.hidden))
    return blocks
