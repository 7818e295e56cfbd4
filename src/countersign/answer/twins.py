"""Two sentences of different documents that say the same in the same words but for one short stretch: one of them is
wrong, or out of date.

Words are aligned (Ratcliff and Obershelp, `difflib`); what was put in the place of something else is the difference.
A difference that the question names on one side only tells two subjects apart, and so do several differences: neither
is a contradiction.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import islice

from countersign.answer.asked import AskedFor, Kind
from countersign.corpus.terms import fold, found_in, is_stop_word, stem
from countersign.domain.documents import Language

_TOKEN = re.compile(r"\d+(?:[.,  ]\d+)*|\w+(?:['’]\w+)*")
"""Compounds are words apart: `action - romance` is `action-romance`."""
_LEAST_TOKENS = 6
_LEAST_COMMON = 5
_LEAST_CONTENT = 3
_LEAST_ALIKE = 0.75
_MAX_TOKENS = 160
_MAX_SPAN = 6
_MAX_DIFFERENCES = 3
_MAX_COMMON_WORDS = 4
_SUBJECT_TOKENS = 3
"""Where a sentence says what it speaks of; a difference there beside another one makes two subjects."""


@dataclass(frozen=True, slots=True)
class Words:
    """A sentence as words: as written, comparable, and as a set to compare quickly."""

    text: str
    spans: tuple[tuple[int, int], ...]
    keys: tuple[str, ...]
    bag: frozenset[str]

    def written(self, start: int, end: int) -> str:
        """The words from `start` up to `end` as they stand in the text."""
        return self.text[self.spans[start][0] : self.spans[end - 1][1]]


def words_of_sentence(text: str, language: Language, most: int = _MAX_TOKENS) -> Words:
    spans = tuple(match.span() for match in islice(_TOKEN.finditer(text), most))
    keys = tuple([_key(text[start:end], language) for start, end in spans])
    return Words(text, spans, keys, frozenset(keys))


@lru_cache(maxsize=65_536)
def _key(word: str, language: Language) -> str:
    folded = fold(word)
    return re.sub(r"[.,]00?$|[,  ]", "", folded) if folded[:1].isdigit() else stem(folded, language)


def difference(
    first: Words, second: Words, asked: AskedFor, subjects: frozenset[str]
) -> tuple[str, str] | None:
    """The stretch in which two sentences differ, as each has it; None where they do not differ so, or are not alike.

    `subjects` are the stems of titles and headings that one side alone is under.
    """
    if not _may_be_twins(first, second) or names_one(
        first.bag - second.bag, second.bag - first.bag, asked.terms
    ):
        return None
    codes = SequenceMatcher(None, first.keys, second.keys, autojunk=False).get_opcodes()
    common = [key for tag, i1, i2, _, _ in codes if tag == "equal" for key in first.keys[i1:i2]]
    replaced = _joined([code[1:] for code in codes if code[0] == "replace"])
    if not replaced or not _alike(first, second, common, replaced):
        return None
    found: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[str, str]] = {}
    two_subjects = False
    for i1, i2, j1, j2 in replaced:
        mine, theirs = _content(first.keys[i1:i2]), _content(second.keys[j1:j2])
        if not mine or not theirs or _same(mine, theirs):
            continue
        if max(i2 - i1, j2 - j1) > _MAX_SPAN:
            return None
        if subjects & {*mine, *theirs}:
            return None
        if i1 == j1 == 0 and mine[0].isdigit() and theirs[0].isdigit():  # the numbers of two lists
            continue
        two_subjects = two_subjects or (len(replaced) > 1 and min(i1, j1) < _SUBJECT_TOKENS)
        found.setdefault((mine, theirs), (first.written(i1, i2), second.written(j1, j2)))
    if len(found) > (1 if two_subjects else _MAX_DIFFERENCES):
        return None
    return next((pair for pair in found.values() if comparable(*pair, asked.kind)), None)


def _joined(replaced: Sequence[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Differences with one common word between them are one: `3 May 1902` and `5 May 1912`."""
    joined: list[tuple[int, int, int, int]] = []
    for i1, i2, j1, j2 in replaced:
        if joined and i1 - joined[-1][1] <= 1 and j1 - joined[-1][3] <= 1:
            joined[-1] = (joined[-1][0], i2, joined[-1][2], j2)
        else:
            joined.append((i1, i2, j1, j2))
    return joined


def _alike(
    first: Words, second: Words, common: Sequence[str], replaced: Sequence[tuple[int, int, int, int]]
) -> bool:
    """What is left of the shorter sentence without the differences is nearly all in the other one."""
    if len(common) < _LEAST_COMMON or len(frozenset(_content(common))) < _LEAST_CONTENT:
        return False
    mine = sum(i2 - i1 for i1, i2, _, _ in replaced)
    theirs = sum(j2 - j1 for _, _, j1, j2 in replaced)
    rest = min(len(first.keys) - mine, len(second.keys) - theirs)
    return len(common) >= _LEAST_ALIKE * rest


def comparable(mine: str, theirs: str, kind: Kind) -> bool:
    """Two values of one kind that could answer the question: figures, names, or (where one thing is asked for) words."""
    if _has_figure(mine) or _has_figure(theirs):
        return _has_figure(mine) and _has_figure(theirs)
    if kind in ("time", "figure"):
        return False
    if kind not in ("name", "thing") or _bare(mine) == _bare(theirs):
        return False
    if mine[:1].isupper() or theirs[:1].isupper():
        return _is_name(mine) and _is_name(theirs)
    return max(len(mine.split()), len(theirs.split())) <= _MAX_COMMON_WORDS


def _is_name(text: str) -> bool:
    return all(word[:1].isupper() for word in text.split() if not is_stop_word(fold(word)))


def _bare(text: str) -> str:
    return "".join(char for char in fold(text) if char.isalnum())


def _has_figure(text: str) -> bool:
    return any(map(str.isdigit, text))


def _may_be_twins(first: Words, second: Words) -> bool:
    if min(len(first.keys), len(second.keys)) < _LEAST_TOKENS or first.keys == second.keys:
        return False
    shared = len(first.bag & second.bag)
    return shared >= _LEAST_COMMON and shared >= 0.6 * min(len(first.bag), len(second.bag))


def _content(keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(key for key in keys if not is_stop_word(key))


def _same(mine: tuple[str, ...], theirs: tuple[str, ...]) -> bool:
    """One says what the other says, or more of it: `UN` and `the UN`, `in Almaty` and `in Almaty city`."""
    there, here = frozenset(theirs), frozenset(mine)
    return all(found_in(key, there) for key in mine) or all(found_in(key, here) for key in theirs)


def names_one(mine: frozenset[str], theirs: frozenset[str], asked: frozenset[str]) -> bool:
    """The question speaks of what one side alone says, so the other speaks of something else."""
    return bool(mine & asked) != bool(theirs & asked)
