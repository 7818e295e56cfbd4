"""Spreadsheets (xlsx, xls, ods) by calamine: one table for each block of rows, sheet names kept, hidden sheets
and cells told."""

from __future__ import annotations

import contextlib
import datetime
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from countersign.corpus.parsers import office
from countersign.corpus.parsers.decoding import read_all
from countersign.corpus.parsers.packages import Package
from countersign.corpus.parsers.records import finding, table
from countersign.corpus.parsers.sheets_hidden import Unseen, column_number, unseen
from countersign.corpus.zygote import Output, Refusal

MAX_AREA = 4_000_000
_REFERENCE = re.compile(rb'<(?:\w+:)?c\b[^>]*?\br="([A-Z]{1,3})(\d{1,7})"')


def parse(source: int, params: Mapping[str, Any], output: Output) -> None:
    try:
        import python_calamine
    except ImportError:
        raise Refusal("unsupported", "extra_documents_missing") from None
    hidden_in: Mapping[str, Unseen] = {}
    if params["kind"] == "xlsx":
        package = Package(source)
        if _area(package) > MAX_AREA:
            finding(output, "sparse_sheet", "info", "a sheet spreads few cells over a huge area")
            office.extract(source, "xlsx", output)
            return
        with contextlib.suppress(Refusal):  # a broken part of it: calamine is more patient
            hidden_in = unseen(package)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(read_all(source)))
    except python_calamine.CalamineError as error:
        if "assword" in str(error):
            raise Refusal("encrypted", "password") from None
        office.extract(source, str(params["kind"]), output)
        return
    output.record({"parser": "sheets"})
    for meta in book.sheets_metadata:
        if "work" not in str(meta.typ).lower():
            continue
        hidden = "" if str(meta.visible).rsplit(".", 1)[-1].lower() == "visible" else "hidden_sheet"
        try:
            sheet = book.get_sheet_by_name(meta.name)
            rows = [[_text(cell) for cell in row] for row in sheet.to_python(skip_empty_area=True)]
        except python_calamine.CalamineError:
            finding(output, "sheet_unreadable", "warning", "a sheet could not be read", meta.name)
            continue
        if not hidden and meta.name in hidden_in:
            rows, aside = _parted(rows, sheet.start or (0, 0), hidden_in[meta.name])
            _islands(aside, meta.name, "hidden_cells", output)
        _islands(rows, meta.name, hidden, output)


def _parted(
    rows: Sequence[Sequence[str]], start: tuple[int, int], unseen_here: Unseen
) -> tuple[list[list[str]], list[list[str]]]:
    """The same cells twice: what is seen, and what is not. `start` is where the first of them stands."""
    seen: list[list[str]] = []
    aside: list[list[str]] = []
    for number, row in enumerate(rows, start=start[0]):
        flags = [unseen_here.holds(number, column) for column in range(start[1], start[1] + len(row))]
        seen.append(["" if flag else cell for cell, flag in zip(row, flags, strict=True)])
        aside.append([cell if flag else "" for cell, flag in zip(row, flags, strict=True)])
    return seen, aside


def _area(package: Package) -> int:
    """Largest bounding area of a sheet: what an engine with dense rows would allocate."""
    largest = 0
    for name in package.names:
        if re.fullmatch(r"xl/worksheets/[^/]+\.xml", name):
            width = height = 0
            for column, row in _REFERENCE.findall(package.read(name) or b""):
                width, height = max(width, column_number(column)), max(height, int(row))
            largest = max(largest, width * height)
    return largest


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.10g}"
    if isinstance(value, datetime.datetime):
        at_midnight = value.time() == datetime.time(0)
        return value.date().isoformat() if at_midnight else value.isoformat(" ", "seconds")
    return "" if value is None else str(value)


def _islands(rows: Sequence[Sequence[str]], sheet: str, hidden: str, output: Output) -> None:
    """Blocks of rows parted by empty rows, each a table of its own."""
    block: list[Sequence[str]] = []
    for row in rows:
        if any(cell.strip() for cell in row):
            block.append(row)
        elif block:
            table(output, block, hidden=hidden, sheet=sheet)
            block = []
    table(output, block, hidden=hidden, sheet=sheet)
