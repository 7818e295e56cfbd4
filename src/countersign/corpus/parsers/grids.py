"""Tables on a page: drawn with lines (`ruled_tables`) or only aligned (`aligned_tables`)."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

Line = tuple[float, float, float]
Box = tuple[float, float, float, float]
_NUMBER = re.compile(r"^[\s(]*[-–—+$€£₸₽%]*\s*\(?[-–—]?\d[\d\s.,'’%()]*[%₸₽$€)]*\s*$|^[-–—]+$")
_TOUCH = 3.0
_MAX_LINES = 500


class Piece(Protocol):
    """Positioned text: points, origin top left."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    order: int

    @property
    def size(self) -> float: ...
    @property
    def middle_x(self) -> float: ...
    @property
    def middle_y(self) -> float: ...


P = TypeVar("P", bound=Piece)


@dataclass(frozen=True, slots=True)
class Table:
    rows: tuple[tuple[str, ...], ...]
    box: Box
    order: int
    header_rows: int

    @property
    def text(self) -> str:
        return rows_text(self.rows)


def rows_text(rows: Iterable[Sequence[str]]) -> str:
    """One line a row, cells joined by ` | `, no line break or bar inside a cell."""
    return "\n".join(" | ".join(_cell(cell) for cell in row).rstrip() for row in rows)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())


def header_rows_of(rows: Sequence[Sequence[str]], most: int = 3) -> int:
    """Leading rows without a number outside the first column; at least one where there are two rows."""
    count = 0
    for row in rows[: min(most, len(rows) - 1)]:
        if any(
            _NUMBER.match(cell) and not re.fullmatch(r"\s*(?:19|20)\d\d\s*", cell) for cell in row[1:] if cell
        ):
            break
        count += 1
    if count == most or (
        count > 1 and not any(_NUMBER.match(cell) for row in rows for cell in row[1:] if cell)
    ):
        return 1
    return max(count, 1 if len(rows) > 1 and not any(_NUMBER.match(cell) for cell in rows[0] if cell) else 0)


# --- drawn with lines ------------------------------------------------------------------------------------------------


def ruled_tables(
    pieces: Sequence[P], horizontal: Sequence[Line], vertical: Sequence[Line]
) -> tuple[list[Table], list[P]]:
    """Tables whose cells are bounded by lines, and the pieces outside of them."""
    h, v = _merged(horizontal), _merged(vertical)
    if not (3 <= len(h) <= _MAX_LINES and 3 <= len(v) <= _MAX_LINES):
        return [], list(pieces)
    tables: list[Table] = []
    rest = list(pieces)
    for h_group, v_group in _components(h, v):
        xs, ys = sorted({x for x, _, _ in v_group}), sorted({y for y, _, _ in h_group})
        if len(xs) < 3 or len(ys) < 3:
            continue
        inside = [p for p in rest if xs[0] < p.middle_x < xs[-1] and ys[0] < p.middle_y < ys[-1]]
        table = _grid(inside, xs, ys, v_group)
        if table is not None:
            tables.append(table)
            taken = {id(piece) for piece in inside}
            rest = [piece for piece in rest if id(piece) not in taken]
    return tables, rest


def _merged(lines: Sequence[Line]) -> list[Line]:
    """Collinear lines that touch become one; positions within 2 points are one position."""
    merged: list[Line] = []
    position = -1e9
    for at, start, end in sorted(lines):
        if at - position > 2.0:
            position = at
        for index in range(len(merged) - 1, -1, -1):
            p, s, e = merged[index]
            if p != position:
                merged.append((position, start, end))
                break
            if start <= e + _TOUCH and end >= s - _TOUCH:
                merged[index] = (position, min(s, start), max(e, end))
                break
        else:
            merged.append((position, start, end))
    return [line for line in merged if line[2] - line[1] > 4]


def _components(h: Sequence[Line], v: Sequence[Line]) -> list[tuple[list[Line], list[Line]]]:
    parent = list(range(len(h) + len(v)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for i, (y, x0, x1) in enumerate(h):
        for j, (x, y0, y1) in enumerate(v):
            if x0 - _TOUCH <= x <= x1 + _TOUCH and y0 - _TOUCH <= y <= y1 + _TOUCH:
                parent[root(i)] = root(len(h) + j)
    groups: dict[int, tuple[list[Line], list[Line]]] = {}
    for i, line in enumerate(h):
        groups.setdefault(root(i), ([], []))[0].append(line)
    for j, line in enumerate(v):
        groups.setdefault(root(len(h) + j), ([], []))[1].append(line)
    return [group for group in groups.values() if len(group[0]) >= 3 and len(group[1]) >= 3]


def _grid(inside: Sequence[Piece], xs: list[float], ys: list[float], v_group: Sequence[Line]) -> Table | None:
    cells: dict[tuple[int, int], list[Piece]] = {}
    for piece in inside:
        row, column = bisect_right(ys, piece.middle_y) - 1, bisect_right(xs, piece.middle_x) - 1
        middle = (ys[row] + ys[row + 1]) / 2
        while column > 0 and not _divides(v_group, xs[column], middle):
            column -= 1
        cells.setdefault((row, column), []).append(piece)
    total = sum(len(piece.text) for piece in inside)
    largest = max((sum(len(p.text) for p in cell) for cell in cells.values()), default=0)
    if len(cells) < 4 or largest > 0.7 * total:
        return None
    rows = [
        tuple(_flow(cells.get((row, column), [])) for column in range(len(xs) - 1))
        for row in range(len(ys) - 1)
    ]
    kept = [row for row in rows if any(row)]
    used = [column for column in range(len(xs) - 1) if any(row[column] for row in kept)]
    trimmed = tuple(tuple(row[column] for column in used) for row in kept)
    order = min(piece.order for piece in inside)
    return Table(trimmed, (xs[0], ys[0], xs[-1], ys[-1]), order, header_rows_of(trimmed))


def _divides(v_group: Sequence[Line], x: float, y: float) -> bool:
    return any(abs(at - x) < 2 and start - _TOUCH <= y <= end + _TOUCH for at, start, end in v_group)


def _flow(pieces: Sequence[Piece]) -> str:
    """Text of a cell: lines from the top, pieces of a line from the left."""
    rows = _visual_rows(pieces)
    return " ".join(piece.text.strip() for row in rows for piece in row)


def _visual_rows(pieces: Sequence[P]) -> list[list[P]]:
    rows: list[list[P]] = []
    for piece in sorted(pieces, key=lambda p: (p.middle_y, p.x0)):
        if rows and abs(rows[-1][0].middle_y - piece.middle_y) < 0.4 * max(
            1.0, min(rows[-1][0].size, piece.size)
        ):
            rows[-1].append(piece)
        else:
            rows.append([piece])
    for row in rows:
        row.sort(key=lambda p: p.x0)
    return rows


# --- only aligned ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Region:
    rows: list[list[list[Piece]]] = field(default_factory=list[list[list[Piece]]])
    pending: list[list[list[Piece]]] = field(default_factory=list[list[list[Piece]]])

    @property
    def bottom(self) -> float:
        last = (self.pending or self.rows)[-1]
        return max(piece.y1 for cell in last for piece in cell)


def aligned_tables(pieces: Sequence[P]) -> tuple[list[Table], list[P]]:
    """Runs of rows with the same columns of short or numeric cells, and the pieces outside of them."""
    regions: list[_Region] = []
    region = _Region()
    for row in _visual_rows(pieces):
        cells = _cells(row)
        height = max(1.0, row[0].size)
        if region.rows and row[0].y0 - region.bottom > 1.8 * height:
            regions.append(region)
            region = _Region()
        if _tabular(cells):
            region.rows += [*region.pending, cells] if region.rows else [cells]
            region.pending = []
        elif region.rows:
            region.pending.append(cells)
            if len(region.pending) > 2 or sum(len(p.text) for p in row) > 90:
                regions.append(region)
                region = _Region()
    regions.append(region)
    tables = [table for r in regions if (table := _table_of(r)) is not None]
    taken = {id(p) for table, r in tables for row in r.rows for cell in row for p in cell if table}
    return [table for table, _ in tables], [piece for piece in pieces if id(piece) not in taken]


def _cells(row: Sequence[Piece]) -> list[list[Piece]]:
    """Pieces of a visual row joined where the gap is ordinary; a lone currency sign belongs to what follows."""
    cells: list[list[Piece]] = []
    for piece in row:
        last = cells[-1][-1] if cells else None
        near = last is not None and piece.x0 - last.x1 < max(0.8 * piece.size, 4.0)
        sign = (
            last is not None
            and last.text.strip() in ("$", "€", "£", "₸", "₽", "(", "$(")
            and len(cells[-1]) == 1
        )
        if cells and (near or sign or piece.text.strip() in (")", "%", ")%")):
            cells[-1].append(piece)
        else:
            cells.append([piece])
    return cells


def _text(cell: Sequence[Piece]) -> str:
    return " ".join(piece.text.strip() for piece in cell)


def _tabular(cells: Sequence[Sequence[Piece]]) -> bool:
    if len(cells) < 2:
        return False
    rest = [_text(cell) for cell in cells[1:]]
    numeric = sum(1 for text in rest if _NUMBER.match(text))
    return numeric >= max(1, 0.5 * len(rest)) or (len(cells) >= 3 and max(len(text) for text in rest) <= 40)


def _table_of(region: _Region) -> tuple[Table, _Region] | None:
    rows = region.rows
    full = [row for row in rows if len(row) >= 2]
    if len(full) < 3 or sum(len(row) for row in full) < 7:
        return None
    spans = sorted((cell[0].x0, cell[-1].x1) for row in full for cell in row)
    bands: list[list[float]] = []
    for x0, x1 in spans:
        if bands and x0 < bands[-1][1] - 1.0:
            bands[-1][1] = max(bands[-1][1], x1)
        else:
            bands.append([x0, x1])
    if len(bands) < 2:
        return None
    lefts = [band[0] for band in bands]
    table_rows: list[tuple[str, ...]] = []
    for row in rows:
        texts = [""] * len(bands)
        for cell in row:
            column = max(0, bisect_right(lefts, cell[0].x0 + 1.0) - 1)
            texts[column] = f"{texts[column]} {_text(cell)}".strip()
        table_rows.append(tuple(texts))
    every = [piece for row in rows for cell in row for piece in cell]
    box = (
        min(p.x0 for p in every),
        min(p.y0 for p in every),
        max(p.x1 for p in every),
        max(p.y1 for p in every),
    )
    return Table(tuple(table_rows), box, min(p.order for p in every), header_rows_of(table_rows)), region
