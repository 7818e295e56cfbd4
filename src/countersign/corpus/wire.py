"""What a parser child wrote, read as untrusted data: every field checked, anything odd left out."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from countersign.corpus.outline import PageBlock
from countersign.domain.documents import Attachment, Box, Element, ElementKind, Finding

_KINDS: Final = frozenset(get_args(ElementKind))
_CODE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_SEVERITIES: Final = ("info", "warning", "error")
MAX_ATTACHMENTS = 200
MAX_NAME = 300
MAX_LINKS = 200


@dataclass(slots=True)
class Reading:
    """Everything usable in a child's records."""

    elements: list[Element] = field(default_factory=list[Element])
    blocks: list[PageBlock] = field(default_factory=list[PageBlock])
    findings: list[Finding] = field(default_factory=list[Finding])
    attachments: list[Attachment] = field(default_factory=list[Attachment])
    title: str = ""
    mime: str = ""
    parser: str = ""
    pages: int | None = None
    restricted: bool = False
    unreadable_pages: set[int] = field(default_factory=set[int])
    needs_ocr: dict[int, float] = field(default_factory=dict[int, float])
    """Page → dots per inch of the picture on it, 0 when unknown."""
    pages_seen: set[int] = field(default_factory=set[int])
    chars: int = 0
    links: list[str] = field(default_factory=list[str])


def read(records: Iterable[Mapping[str, Any]], into: Reading) -> Reading:
    """Add `records` to `into`. Unknown keys are ignored, malformed values dropped."""
    for record in records:
        if "element" in record:
            _add_element(record["element"], into)
        elif "page" in record:
            _add_page(record, into)
        elif "finding" in record:
            _add_finding(record["finding"], into)
        elif "attachment" in record:
            _add_attachment(record["attachment"], into)
        elif "links" in record:
            _add_links(record["links"], into)
        else:
            _add_facts(record, into)
    return into


def clean(value: object, most: int = 0) -> str:
    """Text without control characters or lone surrogates; "" when it is not text."""
    if not isinstance(value, str):
        return ""
    text = _CONTROL.sub("", value)
    return text[:most] if most else text


def _number(value: object, low: float, high: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if low <= value <= high else None


def _whole(value: object, high: int) -> int:
    number = _number(value, 0, high)
    return int(number) if number is not None else 0


def _box(value: object) -> Box | None:
    if not isinstance(value, list) or len(value) != 4:
        return None
    numbers = [_number(part, -10, 10) for part in value]
    x0, y0, x1, y1 = (min(1.0, max(0.0, n)) if n is not None else -1.0 for n in numbers)
    return (x0, y0, x1, y1) if 0 <= x0 <= x1 and 0 <= y0 <= y1 else None


def _add_element(value: object, into: Reading) -> None:
    if not isinstance(value, dict) or value.get("kind") not in _KINDS:
        return
    text = clean(value.get("text"))
    if not text.strip():
        return
    into.chars += len(text)
    page = _whole(value.get("page"), 1_000_000) or None
    into.elements.append(
        Element(
            value["kind"], text, page, _box(value.get("box")) if page else None,
            level=_whole(value.get("level"), 9), ocr_confidence=_number(value.get("ocr_confidence"), 0, 1),
            hidden_reason=_code(value.get("hidden")), header_rows=_whole(value.get("header_rows"), 1_000),
            sheet=clean(value.get("sheet"), MAX_NAME),
        )
    )  # fmt: skip


def _code(value: object) -> str:
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""


def _add_page(record: Mapping[str, Any], into: Reading) -> None:
    number = _whole(record.get("page"), 1_000_000)
    if number == 0:
        return
    into.pages_seen.add(number)
    if record.get("unreadable"):
        into.unreadable_pages.add(number)
    if record.get("needs_ocr") is True:
        into.needs_ocr[number] = _number(record.get("image_dpi"), 0, 2400) or 0.0
    blocks = record.get("blocks")
    for value in blocks if isinstance(blocks, list) else []:
        block = _block(value, number)
        if block is not None:
            into.chars += len(block.text)
            into.blocks.append(block)


def _block(value: object, page: int) -> PageBlock | None:
    if not isinstance(value, dict) or value.get("kind") not in ("paragraph", "list_item", "table"):
        return None
    text, box = clean(value.get("text")), _box(value.get("box"))
    if not text.strip():
        return None
    return PageBlock(
        value["kind"], text, page, box or (0.0, 0.0, 1.0, 1.0), _number(value.get("size"), 0, 10_000) or 0.0,
        value.get("bold") is True, _code(value.get("hidden")), _whole(value.get("header_rows"), 1_000),
        _whole(value.get("lines"), 10_000), _number(value.get("ocr_confidence"), 0, 1),
    )  # fmt: skip


def _add_finding(value: object, into: Reading) -> None:
    if isinstance(value, dict) and _code(value.get("code")) and value.get("severity") in _SEVERITIES:
        message, evidence = clean(value.get("message"), 300), clean(value.get("evidence"), 200)
        page = _whole(value.get("page"), 1_000_000) or None
        into.findings.append(Finding(value["code"], value["severity"], message, page, evidence))


def _add_attachment(value: object, into: Reading) -> None:
    if not isinstance(value, dict) or len(into.attachments) >= MAX_ATTACHMENTS:
        return
    try:
        content = base64.b64decode(str(value.get("content", "")), validate=True)
    except (binascii.Error, ValueError):
        return
    name = (
        re.sub(r"[/\\\x00-\x1f\x7f]", "_", clean(value.get("filename"), MAX_NAME)).strip(". ") or "attachment"
    )
    mime = clean(value.get("mime"), 100)
    into.attachments.append(Attachment(name, mime if "/" in mime else "application/octet-stream", content))


def _add_links(value: object, into: Reading) -> None:
    found = [clean(link, MAX_NAME) for link in value] if isinstance(value, list) else []
    into.links.extend(link for link in found[: MAX_LINKS - len(into.links)] if link)


def _add_facts(record: Mapping[str, Any], into: Reading) -> None:
    into.title = into.title or clean(record.get("title"), 300).strip()
    into.mime = into.mime or clean(record.get("mime"), 100)
    into.parser = into.parser or clean(record.get("parser"), 60)
    if isinstance(record.get("pages"), int) and into.pages is None:
        into.pages = _whole(record["pages"], 10_000_000)
    into.restricted = into.restricted or record.get("restricted") is True
