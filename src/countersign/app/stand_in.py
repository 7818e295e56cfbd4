"""Pages that a server sends in the place of documents: what was there before stays, and the pass tells of it.

A page is one by its own words, by its place (no PDF begins as HTML does), or because documents that differed until now
suddenly show one and the same. A document that was never there before is left to the readiness checks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from countersign.domain.documents import SourceDocument
from countersign.domain.errors import SourceError
from countersign.sources.connector import Listed
from countersign.sources.error_page import asks_to_sign_in, is_never_html, looks_html
from countersign.sources.web_page import Page, read_page

ERROR_PAGE: Final = "source_error_page"
ACCEPTED: Final = "error_page"
"""The readiness code by which somebody says of a document that it is the document after all."""
_MAX_PAGE: Final = 256 * 1024
"""Bytes; such pages are shorter, and some hundreds of them are kept for a moment."""
_ALIKE: Final = 3


@dataclass(frozen=True, slots=True)
class Came:
    """What was read of one document; `before` is the sha256 of the content that is there, empty for a new one."""

    item: Listed
    content: bytes
    before: str


class StandIns:
    """For one pass: a page that was recognised once is recognised at every other document."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def is_doubtful(self, came: Came) -> bool:
        """Whether others must be seen before this can be believed. Raises `SourceError` (`source_error_page`)."""
        document, content = came.item.document, came.content
        if not looks_html(content):
            return False
        if is_never_html(document.filename):
            raise _stands_in(document)
        if len(content) > _MAX_PAGE or not (came.before or self._known):
            return False
        if came.before == sha256(content).hexdigest():
            return False
        page = read_page(content, "", document.external_id)
        if came.before and _says_so(page):
            raise _stands_in(document)
        if _likeness(page, document) in self._known:
            raise _stands_in(document)
        return bool(came.before)

    def alike(self, doubtful: Sequence[Came]) -> Iterator[tuple[Came, bool]]:
        """Each with whether it is a page that came for several documents which differed before."""
        groups: defaultdict[str, set[str]] = defaultdict(set)
        by_likeness = [(_likeness_of(came), came) for came in doubtful]
        for likeness, came in by_likeness:
            groups[likeness].add(came.before)
        self._known |= {likeness for likeness, before in groups.items() if len(before) >= _ALIKE}
        for likeness, came in by_likeness:
            yield came, likeness in self._known


def _says_so(page: Page) -> bool:
    return page.is_error() or (page.asks_for_password and asks_to_sign_in(page.heads, page.text))


def _likeness_of(came: Came) -> str:
    document = came.item.document
    return _likeness(read_page(came.content, "", document.external_id), document)


def _likeness(page: Page, document: SourceDocument) -> str:
    return page.likeness(document.external_id)


def _stands_in(document: SourceDocument) -> SourceError:
    return SourceError(
        f"{document.external_id}: the source sent an error page or a sign-in page in its place",
        code=ERROR_PAGE,
        hint="Look whether its sign-in expired; what was there before still answers. If it is the document after all, "
        "accept `error_page` for it.",
    )
