"""Text to search terms, the same for index and question: stemmed words, and character 4-grams of words.

The 4-grams are what makes Kazakh work: it has no free stemmer, and its words only grow at the end, so a prefix of five
letters stands for the word. A word's edges are marked in its 4-grams, so that a word's beginning weighs more than the
same letters inside another. Raising `ANALYZER_VERSION` makes every index rebuild itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from countersign.corpus.terms import is_stop_word
from countersign.domain.documents import Language

ANALYZER_VERSION = "a2"

_WORD = re.compile(r"[^\W_]+")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_CYRILLIC = re.compile("[\u0400-\u04ff]")
_KAZAKH = re.compile("[әғқңөұүһі]")
_ASKING_VERB = re.compile(
    r"(?:is|are|was|were|do|does|did|can|could|should|would|will|may|might|has|have|had|shall)\b"
)
_ASKING_EARLY = re.compile(
    r"(?:\w+[^\w,]+){0,2}\b(?:what|which|who|whom|whose|when|where|why|how|"
    r"как|что|кто|где|когда|почему|зачем|отчего|сколько|насколько|можно|нужно|куда|откуда|кем|кому|кого|чем|чему|чего|"
    r"как(?:ой|ая|ое|ие|ую|ого|ому|им|их|ими|ов|ова|ово|овы)|че(?:й|го|му)|чья|чье|чьё|чьи)\b"
)
_ASKING_ANYWHERE = re.compile(r"\bли\b")
_ASKING_KAZAKH = re.compile(
    r"\b(?:кім(?:нің|ге|ді|нен|мен|дер)?|не(?:ні|ге|ден|мен|нің|ше|шеу|шінші|ліктен)?|қанша(?:ға)?|қандай|қай|қайсы|қайда|"
    r"қайдан|қашан|қалай|м[ае]|б[ае]|п[ае])\b"
)
"""Words that ask, case-folded: Russian and English ones near the beginning, Kazakh ones anywhere."""
_GRAM = 4
_KAZAKH_PREFIX = 5
_MAX_WORD = 40
_MAX_QUERY_WORDS = 96
_MAX_QUERY_GRAMS = 256


@dataclass(frozen=True, slots=True)
class Terms:
    words: tuple[str, ...]
    grams: tuple[str, ...]


def fold(text: str) -> str:
    """NFKC, without invisible characters, case-folded, `ё` as `е`."""
    return _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).casefold().replace("ё", "е")


def words_of(text: str) -> list[str]:
    return [word[:_MAX_WORD] for word in _WORD.findall(fold(text))]


def grams_of(words: Iterable[str]) -> list[str]:
    """4-grams of each word with its edges marked: `leave` gives `^lea`, `leav`, `eave`, `ave$`."""
    grams: list[str] = []
    for word in words:
        marked = f"^{word}$"
        grams.extend([marked[i : i + _GRAM] for i in range(max(1, len(marked) - _GRAM + 1))])
    return grams


def script_of(text: str) -> str:
    """`cyrl` or `latn`, whichever has more letters; `other` when there are none of both."""
    cyrillic = len(_CYRILLIC.findall(text))
    latin = sum(1 for char in text if char.isascii() and char.isalpha())
    if not cyrillic and not latin:
        return "other"
    return "cyrl" if cyrillic >= latin else "latn"


def question_language(text: str) -> Language:
    """Kazakh letters → `kk`, Cyrillic → `ru`, Latin → `en`: enough to choose weights, never shown to anyone."""
    if _KAZAKH.search(text.casefold()):
        return "kk"
    return {"cyrl": "ru", "latn": "en", "other": "und"}[script_of(text)]


def is_question(text: str, language: Language) -> bool:
    """Whether it asks, by its mark or by its words; otherwise it is a statement, a headline or a list of words."""
    if "?" in text:
        return True
    folded = text.casefold().lstrip(" \"'«“(—-")
    if language == "kk":
        return _ASKING_KAZAKH.search(folded) is not None
    early = _ASKING_VERB.match(folded) or _ASKING_EARLY.match(folded)
    return early is not None or _ASKING_ANYWHERE.search(folded) is not None


def script_of_language(language: Language) -> str:
    """The script that a language of ours is written in; unknown languages match every script."""
    return {"kk": "cyrl", "ru": "cyrl", "uk": "cyrl", "ky": "cyrl", "en": "latn"}.get(language, "any")


class Analyzer:
    """Safe to share between threads: the stemmers keep no state between calls."""

    def __init__(self) -> None:
        self._russian = _stemmer("russian")
        self._english = _stemmer("english")

    def document(self, text: str, language: Language) -> Terms:
        words = words_of(text)
        return Terms(tuple(self._stems(words, language)), tuple(grams_of(words)))

    def query(self, text: str) -> Terms:
        """Distinct terms. A Cyrillic word is asked for as Russian and as Kazakh, because the question's own language
        may not be that of the passage. Words that every question holds are not asked for as words where others are."""
        words = list(dict.fromkeys(words_of(text)))
        telling = [word for word in words if not is_stop_word(word)] or words
        wanted = dict.fromkeys([*self._stems(telling, "ru"), *self._stems(telling, "kk")])
        grams = dict.fromkeys(grams_of(words))
        return Terms(tuple(wanted)[:_MAX_QUERY_WORDS], tuple(grams)[:_MAX_QUERY_GRAMS])

    def _stems(self, words: list[str], language: Language) -> list[str]:
        if not words:
            return []
        line = " ".join(words)
        english = self._english(line)
        if not _CYRILLIC.search(line):
            return english
        russian = self._russian(line)
        return [
            en
            if not _CYRILLIC.search(word)
            else word[:_KAZAKH_PREFIX]
            if language == "kk" or _KAZAKH.search(word)
            else ru
            for word, en, ru in zip(words, english, russian, strict=True)
        ]


def _stemmer(language: str) -> Callable[[str], list[str]]:
    import tantivy

    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace())
    return builder.filter(tantivy.Filter.stemmer(language)).build().analyze
