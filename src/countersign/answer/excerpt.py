"""What of a passage to show at first: where the words of a query stand in it, and the sentences that hold most of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from countersign.corpus.sentences import split_sentences
from countersign.corpus.terms import content_terms, fold, found_in, is_stop_word, stem
from countersign.domain.documents import Language

_WORD = re.compile(r"\w+(?:[-'’]\w+)*")
_MAX_CHARS = 320


@dataclass(frozen=True, slots=True)
class Marked:
    """A word of the query in a text, by its offsets; `term` is the comparable form."""

    start: int
    end: int
    term: str


def marked_words(text: str, query: str, language: Language) -> tuple[Marked, ...]:
    """The words of `text` (in `language`) that `query` asks for, in other forms too; words without a meaning of their own
    are none. A query in another script finds what is spelled alike: names and figures."""
    wanted = frozenset([*content_terms(query, language), *content_terms(query, "ru")])
    found: list[Marked] = []
    for match in _WORD.finditer(text):
        word = fold(match.group())
        if is_stop_word(word):
            continue
        term = stem(word, language)
        if found_in(term, wanted):
            found.append(Marked(match.start(), match.end(), term))
    return tuple(found)


def excerpt(text: str, marked: Sequence[Marked], max_chars: int = _MAX_CHARS) -> tuple[int, int]:
    """Offsets of the run of whole sentences that holds most different marked words; a longer sentence is cut at a word."""
    spans = [(start, end) for start, end in split_sentences(text) if text[start:end].strip()]
    if not spans:
        return 0, min(len(text), max_chars)
    runs = [_run(spans, first, max_chars) for first in range(len(spans))]
    start, end = max(runs, key=lambda run: len({m.term for m in marked if run[0] <= m.start < run[1]}))
    if end - start > max_chars:
        start, end = _cut(text, start, end, marked, max_chars)
    return start, start + len(text[start:end].rstrip())


def _run(spans: Sequence[tuple[int, int]], first: int, max_chars: int) -> tuple[int, int]:
    start, end = spans[first]
    for _, following in spans[first + 1 :]:
        if following - start > max_chars:
            break
        end = following
    return start, end


def _cut(text: str, start: int, end: int, marked: Sequence[Marked], max_chars: int) -> tuple[int, int]:
    """Of one long sentence, from its first marked word on, as far as its end leaves room."""
    first = next((m.start for m in marked if start <= m.start < end), start)
    begin = max(start, min(first, end - max_chars))
    stop = text.rfind(" ", begin, begin + max_chars)
    return begin, stop if stop > begin else min(end, begin + max_chars)
