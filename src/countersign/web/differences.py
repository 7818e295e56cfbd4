"""Two sentences side by side: which of their figures, dates and words differ, so that the eye finds them at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

_SPACES = "[ \u00a0\u202f\u2009]"
_FIGURE = rf"\d{{1,3}}(?:{_SPACES}\d{{3}})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,:/\-]\d+)*"
_TOKEN = re.compile(rf"(?P<figure>{_FIGURE})|\w+|\s+|[^\w\s]")
_THOUSANDS = re.compile(rf"(?:{_SPACES}|[.,])(?=\d{{3}}(?!\d))")
_ZEROS = re.compile(r"[.,]0+$")
_ALIKE = 0.6
"""From this share of common words on, two texts are versions of one sentence and every differing word is marked."""


@dataclass(frozen=True, slots=True)
class Part:
    """A run of text; `differs` when the other side does not say the same."""

    text: str
    differs: bool = False


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    value: str
    """What is compared: a figure without its separators of thousands, a word in small letters; empty for spaces."""
    is_figure: bool = False


def differing(text: str, other: str) -> tuple[Part, ...]:
    """`text` cut into parts; joined together they are `text` again. `1,290` and `1 290` are the same figure."""
    mine, theirs = list(_tokens(text)), list(_tokens(other))
    figures = {token.value for token in theirs if token.is_figure}
    marked = [token.is_figure and token.value not in figures for token in mine]
    matcher = SequenceMatcher(None, _values(mine), _values(theirs), autojunk=False)
    if matcher.ratio() >= _ALIKE:
        words = [index for index, token in enumerate(mine) if token.value]
        for tag, start, end, _, _ in matcher.get_opcodes():
            if tag != "equal":
                for index in words[start:end]:
                    marked[index] |= mine[index].value.isalnum() and not mine[index].is_figure
    return tuple(_joined(mine, marked))


def _tokens(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        said = match[0]
        if match["figure"]:
            yield _Token(said, _ZEROS.sub("", _THOUSANDS.sub("", said)), is_figure=True)
        else:
            yield _Token(said, said.lower().strip())


def _values(tokens: list[_Token]) -> list[str]:
    return [token.value for token in tokens if token.value]


def _joined(tokens: list[_Token], marked: list[bool]) -> Iterator[Part]:
    """Neighbours of one kind become one part; a space between two marked words is marked with them."""
    for index in range(1, len(tokens) - 1):
        if not tokens[index].value and marked[index - 1] and marked[index + 1]:
            marked[index] = True
    run, differs = "", False
    for token, is_marked in zip(tokens, marked, strict=True):
        if is_marked != differs and run:
            yield Part(run, differs)
            run = ""
        run, differs = run + token.text, is_marked
    if run:
        yield Part(run, differs)
