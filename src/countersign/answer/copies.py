"""Two documents that are copies of each other but for some stretches: a changed version, or a doctored one.

Where most runs of four words of one passage are in the other, their words are aligned as a whole, across the ends of
sentences. A stretch that was put in the place of another one contradicts it, when it stands beside what was asked about
and holds a value of the kind that was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from countersign.answer.asked import AskedFor, Kind
from countersign.answer.twins import Words, comparable, names_one
from countersign.corpus.terms import found_in, is_stop_word

_RUN = 4
_LEAST_SHARED = 0.5
_LEAST_RUNS = 12
_MAX_SPAN = 12
_AROUND = 30
"""Words on either side in which the question's words are looked for."""
_LEAST_ASKED = 0.3
_MAX_WORD = 30


@dataclass(frozen=True, slots=True)
class Copy:
    """One passage as words, with its runs of four."""

    words: Words
    runs: frozenset[tuple[str, ...]]


def copy_of(words: Words) -> Copy:
    keys = words.keys
    return Copy(words, frozenset(keys[i : i + _RUN] for i in range(len(keys) - _RUN + 1)))


def copied(first: Copy, second: Copy) -> bool:
    """Whether one is, for the most part, the other."""
    least = min(len(first.runs), len(second.runs))
    return least >= _LEAST_RUNS and len(first.runs & second.runs) >= _LEAST_SHARED * least


def changed(
    first: Copy, second: Copy, asked: AskedFor, subjects: frozenset[str]
) -> list[tuple[tuple[int, int], str, str]]:
    """The changed stretches beside what was asked about: offsets in the first text, and what either says there.

    `subjects` are the stems of titles that one side alone is under: a change of them makes two subjects, no conflict.
    """
    mine, theirs = first.words, second.words
    if not asked.kind or names_one(mine.bag - theirs.bag, theirs.bag - mine.bag, asked.terms):
        return []
    if sum(found_in(term, mine.bag) for term in asked.terms) < _LEAST_ASKED * len(asked.terms):
        return []
    codes = SequenceMatcher(None, mine.keys, theirs.keys, autojunk=False).get_opcodes()
    found: list[tuple[tuple[int, int], str, str]] = []
    for tag, i1, i2, j1, j2 in codes:
        if tag != "replace" or max(i2 - i1, j2 - j1) > _MAX_SPAN:
            continue
        if subjects & {*mine.keys[i1:i2], *theirs.keys[j1:j2]}:
            continue
        values = mine.written(i1, i2), theirs.written(j1, j2)
        if _beside(mine.keys, i1, i2, asked) and _tells(
            mine.keys[i1:i2], theirs.keys[j1:j2], values, asked.kind
        ):
            found.append(((mine.spans[i1][0], mine.spans[i2 - 1][1]), *values))
    return found


def _beside(keys: Sequence[str], start: int, end: int, asked: AskedFor) -> bool:
    around = frozenset((*keys[max(0, start - _AROUND) : start], *keys[end : end + _AROUND]))
    return any(found_in(term, around) for term in asked.names or asked.terms)


def _tells(mine: Sequence[str], theirs: Sequence[str], values: tuple[str, str], kind: Kind) -> bool:
    if any(len(key) > _MAX_WORD for key in (*mine, *theirs)):  # an address or a checksum
        return False
    here, there = ({key for key in keys if not is_stop_word(key)} for keys in (mine, theirs))
    if not here or not there or here <= there or there <= here:
        return False
    return comparable(*values, kind) or (kind == "thing" and not here & there)
