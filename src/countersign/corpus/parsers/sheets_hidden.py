"""What a reader of an Excel workbook does not see: hidden rows and columns, cells in white, cells whose format shows nothing.

What one click brings back (rows that a filter leaves out, a folded group) is not hidden.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass, field

from countersign.corpus.parsers.packages import Package

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_COLUMN = re.compile(rb"<(?:\w+:)?col\b([^>]*)>")
_ROW = re.compile(rb"<(?:\w+:)?row\b([^>]*)>")
_CELL = re.compile(rb"<(?:\w+:)?c\b([^>]*)>")
_ATTRIBUTE = re.compile(rb"\b([A-Za-z]+)\s*=\s*[\"']([^\"'<>]*)[\"']")
_PLACE = re.compile(rb"([A-Z]{1,3})(\d{1,7})$")
_HIDES = re.compile(rb"\bhidden\s*=\s*[\"'](?:1|true)[\"']")
_ON = (b"1", b"true")
_MAX_COLUMNS = 16_384
_COLOURED = (b"conditionalFormatting", b"tablePart")
"""Where they are, a cell's colours may come from elsewhere."""
Node = ElementTree.Element


@dataclass(frozen=True, slots=True)
class Unseen:
    """Of one sheet; rows, columns and cells (row, column) count from 0."""

    rows: frozenset[int] = frozenset()
    columns: frozenset[int] = frozenset()
    cells: frozenset[tuple[int, int]] = field(default_factory=frozenset[tuple[int, int]])

    def __bool__(self) -> bool:
        return bool(self.rows or self.columns or self.cells)

    def holds(self, row: int, column: int) -> bool:
        return row in self.rows or column in self.columns or (row, column) in self.cells


def unseen(package: Package) -> dict[str, Unseen]:
    """Sheet name → what of it is not seen; sheets without anything are left out."""
    filtered = any(
        b"filterColumn" in (package.read(name) or b"") for name in package.names if "/tables/" in name
    )
    white, blank = _styles(package)
    found: dict[str, Unseen] = {}
    for name, part in _sheets(package):
        data = package.read(part) or b""
        styles = blank if any(mark in data for mark in _COLOURED) else white | blank
        here = _of_sheet(data, styles, filtered=filtered or b"filterColumn" in data)
        if here:
            found[name] = here
    return found


def column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _sheets(package: Package) -> Iterator[tuple[str, str]]:
    book = package.xml("xl/workbook.xml")
    parts = package.related("xl/workbook.xml") if book is not None else {}
    for sheet in book.iter(f"{_MAIN}sheet") if book is not None else ():
        part = parts.get(sheet.get(_LINK, ""), "")
        if part in package.names:
            yield sheet.get("name", ""), part


def _of_sheet(data: bytes, styles: frozenset[bytes], *, filtered: bool) -> Unseen:
    rows: set[int] = set()
    columns: set[int] = set()
    if _HIDES.search(data):
        for given in map(_attributes, _COLUMN.findall(data)):
            if _is_hidden(given):
                first, last = _whole(given.get(b"min")), _whole(given.get(b"max"))
                columns.update(range(first - 1, min(last, _MAX_COLUMNS)))
        for given in () if filtered else map(_attributes, _ROW.findall(data)):
            if _is_hidden(given) and given.get(b"r"):
                rows.add(_whole(given[b"r"]) - 1)
    cells: set[tuple[int, int]] = set()
    for given in map(_attributes, _CELL.findall(data)) if styles else ():
        place = _PLACE.match(given.get(b"r", b"")) if given.get(b"s") in styles else None
        if place:
            cells.add((int(place.group(2)) - 1, column_number(place.group(1)) - 1))
    return Unseen(frozenset(rows), frozenset(columns), frozenset(cells))


def _attributes(tag: bytes) -> dict[bytes, bytes]:
    return dict(_ATTRIBUTE.findall(tag))


def _is_hidden(given: dict[bytes, bytes]) -> bool:
    return given.get(b"hidden") in _ON and given.get(b"outlineLevel", b"0") == b"0"


def _whole(digits: bytes | None) -> int:
    return int(digits) if digits and digits.isdigit() and len(digits) < 10 else 0


# -- styles -----------------------------------------------------------------------------------------------------------
def _styles(package: Package) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """Numbers of the cell styles that write in white on nothing, and of those that show nothing at all."""
    root = package.xml("xl/styles.xml")
    if root is None:
        return frozenset(), frozenset()
    fonts = [_is_white(node.find(f"{_MAIN}color")) for node in root.iterfind(f"{_MAIN}fonts/{_MAIN}font")]
    fills = [_is_bare(node) for node in root.iterfind(f"{_MAIN}fills/{_MAIN}fill")]
    formats = {
        node.get("numFmtId", ""): node.get("formatCode", "")
        for node in root.iterfind(f"{_MAIN}numFmts/{_MAIN}numFmt")
    }
    white: set[bytes] = set()
    blank: set[bytes] = set()
    for number, style in enumerate(root.iterfind(f"{_MAIN}cellXfs/{_MAIN}xf")):
        if _at(fonts, style.get("fontId")) and _at(fills, style.get("fillId")):
            white.add(str(number).encode())
        if formats.get(style.get("numFmtId", ""), "").replace(" ", "") == ";;;":
            blank.add(str(number).encode())
    return frozenset(white), frozenset(blank)


def _at(flags: list[bool], index: str | None) -> bool:
    return bool(index and index.isdigit() and int(index) < len(flags) and flags[int(index)])


def _is_white(color: Node | None) -> bool:
    if color is None:
        return False
    return color.get("rgb", "").upper()[-6:] == "FFFFFF" or (
        color.get("theme") == "0" and not color.get("tint")
    )


def _is_bare(fill: Node) -> bool:
    """No colour behind the text, or white."""
    pattern = fill.find(f"{_MAIN}patternFill")
    if pattern is None:
        return False
    kind = pattern.get("patternType", "none")
    return kind == "none" or (kind == "solid" and _is_white(pattern.find(f"{_MAIN}fgColor")))
