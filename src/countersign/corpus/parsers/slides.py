"""PPTX read from its own XML: one group of elements for each slide, titles as headings, tables, notes, hidden slides."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element as Node

from countersign.corpus.parsers.packages import Package
from countersign.corpus.parsers.records import element, finding, table
from countersign.corpus.zygote import Output, Refusal

_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"


def parse(source: int, _params: Mapping[str, Any], output: Output) -> None:
    package = Package(source)
    root = package.xml("ppt/presentation.xml")
    if root is None:
        raise Refusal("corrupt", "no_presentation_part")
    output.record({"parser": "slides", "title": package.title()})
    related = package.related("ppt/presentation.xml")
    names = [related.get(node.get(f"{_R}id", ""), "") for node in root.iter(f"{_P}sldId")]
    for number, name in enumerate(names, 1):
        slide = package.xml(name) if name else None
        if slide is None:
            finding(output, "slide_missing", "warning", f"slide {number} is not in the file", str(number))
        else:
            _slide(package, name, slide, f"slide {number}", output)


def _slide(package: Package, name: str, slide: Node, where: str, output: Output) -> None:
    hidden = "hidden_slide" if slide.get("show") == "0" else ""
    related = package.related(name)
    shapes = sorted(_shapes(slide), key=lambda shape: not _is_title(shape))
    for shape in shapes:
        if shape.tag == f"{_P}graphicFrame":
            _frame(package, shape, related, where, hidden, output)
            continue
        paragraphs = [_line(p) for p in shape.iter(f"{_A}p")]
        if _is_title(shape):
            text = " ".join(line for line in paragraphs if line.strip())
            element(output, "heading", text, level=1, hidden=hidden or _off(shape), sheet=where)
            continue
        for line in paragraphs:
            kind = "list_item" if _is_body(shape) and len(paragraphs) > 1 else "paragraph"
            element(output, kind, line, hidden=hidden or _off(shape), sheet=where)
    for target in related.values():
        if re.fullmatch(r"ppt/notesSlides/notesSlide\d+\.xml", target):
            notes = package.xml(target)
            for shape in _shapes(notes) if notes is not None else ():
                if _is_body(shape):
                    for paragraph in shape.iter(f"{_A}p"):
                        element(output, "paragraph", _line(paragraph), hidden=hidden, sheet=f"{where} notes")


def _shapes(root: Node) -> Iterator[Node]:
    for node in root.iter():
        if node.tag in (f"{_P}sp", f"{_P}graphicFrame", f"{_P}cxnSp"):
            properties = node.find(f".//{_P}cNvPr")
            if properties is None or properties.get("hidden") not in ("1", "true"):
                yield node


def _placeholder(shape: Node) -> str | None:
    found = shape.find(f"{_P}nvSpPr/{_P}nvPr/{_P}ph")
    return found.get("type", "body") if found is not None else None


def _is_title(shape: Node) -> bool:
    return _placeholder(shape) in ("title", "ctrTitle")


def _is_body(shape: Node) -> bool:
    return _placeholder(shape) in ("body", "obj", "subTitle")


def _off(shape: Node) -> str:
    """`off_page` when the shape lies wholly left of or above the slide."""
    offset, size = shape.find(f"{_P}spPr/{_A}xfrm/{_A}off"), shape.find(f"{_P}spPr/{_A}xfrm/{_A}ext")
    if offset is None or size is None:
        return ""
    try:
        right = int(offset.get("x", "0")) + int(size.get("cx", "0"))
        bottom = int(offset.get("y", "0")) + int(size.get("cy", "0"))
    except ValueError:
        return ""
    return "off_page" if right < 0 or bottom < 0 else ""


def _line(paragraph: Node) -> str:
    parts: list[str] = []
    for node in paragraph.iter():
        if node.tag == f"{_A}t":
            parts.append(node.text or "")
        elif node.tag == f"{_A}br":
            parts.append("\n")
        elif node.tag == f"{_A}tab":
            parts.append("\t")
    return "".join(parts).replace("\x0b", "\n")


def _frame(
    package: Package, frame: Node, related: Mapping[str, str], where: str, hidden: str, output: Output
) -> None:
    for grid in frame.iter(f"{_A}tbl"):
        rows = [[_cell(cell) for cell in row.iter(f"{_A}tc")] for row in grid.iter(f"{_A}tr")]
        properties = grid.find(f"{_A}tblPr")
        head = 1 if properties is not None and properties.get("firstRow") == "1" else None
        table(output, rows, header_rows=head, hidden=hidden, sheet=where)
    for chart in frame.iter(f"{_C}chart"):
        root = package.xml(related.get(chart.get(f"{_R}id", ""), ""))
        if root is not None:
            _chart(root, where, hidden, output)


def _cell(cell: Node) -> str:
    return " ".join(line for paragraph in cell.iter(f"{_A}p") if (line := _line(paragraph).strip()))


def _chart(root: Node, where: str, hidden: str, output: Output) -> None:
    """The cached values of a chart as a table: categories down, series across."""
    titles = root.findall(f"{_C}chart/{_C}title")
    for title in titles[:1]:
        element(
            output, "caption", "".join(t.text or "" for t in title.iter(f"{_A}t")), hidden=hidden, sheet=where
        )
    columns: list[list[str]] = []
    for series in list(root.iter(f"{_C}ser"))[:50]:
        name = next((v.text or "" for tx in series.findall(f"{_C}tx") for v in tx.iter(f"{_C}v")), "")
        if not columns:
            columns.append(["", *_points(series, "cat")])
        columns.append([name, *_points(series, "val")])
    height = max((len(column) for column in columns), default=0)
    rows = [[column[i] if i < len(column) else "" for column in columns] for i in range(min(height, 2_000))]
    table(output, rows, header_rows=1, hidden=hidden, sheet=where)


def _points(series: Node, name: str) -> list[str]:
    return [value.text or "" for part in series.findall(f"{_C}{name}") for value in part.iter(f"{_C}v")]
