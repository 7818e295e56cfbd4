"""How a document is made: what in its shape makes it hard to answer from."""

from __future__ import annotations

from collections import Counter
from typing import Final

from countersign.corpus.readiness.phrases import phrase
from countersign.corpus.readiness.subject import Subject, note
from countersign.domain.documents import ParseStatus
from countersign.domain.readiness import ReadinessFinding

_LONG_PAGES: Final = 400
_LONG_CHARS: Final = 1_000_000
_TABLE_SHARE: Final = 0.6
_TABLE_CHARS: Final = 2_000
_BOILERPLATE_SHARE: Final = 0.5
_REPEATED_CHARS: Final = 40
_PICTURE_PAGE_CHARS: Final = 120
_READ: Final = frozenset({ParseStatus.OK, ParseStatus.PARTIAL})


def shape(subject: Subject) -> list[ReadinessFinding]:
    if subject.parsed.status not in _READ:
        return []
    return [*_tables(subject), *_pictures(subject), *_repeats(subject), *_length(subject), *_title(subject)]


def _chars(subject: Subject) -> int:
    return sum(len(element.text) for element in subject.shown)


def _tables(subject: Subject) -> list[ReadinessFinding]:
    total = _chars(subject)
    tables = sum(len(element.text) for element in subject.shown if element.kind == "table")
    if total < _TABLE_CHARS or tables < _TABLE_SHARE * total:
        return []
    return [note(subject, "table_heavy", phrase("share_in_tables", f"{tables / total:.0%}"))]


def _pictures(subject: Subject) -> list[ReadinessFinding]:
    """Pages with next to no text in a document of several."""
    pages = subject.parsed.pages or 0
    if pages < 3 or subject.parsed.status is ParseStatus.NEEDS_OCR:
        return []
    chars: Counter[int] = Counter()
    for element in subject.shown:
        if element.page is not None and element.kind not in ("header", "footer"):
            chars[element.page] += len(element.text)
    bare = [page for page in range(1, pages + 1) if chars[page] < _PICTURE_PAGE_CHARS]
    if len(bare) <= 0.5 * pages:
        return []
    return [
        note(subject, "image_only", phrase("bare_pages", len(bare), pages), page=bare[0], count=len(bare))
    ]


def _repeats(subject: Subject) -> list[ReadinessFinding]:
    total = _chars(subject)
    if total < 4 * _TABLE_CHARS:
        return []
    seen: Counter[str] = Counter()
    furniture = 0
    for element in subject.shown:
        if element.kind in ("header", "footer"):
            furniture += len(element.text)
        elif len(element.text) >= _REPEATED_CHARS:
            seen[element.text] += 1
    repeated = sum(len(text) * (count - 1) for text, count in seen.items())
    if repeated + furniture < _BOILERPLATE_SHARE * total:
        return []
    most = max(seen, key=lambda text: seen[text] * len(text), default="")
    return [note(subject, "boilerplate_heavy", most, count=seen[most] or 1)]


def _length(subject: Subject) -> list[ReadinessFinding]:
    pages, chars = subject.parsed.pages or 0, _chars(subject)
    if pages < _LONG_PAGES and chars < _LONG_CHARS:
        return []
    said = phrase("pages", pages) if pages >= _LONG_PAGES else phrase("characters", chars)
    return [note(subject, "very_long", said)]


def _title(subject: Subject) -> list[ReadinessFinding]:
    said = subject.document.title.strip()
    if subject.parsed.title or (said and said != subject.document.filename):
        return []
    return [note(subject, "title_missing", subject.document.filename)]
