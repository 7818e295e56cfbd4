"""Text, Markdown, CSV, JSON and XML, decoded by ourselves."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from typing import Any

from countersign.corpus.parsers import html
from countersign.corpus.parsers.decoding import decode, read_all
from countersign.corpus.parsers.records import MAX_CELLS, element, encoding_findings, finding, table
from countersign.corpus.zygote import Output, Refusal

_FENCE = re.compile(r"^\s{0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r"^\s{0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_ITEM = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)])\s+\S")
_RULE = re.compile(r"^\s*\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)*\|?\s*$")
_UNDERLINE = re.compile(r"^\s{0,3}(=+|-+)\s*$")
_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(<?([^)\s>]+)")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")


def parse(source: int, params: Mapping[str, Any], output: Output) -> None:
    """`kind` is text, markdown, csv, json, xml or html; `charset` what its carrier declared."""
    data = read_all(source)
    decoded = decode(data, str(params.get("charset", "")))
    output.record({"parser": "plain", "title": ""})
    encoding_findings(output, decoded, len(data))
    kind = params["kind"]
    text = decoded.text.replace("\r\n", "\n").replace("\r", "\n")
    readers = {
        "markdown": markdown,
        "csv": separated,
        "json": tree,
        "xml": markup,
        "html": html.emit,
        "text": paragraphs,
    }
    readers[str(kind)](text, output)


def paragraphs(text: str, output: Output) -> None:
    """Blank lines part paragraphs; a line that starts like a list item is one."""
    for part in re.split(r"\n[ \t]*(?:\n[ \t]*)+|\f", text):
        lines = part.split("\n")
        if len(lines) > 1 and sum(1 for line in lines if _ITEM.match(line)) >= 0.6 * len(lines):
            for item in _items(lines):
                element(output, "list_item", item)
        else:
            element(output, "paragraph", part)


def _items(lines: list[str]) -> list[str]:
    items: list[str] = []
    for line in lines:
        if _ITEM.match(line) or not items:
            items.append(line)
        else:
            items[-1] += "\n" + line
    return items


def markdown(text: str, output: Output) -> None:
    lines = text.split("\n")
    at = 0
    if lines and lines[0].strip() == "---":  # front matter
        end = next((i for i in range(1, min(len(lines), 200)) if lines[i].strip() == "---"), 0)
        if end:
            element(output, "paragraph", "\n".join(lines[1:end]))
            at = end + 1
    pending: list[str] = []
    while at < len(lines):
        used = _markdown_block(lines, at, pending, output)
        at += used
    paragraphs("\n".join(pending), output)
    html.links(dict.fromkeys(_LINK.findall(text)), _places(text), output)


def _places(text: str) -> set[str]:
    """What headings are called in links, as the usual viewers make it, and places that are named outright."""
    headings = [match.group(2).lower() for line in text.split("\n") if (match := _HEADING.match(line))]
    named = re.findall(r"""(?:id|name)=["']([^"']+)|\{#([^}\s]+)""", text)
    slugs = {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in headings}
    numbered = {f"{slug}-{n}" for slug in slugs for n in range(1, 10)}
    return slugs | numbered | {one or other for one, other in named}


def _markdown_block(lines: list[str], at: int, pending: list[str], output: Output) -> int:
    """Handle the block that starts at line `at`; returns how many lines it took."""
    line = lines[at]
    heading, fence = _HEADING.match(line), _FENCE.match(line)
    following = lines[at + 1] if at + 1 < len(lines) else ""
    if not heading and not fence and not ("|" in line and _RULE.match(following) and "|" in following):
        underlined = _UNDERLINE.match(following) if line.strip() and not pending else None
        if underlined and len(line.strip()) < 200:
            element(output, "heading", line.strip(), level=1 if "=" in following else 2)
            return 2
        if line.strip():
            pending.append(line)
        else:
            _emit_pending(pending, output)
        return 1
    _emit_pending(pending, output)
    if heading:
        element(output, "heading", heading.group(2), level=len(heading.group(1)))
        return 1
    if fence:
        end = next(
            (i for i in range(at + 1, len(lines)) if lines[i].strip().startswith(fence.group(1))), len(lines)
        )
        element(output, "code", "\n".join(lines[at + 1 : end]))
        return end - at + 1
    end = next((i for i in range(at, len(lines)) if "|" not in lines[i]), len(lines))
    rows = [_pipe_cells(row) for i, row in enumerate(lines[at:end]) if i != 1]
    table(output, rows, header_rows=1)
    return end - at


def _emit_pending(pending: list[str], output: Output) -> None:
    paragraphs("\n".join(pending), output)
    pending.clear()


def _pipe_cells(row: str) -> list[str]:
    return [cell.replace("\\|", "/") for cell in re.split(r"(?<!\\)\|", row.strip().strip("|"))]


def separated(text: str, output: Output) -> None:
    """CSV or TSV; the separator is the one that cuts the first lines most evenly."""
    lines = [line for line in text.split("\n")[:50] if line.strip()]
    delimiter = max(",;\t|", key=lambda sign: _evenness(lines, sign))
    csv.field_size_limit(1_000_000)
    rows: list[list[str]] = []
    cells = 0
    for row in csv.reader(io.StringIO(text), delimiter=delimiter):
        cells += len(row)
        if cells > MAX_CELLS:
            raise Refusal("refused_limit", "table_cells")
        rows.append([cell.replace("\n", " ") for cell in row])
    if rows and len({len(row) for row in rows if row}) > 1:
        finding(output, "uneven_table", "info", "rows have different numbers of cells")
    table(output, rows)


def _evenness(lines: list[str], sign: str) -> tuple[float, int]:
    counts = [line.count(sign) for line in lines]
    usual = max(set(counts), key=counts.count, default=0)
    return (counts.count(usual) / max(1, len(counts)) if usual else 0.0, usual)


def tree(text: str, output: Output) -> None:
    """JSON as one line for each value, `path: value`, grouped by the first two levels of the path."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise Refusal("refused_limit", "nesting") from None
    except ValueError:
        finding(output, "json_invalid", "warning", "not valid JSON: read as text")
        paragraphs(text, output)
        return
    group: list[str] = []
    head: tuple[str, ...] | None = None
    for path, leaf in _leaves(value, ()):
        if head is not None and (path[:2] != head or len(group) >= 40):
            element(output, "paragraph", "\n".join(group))
            group = []
        head = path[:2]
        group.append(f"{'.'.join(path)}: {leaf}" if path else leaf)
    element(output, "paragraph", "\n".join(group))


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    stack: list[tuple[Any, tuple[str, ...]]] = [(value, path)]
    while stack:
        current, where = stack.pop()
        if len(where) > 500:
            raise Refusal("refused_limit", "nesting")
        if isinstance(current, dict):
            stack += [(inner, (*where, str(name))) for name, inner in reversed(current.items())]
        elif isinstance(current, list):
            stack += [(inner, (*where, str(index))) for index, inner in reversed(list(enumerate(current)))]
        elif current is not None and current != "":
            yield where, str(current)


def markup(text: str, output: Output) -> None:
    """XML: the text of every element that holds text itself. A document type is never followed."""
    body = _DECLARATION.sub("", text, count=1)
    if "<!ENTITY" in body:
        finding(output, "xml_entities", "warning", "the file declares entities; they are not expanded")
        html.emit(re.sub(r"<!DOCTYPE.*?(?:\]\s*>|>)", "", body, count=1, flags=re.DOTALL), output)
        return
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - confined child, entities refused above
    except ElementTree.ParseError:
        finding(output, "xml_invalid", "info", "not well-formed XML: read as marked-up text")
        html.emit(body, output)
        return
    for node in root.iter():
        inner = [node.text or "", *((child.tail or "") for child in node)]
        element(output, "paragraph", "\n".join(part.strip() for part in inner if part.strip()))
