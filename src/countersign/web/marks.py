"""An answer's text cut into what the page shows: sentences with their support, and citation numbers inside them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup, escape

from countersign.answer.excerpt import Marked
from countersign.domain.answers import Claim

_CODE = re.compile(r"`([^`]+)`")
_MARK = re.compile(r"\s?\[(\d{1,4})\]")
_BREAK = re.compile(r"[\t\n\r\x0b\x0c]+")
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
State = Literal["plain", "literal", "semantic", "none"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text; `n` is set where it is a citation mark instead."""

    text: str
    n: int = 0


@dataclass(frozen=True, slots=True)
class Sentence:
    """`plain` is text between claims, or text whose claims are no longer known (an edited answer)."""

    pieces: tuple[Piece, ...]
    state: State
    reasons: tuple[str, ...] = ()


def cut(text: str, claims: Sequence[Claim], numbers: Collection[int]) -> tuple[Sentence, ...]:
    """Joined together, the pieces are `text` again. Marks of numbers that are not ours stay text.

    A claim whose offsets do not fit the text (a reviewer has edited it) marks nothing: no mark is better than a wrong one.
    """
    sentences: list[Sentence] = []
    at = 0
    for claim in sorted(claims, key=lambda claim: claim.start):
        if claim.start < at or text[claim.start : claim.end] != claim.text:
            continue
        if claim.start > at:
            sentences.append(Sentence(tuple(_pieces(text[at : claim.start], numbers)), "plain"))
        state: State = claim.support if claim.supported else "none"
        sentences.append(Sentence(tuple(_pieces(claim.text, numbers)), state, claim.reasons))
        at = claim.end
    if at < len(text):
        sentences.append(Sentence(tuple(_pieces(text[at:], numbers)), "plain"))
    return tuple(sentences)


def _pieces(text: str, numbers: Collection[int]) -> Iterator[Piece]:
    at = 0
    for match in _MARK.finditer(text):
        n = int(match[1])
        if n not in numbers:
            continue
        if match.start() > at:
            yield Piece(text[at : match.start()])
        yield Piece(match[0], n)
        at = match.end()
    if at < len(text):
        yield Piece(text[at:])


def unmarked(text: str) -> str:
    """A sentence without its numbers, for where it is only quoted."""
    return _MARK.sub("", text)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A run of a passage; `is_asked` where it is a word that was searched for."""

    text: str
    is_asked: bool = False


def stretches(
    text: str, marked: Sequence[Marked], start: int = 0, end: int | None = None
) -> tuple[Stretch, ...]:
    """`text` from `start` to `end`, cut at its marked words; joined together the stretches are that text again."""
    end = len(text) if end is None else end
    found: list[Stretch] = []
    at = start
    for mark in marked:
        if mark.start < at or mark.end > end:
            continue
        if mark.start > at:
            found.append(Stretch(text[at : mark.start]))
        found.append(Stretch(text[mark.start : mark.end], is_asked=True))
        at = mark.end
    if at < end:
        found.append(Stretch(text[at:end]))
    return tuple(found)


def highlight(passage: str, quote: str) -> tuple[str, str, str]:
    """The passage before, inside and after the quote; an empty middle when the quote is not verbatim in it."""
    start = passage.find(quote) if quote else -1
    if start < 0:
        return passage, "", ""
    return passage[:start], quote, passage[start + len(quote) :]


def visible(text: str) -> str:
    """A name or a snippet from outside on one line: what a reader could not see, or what would turn the order of the
    letters round, is shown as a replacement character."""
    return _UNSEEN.sub("\ufffd", _BREAK.sub(" ", text))


def coded(text: str) -> Markup:
    """Our own words with what stands in `backticks` as code; everything else is escaped."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before
