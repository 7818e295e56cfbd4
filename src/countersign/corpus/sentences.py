"""Sentences of Kazakh, Russian and English text, with offsets: every character belongs to exactly one sentence.

Rules, not a model: terminators, abbreviations, initials, decimals, list items and table rows. A row of a table (cells
joined by ` | `) is a sentence of its own; citation marks after a full stop stay with the sentence they end.
"""

from __future__ import annotations

import re
from itertools import pairwise

Span = tuple[int, int]

# Never end a sentence: something must follow them.
_LEADING_TEXT = (
    "см ср им ул просп пер кв оф г-н г-жа проф акад mr mrs ms dr prof vs e.g i.e cf approx "
    "т.е т.н т.к в.т.ч ред изд мыс қар көш даңғ"
)
_LEADING = frozenset(_LEADING_TEXT.split())
# Do not end one when a number follows.
_NUMBERED_TEXT = "ст п пп подп ч гл рис табл стр с д no nos art sec fig para бап тарм б"
_NUMBERED = frozenset(_NUMBERED_TEXT.split())
# May end a sentence: they do when a capital letter follows.
_TRAILING_TEXT = (
    "г гг ж жж т.д т.п т.б др пр т.ч млн млрд трлн тыс руб тг тнг коп мин сек ч.м etc inc ltd co corp jr a.m p.m "
    "н.э б.з мың экз чел"
)
_TRAILING = frozenset(_TRAILING_TEXT.split())
_MARKS = r"(?:\s*(?:\[\^?\d+(?:\s*[,;–-]\s*\d+)*\]|【\d+[^】\n]{0,40}】))*"
_END = re.compile(r"(?<![.!?…。])[.!?…。]++[\"»”’'\)\]]*" + _MARKS + r"(?=\s|$)")
_WORD_BEFORE = re.compile(r"[^\s(«\"“\[]+$")
_LIST_ITEM = re.compile(
    r"\s*(?:[-–—•·*▪●]\s|\(?\d{1,3}[.)]\s|\d{1,2}(?:\.\d{1,2}){1,3}\.?\s|[a-zа-яәіңғүұқөһ]\)\s)",
    re.IGNORECASE,
)
_LIST_NUMBER = re.compile(
    r"\s*\(?(?:\d{1,3}|[A-Za-zА-Яа-я]|[ivxIVX]{1,4})\.$|\s*\d{1,2}(?:\.\d{1,2}){1,3}\.$"
)
_SHORT_LINE = 60


def is_table_row(line: str) -> bool:
    return " | " in line


def split_sentences(text: str) -> tuple[Span, ...]:
    """Offsets `(start, end)` that tile the whole text; white space belongs to the sentence before it."""
    cuts = sorted({0, *_line_cuts(text), *_stop_cuts(text), len(text)})
    spans = [(start, end) for start, end in pairwise(cuts) if end > start]
    return tuple(_without_blank(text, spans))


def sentences(text: str) -> tuple[str, ...]:
    """The sentences themselves, trimmed, without empty ones."""
    return tuple(part for start, end in split_sentences(text) if (part := text[start:end].strip()))


def _without_blank(text: str, spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in spans:
        before = merged[-1] if merged else None
        if before and not (text[start:end].strip() and text[before[0] : before[1]].strip()):
            merged[-1] = (before[0], end)
        else:
            merged.append((start, end))
    return merged


def _line_cuts(text: str) -> list[int]:
    cuts: list[int] = []
    position = 0
    lines = text.splitlines(keepends=True)
    for line, following in pairwise(lines):
        position += len(line)
        if _line_ends_sentence(line.strip(), following):
            cuts.append(position)
    return cuts


def _line_ends_sentence(line: str, following: str) -> bool:
    nxt = following.strip()
    if not line or not nxt or is_table_row(line) or is_table_row(nxt) or _LIST_ITEM.match(following):
        return True
    if nxt[0].islower():
        return False
    return len(line) < _SHORT_LINE or line[-1] in ".!?…:;"


def _stop_cuts(text: str) -> list[int]:
    return [
        match.end() for match in _END.finditer(text) if _stop_ends_sentence(text, match.start(), match.end())
    ]


def _stop_ends_sentence(text: str, stop: int, end: int) -> bool:
    if text[stop] != "." or text[stop : stop + 2] == "..":
        return True
    line_start = text.rfind("\n", 0, stop) + 1
    if _LIST_NUMBER.fullmatch(text[line_start : stop + 1]):
        return False
    rest = text[end:].lstrip()
    if rest and (rest[0].islower() or rest[0] in ",;:"):
        return False
    found = _WORD_BEFORE.search(text[max(0, stop - 24) : stop])
    return found is None or _word_ends_sentence(found.group(), text[:stop], rest)


def _word_ends_sentence(word: str, before: str, rest: str) -> bool:
    bare = word.casefold().strip('([«"')
    if bare in ("г", "ж") and not re.search(r"\d\s*$", before[: len(before) - len(word)]):
        return False  # a town (г. Алматы), not a year (2024 г.)
    if bare in _TRAILING:
        return not rest or rest[0].isupper() or rest[0] in '«"“[('
    if bare in _LEADING or (bare in _NUMBERED and rest[:1].isdigit()):
        return False
    return not (len(bare) == 1 and word.isupper() and word.isalpha())
