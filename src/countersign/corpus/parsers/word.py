"""DOCX read from its own XML: headings by style or outline level, lists, tables, notes, text boxes, hidden text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element as Node

from countersign.corpus.parsers.packages import Package
from countersign.corpus.parsers.records import MAX_CELLS, element, finding, table
from countersign.corpus.zygote import Output, Refusal

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT = "{http://purl.oclc.org/ooxml/wordprocessingml/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_NEARLY_WHITE = re.compile(r"(?:f[\da-f]){3}")
_HEADING_NAME = re.compile(r"^(?:heading|заголовок|тақырып)\s*([1-9])$", re.IGNORECASE)
_TITLE_NAMES = ("title", "название", "заголовок", "тақырып")


@dataclass(frozen=True, slots=True)
class _Style:
    name: str = ""
    based_on: str = ""
    outline: int | None = None
    hidden: str = ""
    listed: bool = False


@dataclass(slots=True)
class _State:
    output: Output
    styles: dict[str, _Style]
    cells: int = 0
    boxes: list[Node] = field(default_factory=list[Node])


def parse(source: int, _params: Mapping[str, Any], output: Output) -> None:
    package = Package(source)
    document = package.xml("word/document.xml")
    if document is None:
        raise Refusal("corrupt", "no_document_part")
    _normalise(document)
    output.record({"parser": "word", "title": package.title()})
    state = _State(output, _styles(package))
    body = document.find(f"{_W}body")
    if body is not None:
        _blocks(body, state)
    _side_parts(package, state)


def _normalise(root: Node) -> None:
    """Strict files use another namespace for the same names."""
    if root.tag.startswith(_STRICT):
        for node in root.iter():
            if node.tag.startswith(_STRICT):
                node.tag = _W + node.tag[len(_STRICT) :]
                for name in [name for name in node.attrib if name.startswith(_STRICT)]:
                    node.set(_W + name[len(_STRICT) :], node.attrib[name])


def _value(node: Node | None, name: str = "val") -> str | None:
    return node.get(_W + name) if node is not None else None


def _on(node: Node | None) -> bool:
    return node is not None and _value(node) not in ("0", "false", "off")


def _styles(package: Package) -> dict[str, _Style]:
    root = package.xml("word/styles.xml")
    found: dict[str, _Style] = {}
    if root is None:
        return found
    _normalise(root)
    for node in root.iter(f"{_W}style"):
        outline = _value(node.find(f"{_W}pPr/{_W}outlineLvl"))
        found[node.get(f"{_W}styleId", "")] = _Style(
            (_value(node.find(f"{_W}name")) or "").lower(),
            _value(node.find(f"{_W}basedOn")) or "",
            int(outline) if outline and outline.isdecimal() else None,
            _run_hidden(node.find(f"{_W}rPr")),
            node.find(f"{_W}pPr/{_W}numPr") is not None,
        )
    return found


def _run_hidden(properties: Node | None) -> str:
    if properties is None:
        return ""
    if _on(properties.find(f"{_W}vanish")) or _on(properties.find(f"{_W}webHidden")):
        return "vanish"
    size = _value(properties.find(f"{_W}sz"))
    if size and size.isdecimal() and int(size) <= 4:
        return "tiny"
    color = (_value(properties.find(f"{_W}color")) or "").lower()
    shaded = properties.find(f"{_W}shd") is not None or properties.find(f"{_W}highlight") is not None
    return "white" if _NEARLY_WHITE.fullmatch(color) and not shaded else ""


def _blocks(parent: Node, state: _State, depth: int = 0) -> None:
    for node in parent:
        if node.tag == f"{_W}p":
            _paragraph(node, state)
        elif node.tag == f"{_W}tbl":
            _table(node, state)
        elif node.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}ins", f"{_W}customXml") and depth < 50:
            _blocks(node, state, depth + 1)


def _paragraph(node: Node, state: _State) -> None:
    properties = node.find(f"{_W}pPr")
    style = _value(properties.find(f"{_W}pStyle")) if properties is not None else None
    shaded = properties is not None and properties.find(f"{_W}shd") is not None
    level = _level(properties, style or "", state.styles)
    kind = (
        "heading" if level else "list_item" if _listed(properties, style or "", state.styles) else "paragraph"
    )
    if kind == "paragraph" and state.styles.get(style or "", _Style()).name in (
        "caption",
        "название объекта",
    ):
        kind = "caption"
    visible, hidden = "", ""
    for text, reason in _runs(node, state.styles, state.boxes):
        if reason and not (reason == "white" and shaded):
            if hidden and hidden != reason:
                continue
            element(state.output, "paragraph", text, hidden=reason)
        else:
            visible += text
    element(state.output, kind, visible, level=level)
    boxes, state.boxes = state.boxes, []
    for box in boxes:
        _blocks(box, state, 1)


def _level(properties: Node | None, style: str, styles: Mapping[str, _Style]) -> int:
    direct = _value(properties.find(f"{_W}outlineLvl")) if properties is not None else None
    if direct and direct.isdecimal() and int(direct) < 9:
        return int(direct) + 1
    for _ in range(12):
        known = styles.get(style)
        if known is None:
            return 0
        named = _HEADING_NAME.match(known.name)
        if named:
            return int(named.group(1))
        if known.name in _TITLE_NAMES:
            return 1
        if known.outline is not None and known.outline < 9:
            return known.outline + 1
        style = known.based_on
    return 0


def _listed(properties: Node | None, style: str, styles: Mapping[str, _Style]) -> bool:
    if properties is not None:
        numbering = properties.find(f"{_W}numPr/{_W}numId")
        if numbering is not None:
            return _value(numbering) != "0"
    known = styles.get(style, _Style())
    return known.listed or known.name.startswith(
        ("list bullet", "list number", "маркированный", "нумерованный")
    )


def _runs(node: Node, styles: Mapping[str, _Style], boxes: list[Node]) -> Iterator[tuple[str, str]]:
    """(text, hidden reason) of the runs; deleted text is left out, text boxes are collected for later."""
    stack = list(reversed(list(node)))
    while stack:
        child = stack.pop()
        if child.tag == f"{_W}r":
            properties = child.find(f"{_W}rPr")
            style = _value(properties.find(f"{_W}rStyle")) if properties is not None else None
            reason = _run_hidden(properties) or styles.get(style or "", _Style()).hidden
            text = _run_text(child, boxes)
            if text:
                yield text, reason
        elif child.tag not in (f"{_W}del", f"{_W}moveFrom", f"{_W}pPr"):
            stack += reversed(list(child))


def _run_text(run: Node, boxes: list[Node]) -> str:
    parts: list[str] = []
    for node in run:
        if node.tag == f"{_W}t":
            parts.append(node.text or "")
        elif node.tag in (f"{_W}tab", f"{_W}ptab"):
            parts.append("\t")
        elif node.tag in (f"{_W}br", f"{_W}cr"):
            parts.append("\n")
        elif node.tag == f"{_W}noBreakHyphen":
            parts.append("-")
        elif node.tag not in (f"{_W}rPr", f"{_W}delText", f"{_W}instrText"):
            boxes += _text_boxes(node)
    return "".join(parts)


def _text_boxes(node: Node) -> list[Node]:
    found: list[Node] = []
    stack = [node]
    while stack:
        current = stack.pop()
        if current.tag == f"{_W}txbxContent":
            found.append(current)
        elif current.tag != _FALLBACK:
            stack += reversed(list(current))
    return found


def _table(node: Node, state: _State) -> None:
    rows: list[list[str]] = []
    head = 0
    hidden: list[tuple[str, str]] = []
    for row in _children(node, "tr"):
        cells: list[str] = []
        for cell in _children(row, "tc"):
            properties = cell.find(f"{_W}tcPr")
            span = _value(properties.find(f"{_W}gridSpan")) if properties is not None else None
            merged = properties.find(f"{_W}vMerge") if properties is not None else None
            text = _cell_text(cell, state, hidden)
            cells.append("" if merged is not None and _value(merged) != "restart" and not text else text)
            cells += [""] * (min(100, int(span)) - 1 if span and span.isdecimal() else 0)
        state.cells += len(cells)
        if state.cells > MAX_CELLS:
            raise Refusal("refused_limit", "table_cells")
        if _on(row.find(f"{_W}trPr/{_W}tblHeader")) and head == len(rows):
            head += 1
        rows.append(cells)
    table(state.output, rows, header_rows=head or None)
    for text, reason in hidden:
        element(state.output, "paragraph", text, hidden=reason)
    boxes, state.boxes = state.boxes, []
    for box in boxes:
        _blocks(box, state, 1)


def _children(node: Node, name: str) -> Iterator[Node]:
    """Children of that name, also inside content controls and tracked insertions."""
    for child in node:
        if child.tag == _W + name:
            yield child
        elif child.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}ins", f"{_W}customXml"):
            yield from _children(child, name)


def _cell_text(cell: Node, state: _State, hidden: list[tuple[str, str]]) -> str:
    shaded = cell.find(f"{_W}tcPr/{_W}shd") is not None
    parts: list[str] = []
    for paragraph in cell.iter(f"{_W}p"):
        line = ""
        for text, reason in _runs(paragraph, state.styles, state.boxes):
            if reason and not (reason == "white" and shaded):
                hidden.append((text, reason))
            else:
                line += text
        if line.strip():
            parts.append(line.strip())
    return " ".join(parts)


def _side_parts(package: Package, state: _State) -> None:
    """Headers, footers, notes and comments, each text once."""
    seen: set[str] = set()
    for name in sorted(package.names):
        matched = re.fullmatch(r"word/(header|footer|footnotes|endnotes|comments)\d*\.xml", name)
        root = package.xml(name) if matched else None
        if root is None or matched is None:
            continue
        _normalise(root)
        kind = matched.group(1) if matched.group(1) in ("header", "footer") else "paragraph"
        for paragraph in root.iter(f"{_W}p"):
            text = "".join(
                text for text, reason in _runs(paragraph, state.styles, state.boxes) if not reason
            ).strip()
            if text and text not in seen:
                seen.add(text)
                element(state.output, kind, text)
        if matched.group(1) == "comments" and len(list(root)):
            finding(state.output, "comments", "info", "the document carries reviewers' comments")
