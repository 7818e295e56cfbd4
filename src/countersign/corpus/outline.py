"""What a parser could not know from one place: heading paths, repeated page furniture, headings by type size.

Pure functions over validated values, so they run in the caller's process.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from countersign.corpus.language import detect
from countersign.domain.documents import Box, Element, ElementKind

_PAGE_NUMBER = re.compile(
    r"^(?:page|стр\.?|страница|бет|б\.)?[\s\-–—]*\d{1,5}(?:\s*(?:of|из|/|-дан|-тен)\s*\d{1,5})?[\s\-–—]*$",
    re.I,
)
_NUMBERED = re.compile(r"^(?:§\s*)?(\d{1,3}(?:\.\d{1,3})*)\.?\s+\S")
_NAMED = re.compile(
    r"^(?:(?:глава|раздел|статья|приложение|часть|параграф|chapter|section|article|appendix|annex|part|schedule|item)"
    r"\s+[\dIVXLC№]+|\d{1,3}\s*-\s*(?:бөлім|тарау|бап|қосымша|параграф)|(?:қосымша|бөлім|тарау)\s+\d+)\b",
    re.IGNORECASE,
)
_TOP, _BOTTOM = 0.11, 0.89


@dataclass(frozen=True, slots=True)
class PageBlock:
    """One block of a PDF page, validated. `size` is the height of a line in points."""

    kind: ElementKind
    text: str
    page: int
    box: Box
    size: float = 0.0
    bold: bool = False
    hidden: str = ""
    header_rows: int = 0
    lines: int = 1
    ocr_confidence: float | None = None


def elements_of(blocks: Sequence[PageBlock], pages: int) -> tuple[Element, ...]:
    """Typed elements of a paged document, with headings, headers and footers told apart."""
    furniture = _furniture(blocks, pages)
    levels = _heading_levels([block for block in blocks if _key(block) not in furniture])
    found: list[Element] = []
    for block in blocks:
        kind, level = block.kind, 0
        if not block.hidden and kind != "table":
            if _is_furniture(block, furniture):
                kind = "header" if (block.box[1] + block.box[3]) / 2 < 0.5 else "footer"
            elif id(block) in levels:
                kind, level = "heading", levels[id(block)]
        found.append(
            Element(
                kind, block.text, block.page, block.box, level=level, hidden_reason=block.hidden,
                header_rows=block.header_rows, ocr_confidence=block.ocr_confidence,
            )
        )  # fmt: skip
    return tuple(found)


def finished(elements: Iterable[Element]) -> tuple[Element, ...]:
    """The same elements with heading path and language filled in."""
    path: list[tuple[int, str]] = []
    done: list[Element] = []
    where = ""
    for element in elements:
        if (
            element.sheet.removesuffix(" notes") != where
        ):  # a heading holds within its own sheet or slide only
            where = element.sheet.removesuffix(" notes")
            path.clear()
        if element.kind == "heading" and not element.hidden_reason:
            level = element.level or 1
            while path and path[-1][0] >= level:
                path.pop()
        trail = tuple(text for _, text in path)
        done.append(replace(element, heading_path=trail, language=detect(element.text)))
        if element.kind == "heading" and not element.hidden_reason:
            path.append((element.level or 1, element.text[:200]))
    return tuple(done)


def _key(block: PageBlock) -> tuple[str, int]:
    return re.sub(r"\d+", "#", block.text.casefold())[:200], round(block.box[1] * 25)


def _edge(block: PageBlock) -> bool:
    return block.box[3] < _TOP or block.box[1] > _BOTTOM


def _furniture(blocks: Iterable[PageBlock], pages: int) -> set[tuple[str, int]]:
    seen: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
    for block in blocks:
        if _edge(block) and not block.hidden and len(block.text) < 300 and block.kind != "table":
            seen[_key(block)].add(block.page)
    least = max(3, round(0.2 * pages))
    return {key for key, where in seen.items() if len(where) >= least}


def _is_furniture(block: PageBlock, furniture: set[tuple[str, int]]) -> bool:
    if not _edge(block):
        return False
    return _key(block) in furniture or bool(_PAGE_NUMBER.match(block.text.strip()))


def _heading_levels(blocks: Sequence[PageBlock]) -> dict[int, int]:
    """id(block) → level for the blocks that look like headings."""
    plain = [block for block in blocks if block.kind in ("paragraph", "list_item") and not block.hidden]
    sizes: Counter[float] = Counter()
    bold_chars = 0
    for block in plain:
        sizes[round(block.size * 2) / 2] += len(block.text)
        bold_chars += len(block.text) if block.bold else 0
    if not sizes or all(block.size <= 0 for block in plain):
        return {}
    body = sizes.most_common(1)[0][0]
    bold_rare = bold_chars < 0.35 * sum(sizes.values())
    heads = [block for block in plain if _looks_like_heading(block, body, bold_rare)]
    ranks = sorted({round(block.size) for block in heads if block.size > 1.08 * body}, reverse=True)[:4]
    levels: dict[int, int] = {}
    for block in heads:
        level = ranks.index(round(block.size)) + 1 if round(block.size) in ranks else len(ranks) + 1
        numbered = _NUMBERED.match(block.text)
        depth = numbered.group(1).count(".") if numbered else 0
        levels[id(block)] = min(6, level + depth if round(block.size) not in ranks else level)
    return levels


def _looks_like_heading(block: PageBlock, body: float, bold_rare: bool) -> bool:
    text = block.text.strip()
    letters = sum(1 for char in text if char.isalpha())
    if not 3 <= len(text) <= 200 or block.lines > 3 or letters < 3 or block.size > 12 * body:
        return False
    if text.endswith((",", ";")) or (text.endswith(".") and len(text) > 60):
        return False
    if block.size >= 1.18 * body and block.ocr_confidence is None:
        return True
    if _NAMED.match(text) and block.lines <= 2 and len(text) <= 140 and not text.endswith("."):
        return True
    return (
        bold_rare
        and block.bold
        and block.size >= 0.93 * body
        and block.kind == "paragraph"
        and len(text) <= 140
    )
