"""HTML to elements, with what a reader would not see told apart (`hidden`)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import unquote

from countersign.corpus.parsers.records import element, finding, table
from countersign.corpus.zygote import Output

_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "center",
        "dd",
        "details",
        "dialog",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figure",
        "footer",
        "form",
        "header",
        "hr",
        "main",
        "nav",
        "ol",
        "p",
        "section",
        "summary",
        "title",
        "ul",
        "option",
        "label",
        "legend",
        "tbody",
        "thead",
        "tfoot",
        "caption",
        "figcaption",
        "br",
        "pre",
    ]
)
_VOID = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
    ]
)
_SKIPPED = frozenset(["script", "style", "noscript", "template", "svg", "math", "iframe", "object", "head"])
_HIDING = (
    (re.compile(r"display\s*:\s*none"), "display_none"),
    (re.compile(r"visibility\s*:\s*(?:hidden|collapse)"), "display_none"),
    (re.compile(r"opacity\s*:\s*0?(?:\.0\d*)?\s*(?:;|$|!)"), "transparent"),
    (
        re.compile(r"font-size\s*:\s*(?:0|[01](?:\.\d+)?px|[01](?:\.\d+)?pt|0?\.[0-2]\d*r?em)\s*(?:;|$|!)"),
        "tiny",
    ),
    (re.compile(r"(?:left|top|text-indent|margin-left|margin-top)\s*:\s*-\d{3,}"), "off_page"),
    (re.compile(r"clip\s*:\s*rect\(\s*0"), "off_page"),
)
_NO_HEIGHT = re.compile(r"(?<![-\w])height\s*:\s*0(?:px)?\s*(?:;|$|!)")
_CUT_OFF = re.compile(r"overflow\s*:\s*hidden")
_WHITE = re.compile(
    r"(?<![-\w])color\s*:\s*(?:white|#(?:fff|(?:f[\da-f]){3})|rgba?\(\s*255\s*,\s*255\s*,\s*255[^)]*\)|transparent)(?![\w-])"
)
_BACKGROUND = re.compile(
    r"background(?:-color|-image)?\s*:\s*(?!white|#fff(?:fff)?\b|transparent|none|inherit)"
)
_RULES = re.compile(r"([^{}]{1,400})\{([^{}]{0,2000})\}")
_SIMPLE = re.compile(r"^(?:[a-z0-9]+)?([.#][\w-]+)$")
MAX_DEPTH = 50_000
MAX_LINKS = 1_000
_ELSEWHERE = re.compile(r"^(?:[a-z][a-z0-9+.-]*:|//|[?{$<])", re.IGNORECASE)


@dataclass(slots=True)
class _Open:
    tag: str
    hidden: str = ""
    skipped: bool = False
    shaded: bool = False


@dataclass(slots=True)
class _Grid:
    rows: list[list[str]] = field(default_factory=list[list[str]])
    head: int = 0
    cell: list[str] | None = None
    header_cells: bool = True
    hidden: str = ""
    open_depth: int = 0
    spans: dict[int, int] = field(default_factory=dict[int, int])


def emit(text: str, output: Output) -> None:
    """Write the elements of an HTML page (or fragment)."""
    reader = _Reader(output)
    reader.hiding_rules(text)
    reader.feed(text)
    reader.close()
    reader.flush()
    links(reader.links, reader.places, output)


def links(found: Iterable[str], places: Collection[str], output: Output) -> None:
    """Tell relative links, and links to a place in this page that is not there. `#` and `#top` lead to its top."""
    kept: list[str] = []
    for link in found:
        if link.startswith("#"):
            if link.lower() not in ("#", "#top") and unquote(link[1:]) not in places and "=" not in link:
                kept.append(link[:300])
        elif not _ELSEWHERE.match(link):
            kept.append(link[:300])
    if kept:
        output.record({"links": kept[:200]})


class _Reader(HTMLParser):
    def __init__(self, output: Output) -> None:
        super().__init__(convert_charrefs=True)
        self._output = output
        self._stack: list[_Open] = []
        self._parts: list[str] = []
        self._part_hidden = ""
        self._grids: list[_Grid] = []
        self._kind, self._level = "paragraph", 0
        self._rules: dict[str, str] = {}
        self._pre = 0
        self._title: list[str] | None = None
        self._deep = False
        self.links: dict[str, None] = {}
        self.places: set[str] = set()

    def hiding_rules(self, text: str) -> None:
        """Simple class and id rules of the page's own style sheets that hide what they match."""
        for sheet in re.findall(r"<style[^>]*>(.*?)</style>", text, re.IGNORECASE | re.DOTALL)[:20]:
            for selectors, body in _RULES.findall(sheet[:200_000]):
                reason = _hiding(body.lower())
                for selector in selectors.split(",") if reason else ():
                    found = _SIMPLE.match(selector.strip().lower())
                    if found:
                        self._rules[found.group(1)] = reason

    # --- events

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: (value or "") for name, value in attrs}
        self.places.update(given[name] for name in ("id", "name") if given.get(name))
        if tag == "a" and given.get("href") and len(self.links) < MAX_LINKS:
            self.links[given["href"].strip()] = None
        if tag == "title":
            self._title = []
            return
        if tag in _VOID:
            self._void(tag)
            return
        if tag == "body" and self._stack and self._stack[-1].tag == "head":
            self._stack.pop()
        if tag in ("p", "li", "td", "th", "tr", "dt", "dd", "option"):
            self._close_implied(tag)
        self._push(tag, given)
        self._open_block(tag, given)

    def _void(self, tag: str) -> None:
        if tag == "br":
            self._parts.append("\n")
        elif tag == "hr":
            self.flush()

    def _close_implied(self, tag: str) -> None:
        scope = {"li": ("ul", "ol", "menu"), "td": ("tr", "table"), "th": ("tr", "table"), "tr": ("table",)}
        rivals = {"td": ("td", "th"), "th": ("td", "th"), "dt": ("dt", "dd"), "dd": ("dt", "dd")}.get(
            tag, (tag,)
        )
        for depth in range(1, min(len(self._stack), 12) + 1):
            open_tag = self._stack[-depth].tag
            if open_tag in rivals:
                for _ in range(depth):
                    self._pop()
                return
            if open_tag in scope.get(tag, ()) or (tag == "p" and open_tag in _BLOCKS) or open_tag == "table":
                return

    def _push(self, tag: str, given: dict[str, str]) -> None:
        above = self._stack[-1] if self._stack else _Open("")
        if len(self._stack) >= MAX_DEPTH:
            if not self._deep:
                finding(self._output, "deep_nesting", "warning", "elements are nested unusually deep")
            self._deep = True
            return
        style = given.get("style", "").lower()
        shaded = above.shaded or bool(_BACKGROUND.search(style)) or "bgcolor" in given
        hidden = above.hidden or self._reason(tag, given, style, shaded)
        if hidden != self._part_hidden and tag not in _SKIPPED:
            self._flush_text()
        self._stack.append(_Open(tag, hidden, above.skipped or tag in _SKIPPED, shaded))

    def _reason(self, tag: str, given: dict[str, str], style: str, shaded: bool) -> str:
        if "hidden" in given:
            return "display_none"
        names = [f"#{given['id'].lower()}"] if given.get("id") else []
        names += [f".{name}" for name in given.get("class", "").lower().split()]
        for name in names:
            if name in self._rules and not (self._rules[name] == "white" and shaded):
                return self._rules[name]
        reason = _hiding(style)
        if tag == "font" and given.get("color", "").lower() in ("white", "#fff", "#ffffff"):
            reason = "white"
        return "" if reason == "white" and shaded else reason

    def _open_block(self, tag: str, given: dict[str, str]) -> None:
        if self._stack and self._stack[-1].skipped:
            return
        if tag == "table":
            self.flush() if not self._grids else None
            self._grids.append(_Grid(hidden=self._stack[-1].hidden if self._stack else ""))
        elif self._grids and tag in ("tr", "td", "th"):
            self._open_cell(tag, given)
        elif re.fullmatch(r"h[1-6]", tag) and not self._grids:
            self.flush()
            self._kind, self._level = "heading", int(tag[1])
        elif tag == "li" and not self._grids:
            self.flush()
            self._kind = "list_item"
        elif tag == "pre":
            self.flush()
            self._pre += 1
            self._kind = "code"
        elif tag in _BLOCKS:
            if self._grids or (self._kind == "list_item" and tag in ("p", "div")):
                self._parts.append("\n")
            else:
                self.flush()
                self._kind = "caption" if tag in ("caption", "figcaption") else "paragraph"

    def _open_cell(self, tag: str, given: dict[str, str]) -> None:
        grid = self._grids[-1]
        if tag == "tr":
            self._end_cell()
            grid.rows.append([])
            grid.header_cells = True
            return
        self._end_cell()
        if not grid.rows:
            grid.rows.append([])
        row = grid.rows[-1]
        while grid.spans.get(len(row), 0) > 0 and len(row) < 1_000:
            grid.spans[len(row)] -= 1
            row.append("")
        rowspan, colspan = _span(given.get("rowspan")), _span(given.get("colspan"))
        for column in range(len(row), len(row) + colspan):
            if rowspan > 1:
                grid.spans[column] = rowspan - 1
        row.extend([""] * colspan)
        grid.cell = []
        grid.open_depth = colspan
        grid.header_cells = grid.header_cells and tag == "th"

    def _end_cell(self) -> None:
        grid = self._grids[-1]
        if grid.cell is None:
            return
        self._flush_text()
        row = grid.rows[-1]
        row[len(row) - grid.open_depth] = " ".join(" ".join(grid.cell).split())
        grid.cell = None

    def handle_endtag(self, tag: str) -> None:
        if tag == "title" and self._title is not None:
            self._output.record({"title": " ".join("".join(self._title).split())[:300]})
            self._title = None
            return
        for depth in range(1, min(len(self._stack), 200) + 1):
            if self._stack[-depth].tag == tag:
                for _ in range(depth):
                    self._pop()
                return

    def _pop(self) -> None:
        closed = self._stack.pop()
        if closed.skipped:
            return
        if self._stack and self._stack[-1].hidden != closed.hidden:
            self._flush_text()
        tag = closed.tag
        if tag == "table" and self._grids:
            self._end_table()
        elif self._grids and tag in ("td", "th"):
            self._end_cell()
        elif self._grids and tag == "tr":
            self._end_cell()
            grid = self._grids[-1]
            if grid.header_cells and grid.rows and grid.rows[-1] and grid.head == len(grid.rows) - 1:
                grid.head = len(grid.rows)
        elif tag == "pre":
            self.flush()
            self._pre = max(0, self._pre - 1)
        elif tag in _BLOCKS or tag == "li" or re.fullmatch(r"h[1-6]", tag):
            if self._grids:
                self._parts.append(" ")
            else:
                self.flush()

    def _end_table(self) -> None:
        self._end_cell()
        grid = self._grids.pop()
        if self._grids and self._grids[-1].cell is not None:
            self._grids[-1].cell.append(" ; ".join(" ".join(filter(None, row)) for row in grid.rows))
        else:
            table(self._output, grid.rows, header_rows=grid.head or None, hidden=grid.hidden)

    def handle_data(self, data: str) -> None:
        if self._title is not None:
            self._title.append(data)
            return
        top = self._stack[-1] if self._stack else _Open("")
        if top.skipped:
            return
        if top.hidden != self._part_hidden:
            self._flush_text()
            self._part_hidden = top.hidden
        self._parts.append(data if self._pre else re.sub(r"\s+", " ", data))

    # --- writing

    def _flush_text(self) -> None:
        """Hidden text becomes an element of its own; text of an open cell goes to the cell."""
        raw = "".join(self._parts)
        grid = self._grids[-1] if self._grids else None
        if grid is not None and not (self._part_hidden and not grid.hidden):
            if grid.cell is not None:
                grid.cell.append(raw)
        elif self._part_hidden:
            element(self._output, "paragraph", _tidy(raw), hidden=self._part_hidden)
        elif self._pre:
            element(self._output, "code", raw)
        else:
            element(self._output, self._kind, _tidy(raw), level=self._level)
        self._parts.clear()
        self._part_hidden = self._stack[-1].hidden if self._stack else ""

    def flush(self) -> None:
        """End the current block."""
        self._flush_text()
        self._kind, self._level = "paragraph", 0


def _tidy(raw: str) -> str:
    return "\n".join(line for line in (" ".join(part.split()) for part in raw.split("\n")) if line)


def _hiding(style: str) -> str:
    if not style:
        return ""
    for pattern, reason in _HIDING:
        if pattern.search(style):
            return reason
    if _CUT_OFF.search(style) and _NO_HEIGHT.search(style):
        return "off_page"
    return "white" if _WHITE.search(style) and not _BACKGROUND.search(style) else ""


def _span(value: str | None) -> int:
    return min(100, max(1, int(value))) if value and value.isdecimal() and len(value) < 5 else 1
