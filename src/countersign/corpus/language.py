"""Which language a text is in: letters tell Kazakh, Russian and English apart; py3langid tells the others."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Any

from countersign.domain.documents import Language

_KAZAKH = frozenset("әғқңөұүһі")
_KAZAKH_ONLY = frozenset("әғқұ")
_OTHER_CYRILLIC = frozenset("їєґўјљњћђџѓќӣӯҳҷ")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_NOT_CYRILLIC = re.compile("[^\u0400-\u052f]+")
_NOT_LATIN = re.compile("[^\0-\u024f]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_KAZAKH_WORDS = _words(
    "және бар жоқ мен пен бен емес керек туралы сондай бойынша болып үшін болады ретінде дейін кейін "
    "қалай неше қандай кім не бола алады барлық осы бұл сол біз сіз олар ма ме ба бе па пе тиіс немесе "
    "арналған"
)
_RUSSIAN_WORDS = _words(
    "и в не на что с по как это к для из у от за или при о об а но если также все его ее их до без под "
    "где когда какой какие сколько кто чем есть быть был были может должен"
)
_ENGLISH_WORDS = _words(
    "the of and to in a is that for it as with was on be by are this at from or an which not have has we "
    "you what how when who where why can may must shall will do does if all any our your their its"
)
MIN_LETTERS = 3
MIN_LETTERS_OTHER = 24
_SAMPLE_CHARS = 4_000


def detect(text: str) -> Language:
    """ISO 639-1 code, or `und` when the text is too short or undecided. Looks at the first 4 000 characters."""
    sample = text[:_SAMPLE_CHARS].lower()
    words = _WORD.findall(sample)
    letters = "".join(words)
    if len(letters) < MIN_LETTERS:
        return "und"
    if letters.isascii():
        return _latin(sample, words, len(letters))
    cyrillic = _NOT_CYRILLIC.sub("", letters)
    if len(cyrillic) >= 0.5 * len(letters):
        return _cyrillic(sample, words, cyrillic)
    if len(_NOT_LATIN.sub("", letters)) >= 0.5 * len(letters):
        return _latin(sample, words, len(letters))
    return _other(sample, len(letters), {"en", "ru", "kk"})


def of_parts(parts: Iterable[tuple[Language, int]]) -> tuple[Language, ...]:
    """Languages by size, largest first, given (language, characters); those under 3 % and `und` are left out."""
    sizes: dict[Language, int] = {}
    for language, size in parts:
        if language != "und":
            sizes[language] = sizes.get(language, 0) + size
    total = sum(sizes.values())
    return tuple(
        name for name, size in sorted(sizes.items(), key=lambda item: -item[1]) if size >= 0.03 * total
    )


def _cyrillic(sample: str, words: list[str], letters: str) -> Language:
    special = sum(map(letters.count, _KAZAKH))
    if not _OTHER_CYRILLIC.isdisjoint(letters):
        return _other(sample, len(letters), {"kk"} if special < 0.02 * len(letters) else set())
    if special >= 0.02 * len(letters):
        if len(letters) >= 60 and _KAZAKH_ONLY.isdisjoint(letters):
            return _other(
                sample, len(letters), {"en"}
            )  # Kyrgyz, Mongolian or Ukrainian share some of the letters
        return "kk"
    kazakh = sum(map(_KAZAKH_WORDS.__contains__, words))
    russian = sum(map(_RUSSIAN_WORDS.__contains__, words))
    if kazakh > russian:
        return "kk"
    if russian or len(letters) < 60:
        return "ru"
    found = _other(sample, len(letters), {"en", "und"})
    return found if found in ("bg", "mk", "sr", "uk", "be", "mn", "ky") and not special else "ru"


def _latin(sample: str, words: list[str], letters: int) -> Language:
    english = sum(map(_ENGLISH_WORDS.__contains__, words))
    if english >= max(1, 0.15 * len(words)):
        return "en"
    if letters >= MIN_LETTERS_OTHER:
        return _other(sample, letters, {"ru", "kk"})
    return "en" if english else "und"


def _other(sample: str, letters: int, excluded: set[Language]) -> Language:
    if letters < MIN_LETTERS_OTHER and sample.isascii():
        return "und"
    identifier = _identifier()
    if identifier is None:
        return "und"
    code, probability = identifier.classify(sample)
    return "und" if str(code) in excluded or float(probability) < 0.6 else str(code)


def warm_up() -> None:
    """Load the model of the other languages now, on the calling thread, rather than within somebody's question."""
    _identifier()


@functools.cache
def _identifier() -> Any:
    """The py3langid model with normalised probabilities, None where it is not installed. Loads in about 0.3 s."""
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        return None
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
