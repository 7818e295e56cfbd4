"""Structure-aware chunks over typed elements.

A chunk is a run of whole elements of one section, near `target` tokens and never over `maximum` (a table row wider than
that is the one thing that is cut). A heading never ends a chunk, a table's header rows open each of its pieces, no row is
cut, and every shown character of the document is in some chunk. Method: `parsing` measurements, own prototype.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from countersign.domain.documents import Box, Chunk, Element, ParsedDocument

CountTokens = Callable[[Sequence[str]], list[int]]
CHARS_PER_TOKEN = 3.0
_SENTENCE_END = re.compile(r"(?<=[.!?…;])\s+|\n+")
_SMALL_SHARE = 0.25
"""A section under this share of the target may be joined with the next one of the same parent."""
_SIDE = ("header", "footer")
UNITS = re.compile(
    r"\b(?:in|expressed in|amounts? in|figures in)\s+(?:[\w.]+\s+)?(?:thousands|millions|billions|dollars|tenge|percent)|"
    r"\b(?:тыс|млн|млрд)\b\.?\s*(?:тенге|тг|руб|долл|евро|₸|\$)|\bв\s+(?:тысячах|миллионах|миллиардах|тенге|процентах)|"
    r"\b(?:мың|млн|млрд)\s*(?:теңге|тг|₸)|\bтеңгемен\b|[$€₸]\s*(?:000|m|mln|bn)\b|\bединиц\w* измерения|\bөлшем бірлі",
    re.IGNORECASE,
)
_MAX_UNITS_CHARS = 160
_UNITS_REACH = 2
"""How many elements before a table may say its units."""


def estimate_tokens(texts: Sequence[str]) -> list[int]:
    """Tokens by length: about three characters each over Kazakh, Russian and English."""
    return [math.ceil(len(text) / CHARS_PER_TOKEN) for text in texts]


@dataclass(slots=True)
class _Piece:
    """An element or a part of one that is not cut any more."""

    element: Element
    text: str
    tokens: int
    is_table: bool = False


@dataclass(slots=True)
class _Open:
    """The chunk being filled."""

    pieces: list[_Piece] = field(default_factory=list[_Piece])
    tokens: int = 0

    @property
    def only_headings(self) -> bool:
        return all(piece.element.kind == "heading" for piece in self.pieces)


class StructureChunker:
    """`Chunker` with a token counter of the embedding model's (`counter_id` names it in the index version)."""

    def __init__(
        self,
        target: int = 220,
        maximum: int = 300,
        count_tokens: CountTokens = estimate_tokens,
        counter_id: str = "chars3",
    ) -> None:
        if not 16 <= target <= maximum:
            raise ValueError("target must be at least 16 tokens and not over maximum")
        self._target, self._maximum = target, maximum
        self._count = count_tokens
        self._counter_id = counter_id

    @property
    def settings_id(self) -> str:
        return f"structure-2/{self._target}-{self._maximum}/{self._counter_id}"

    def chunk(self, document: ParsedDocument, title: str) -> tuple[Chunk, ...]:
        """Chunks in reading order; hidden elements never enter one."""
        groups = list(self._groups(self._pieces(document.elements)))
        texts = ["\n".join(piece.text for piece in group) for group in groups]
        counts = self._count(texts) if texts else []
        return tuple(
            _chunk(ordinal, group, text, tokens, title)
            for ordinal, (group, text, tokens) in enumerate(zip(groups, texts, counts, strict=True))
        )

    def _pieces(self, elements: Iterable[Element]) -> list[_Piece]:
        """Everything shown, cut where it is too long; page headers and footers once, at the end."""
        shown = [e for e in elements if not e.hidden_reason and e.text.strip()]
        body = [e for e in shown if e.kind not in _SIDE]
        sides = {(" ".join(e.text.split())): e for e in reversed(shown) if e.kind in _SIDE}
        ordered = [*body, *reversed(sides.values())]
        counts = self._count([element.text for element in ordered]) if ordered else []
        pieces: list[_Piece] = []
        for place, (element, tokens) in enumerate(zip(ordered, counts, strict=True)):
            units = _units_of(ordered, place) if element.kind == "table" else ""
            if units:
                pieces += self._table_pieces(element, units)
            elif tokens <= self._maximum:
                pieces.append(_Piece(element, element.text, tokens, element.kind == "table"))
            elif element.kind == "table":
                pieces += self._table_pieces(element)
            else:
                pieces += [
                    _Piece(element, text, size) for text, size in self._split(element.text, self._target)
                ]
        return pieces

    # --- cutting

    def _table_pieces(self, element: Element, units: str = "") -> Iterator[_Piece]:
        """Whole rows under repeated header rows, all under the line that says the units."""
        rows = element.text.split("\n")
        head = element.header_rows
        if units:
            rows, head = [units, *rows], head + 1
        counts = [count + 1 for count in self._count(rows)]
        if sum(counts[:head]) > self._maximum // 3 or head >= len(rows):
            head = 0  # a header that fills the piece is a row like the others
        top, top_tokens = rows[:head], sum(counts[:head])
        current: list[str] = []
        used = top_tokens
        for row, tokens in zip(rows[head:], counts[head:], strict=True):
            room = self._maximum - top_tokens
            if tokens > room:
                if current:
                    yield self._table_piece(element, [*top, *current])
                for part, _ in self._split(row, max(8, room - 1)):
                    yield self._table_piece(element, [*top, part])
                current, used = [], top_tokens
                continue
            if current and used + tokens > self._maximum:
                yield self._table_piece(element, [*top, *current])
                current, used = [], top_tokens
            current.append(row)
            used += tokens
        if current:
            yield self._table_piece(element, [*top, *current])

    def _table_piece(self, element: Element, rows: Sequence[str]) -> _Piece:
        text = "\n".join(rows)
        return _Piece(element, text, self._count([text])[0], is_table=True)

    def _split(self, text: str, size: int) -> Iterator[tuple[str, int]]:
        """Consecutive slices of `text` of at most `size` tokens: at sentence ends, else at spaces, else anywhere."""
        parts = list(self._small_parts(text, size))
        counts = self._count(parts)
        current, used = "", 0
        for part, tokens in zip(parts, counts, strict=True):
            if current and used + tokens > size:
                yield current, used
                current, used = "", 0
            current += part
            used += tokens
        if current:
            yield current, used

    def _small_parts(self, text: str, size: int) -> Iterator[str]:
        sentences = _kept(text, _SENTENCE_END)
        for sentence, tokens in zip(sentences, self._count(sentences), strict=True):
            if tokens <= size:
                yield sentence
                continue
            words = _kept(sentence, re.compile(r"\s+"))
            for word, length in zip(words, self._count(words), strict=True):
                if length <= size:
                    yield word
                else:
                    step = max(1, len(word) * size // (2 * length))
                    yield from (word[at : at + step] for at in range(0, len(word), step))

    # --- joining

    def _groups(self, pieces: Sequence[_Piece]) -> Iterator[list[_Piece]]:
        current = _Open()
        for piece in pieces:
            if current.pieces and self._must_part(current, piece):
                kept = _trailing_headings(current) if not current.only_headings else []
                if current.pieces:
                    yield current.pieces
                current = _Open(kept, sum(p.tokens + 1 for p in kept))
                if kept and current.tokens + piece.tokens > self._maximum:
                    yield current.pieces
                    current = _Open()
            current.pieces.append(piece)
            current.tokens += piece.tokens + 1
        if current.pieces:
            yield current.pieces

    def _must_part(self, current: _Open, piece: _Piece) -> bool:
        if current.tokens + piece.tokens > self._maximum:
            return True
        last = current.pieces[-1]
        if (last.element.kind in _SIDE) != (
            piece.element.kind in _SIDE
        ) or last.element.sheet != piece.element.sheet:
            return True
        if current.only_headings:
            return False
        if piece.element.kind == "heading":
            small = current.tokens < _SMALL_SHARE * self._target
            return not (small and piece.element.heading_path == _section(current))
        if last.is_table or (piece.is_table and current.tokens + piece.tokens > self._target):
            return True
        return current.tokens + piece.tokens > self._target and last.element.kind not in (
            "heading",
            "caption",
        )


def _units_of(elements: Sequence[Element], place: int) -> str:
    """The line before a table, on its page or sheet, that says what its figures are in; empty when it says so itself."""
    table = elements[place]
    top = "\n".join(table.text.split("\n")[: max(1, table.header_rows)])
    if UNITS.search(top):
        return ""
    for before in reversed(elements[max(0, place - _UNITS_REACH) : place]):
        if before.kind == "table" or (before.page, before.sheet) != (table.page, table.sheet):
            break
        line = " ".join(before.text.split())
        if len(line) <= _MAX_UNITS_CHARS and UNITS.search(line):
            return line
    return ""


def _kept(text: str, separator: re.Pattern[str]) -> list[str]:
    """`text` cut behind each separator, nothing left out."""
    parts: list[str] = []
    at = 0
    for found in separator.finditer(text):
        if found.end() > at:
            parts.append(text[at : found.end()])
            at = found.end()
    if at < len(text):
        parts.append(text[at:])
    return parts


def _section(current: _Open) -> tuple[str, ...]:
    """The parent path of the section that the chunk is in."""
    for piece in current.pieces:
        if piece.element.kind == "heading":
            return piece.element.heading_path
    return current.pieces[-1].element.heading_path[:-1]


def _trailing_headings(current: _Open) -> list[_Piece]:
    """Take the headings off the end of a chunk: they belong to what follows."""
    kept: list[_Piece] = []
    while current.pieces and current.pieces[-1].element.kind == "heading":
        kept.insert(0, current.pieces.pop())
    return kept


def _chunk(ordinal: int, group: Sequence[_Piece], text: str, tokens: int, title: str) -> Chunk:
    elements = [piece.element for piece in group]
    content = [element for element in elements if element.kind != "heading"]
    path = _common([_path(element) for element in (content or elements)])
    pages = [element.page for element in elements if element.page is not None]
    boxes: list[tuple[int, Box]] = []
    for element in elements:
        if element.page is not None and element.box is not None and (element.page, element.box) not in boxes:
            boxes.append((element.page, element.box))
    sizes = Counter[str]()
    for element in elements:
        sizes[element.language] += len(element.text) if element.language != "und" else 0
    language = max(sizes, key=lambda name: sizes[name]) if any(sizes.values()) else "und"
    recognised = [(e.ocr_confidence, len(e.text)) for e in elements if e.ocr_confidence is not None]
    confidence = (
        sum(c * n for c, n in recognised) / max(1, sum(n for _, n in recognised)) if recognised else None
    )
    head = [part for part in dict.fromkeys((title.strip(), *path)) if part]
    return Chunk(
        ordinal, text, "\n".join([*head, text]), min(pages, default=None), max(pages, default=None), tuple(boxes), path,
        elements[0].sheet, language, tokens, any(piece.is_table for piece in group),
        round(confidence, 3) if confidence is not None else None,
    )  # fmt: skip


def _path(element: Element) -> tuple[str, ...]:
    return (*element.heading_path, element.text) if element.kind == "heading" else element.heading_path


def _common(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    shared: list[str] = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return tuple(shared)
