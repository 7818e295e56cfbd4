"""Names across scripts: a Latin consonant skeleton on which Kazakh, Russian and English spellings of a name agree."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from countersign.corpus.terms import fold

_CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюяәіңғүұқөһё"
_LATIN = "a b v g d e zh z i i k l m n o p r s t u f h ts ch sh sh . y . e yu ya a i n g u u k o h e"
_LETTERS = dict(zip(_CYRILLIC, _LATIN.split(), strict=True))
_MERGE = (
    (re.compile(r"shch|sch|tch"), "S"),
    (re.compile(r"zh|dj|dzh|j"), "Z"),
    (re.compile(r"ch"), "C"),
    (re.compile(r"sh"), "S"),
    (re.compile(r"kh|gh|q|x|g|h"), "k"),
    (re.compile(r"ts|c"), "s"),
    (re.compile(r"ph"), "f"),
    (re.compile(r"w|v|b"), "v"),
    (re.compile(r"[.aeiouy'’\-]"), ""),
)


_CASE_CONSONANTS = frozenset("dtnkmlp")


def latin(word: str) -> str:
    """A plain Latin spelling of a folded Cyrillic word; Latin letters stay."""
    return "".join(_LETTERS.get(char, char) for char in fold(word)).replace(".", "")


@lru_cache(maxsize=65_536)
def skeleton(word: str) -> str:
    """Consonants only, look-alike sounds merged (`Қазақстан`, `Казахстан` and `Kazakhstan` agree), doubles single."""
    text = latin(word)
    first_vowel = text[:1] if text[:1] in "aeiouy" else ""
    for pattern, replacement in _MERGE:
        text = pattern.sub(replacement, text)
    return ("A" if first_vowel else "") + re.sub(r"(.)\1+", r"\1", text)


class Names:
    """Words to look for names among: `name in names` is `any(same_name(name, word) for word in words)`."""

    def __init__(self, among: Iterable[str] = ()) -> None:
        self._by_skeleton: dict[str, list[str]] = {}
        for word in among:
            self._by_skeleton.setdefault(skeleton(word), []).append(word)

    def __contains__(self, name: str) -> bool:
        wanted = skeleton(name)
        if any(same_name(name, word) for word in self._by_skeleton.get(wanted, ())):
            return True
        if any(_is_case_form(wanted[:-cut], wanted) and wanted[:-cut] in self._by_skeleton for cut in (1, 2)):
            return True
        longer = [there for there in self._by_skeleton if there.startswith(wanted)]
        return any(_is_case_form(wanted, there) for there in longer if there != wanted)


def same_name(first: str, second: str) -> bool:
    """Whether two words may be one name: equal skeletons, or one a case form of the other (a case ending has
    at most two consonants and never `v`, which makes another surname: Асан, Асанов)."""
    a, b = skeleton(first), skeleton(second)
    if a == b:
        return len(a) > 1 or fold(first)[:3] == fold(second)[:3]
    short, long = (a, b) if len(a) <= len(b) else (b, a)
    return _is_case_form(short, long)


def _is_case_form(short: str, long: str) -> bool:
    if len(short) < 3 or not long.startswith(short):
        return False
    ending = long[len(short) :]
    return len(ending) <= 2 and set(ending) <= _CASE_CONSONANTS
