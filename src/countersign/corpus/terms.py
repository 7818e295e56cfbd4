"""Words of a text made comparable: stems for Russian and English, prefixes for Kazakh, character 4-grams for all.

Kazakh has no usable free stemmer; it only adds suffixes, so a prefix of five letters stands for the word.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import repeat

_WORD = re.compile(r"\w+(?:[-'’]\w+)*")
_CYRILLIC = re.compile(r"[\u0400-\u04ff]")
_KAZAKH = re.compile("[әғқңөұүһі]")
_KAZAKH_PREFIX = 5

_STOP_WORDS_TEXT = (
    # English
    "a an the of to in on at by for from with and or as is are was were be been being it its this that these those "
    "there their they he she we you i his her our your my me us them do does did has have had will would can could may "
    "might shall should must not no if then than so such which who whom whose what when where why how any all each "
    "every also only into about over under per up out more most some other same very just s t please tell "
    # Russian
    "и в во на с со к ко о об от до из за по при для у не ни но а или же ли бы как что чтобы это этот эта эти того "
    "тот та те том его ее их им ему ей он она оно они мы вы я мне нас вас вам нам свой своя свои который которая "
    "которые которых которого которой котором которым какой какая какое какие каком каков какова каковы кто где когда "
    "куда сколько если то так также только уже еще есть быть был была были будет будут является являются все всех "
    "весь вся может могут можно нужно надо более менее чем после перед между через либо под над без подскажите "
    # Kazakh
    "және мен бен пен да де та те ма ме ба бе па пе үшін бойынша туралы бұл осы сол ол олар біз сіз мен сен оның "
    "олардың егер немесе ал бірақ болып болса болады бола болған емес жоқ бар қандай қай қанша неше кім не қашан қайда "
    "қалай деген деп ретінде арқылы дейін кейін соң бір әр барлық өз өзінің тиіс керек мүмкін ғана тек сондай-ақ "
    "кезінде ішінде қатар дегеніміз"
)
_STOP_WORDS = frozenset(_STOP_WORDS_TEXT.split())


def fold(text: str) -> str:
    """NFKC, case-folded, `ё` as `е`."""
    return unicodedata.normalize("NFKC", text).casefold().replace("ё", "е")


def words(text: str) -> list[str]:
    return words_of(fold(text))


def words_of(folded: str) -> list[str]:
    """The words of a text that was folded already."""
    return _WORD.findall(folded)


@lru_cache(maxsize=65_536)
def stem(word: str, language: str) -> str:
    """The comparable form of one folded word. Latin words are stemmed as English whatever the text's language."""
    if any(map(str.isdigit, word)):
        return word
    if _CYRILLIC.search(word):
        if language == "kk" or _KAZAKH.search(word):
            return word[:_KAZAKH_PREFIX]
        return _snowball("russian", word)
    return _snowball("english", word)


def _snowball(algorithm: str, word: str) -> str:
    import snowballstemmer

    # A stemmer keeps the word it works on, so one per call: cheap, and safe between threads.
    return str(snowballstemmer.stemmer(algorithm).stemWord(word))


def is_stop_word(word: str) -> bool:
    return word in _STOP_WORDS or (len(word) == 1 and not word.isdigit())


def content_terms(text: str, language: str) -> list[str]:
    """Stems of the words that carry meaning, in order, repeats kept."""
    return list(filter(None, map(_term, words(text), repeat(language))))


@lru_cache(maxsize=65_536)
def _term(word: str, language: str) -> str:
    """The stem of a word that carries meaning; empty for one that does not."""
    return "" if is_stop_word(word) else stem(word, language)


@lru_cache(maxsize=65_536)
def grams(word: str) -> frozenset[str]:
    """Character 4-grams of a word with its edges marked; a shorter word is its own gram."""
    padded = f"^{word}$"
    return frozenset(padded[i : i + 4] for i in range(max(1, len(padded) - 3)))


@lru_cache(maxsize=131_072)
def similar(first: str, second: str) -> bool:
    """Two stems that are the same word in other clothes: equal, or 4-gram Dice ≥ 0.6, never across digits."""
    if first == second:
        return True
    if any(map(str.isdigit, first + second)):
        return False
    a, b = grams(first), grams(second)
    return 2 * len(a & b) >= 0.6 * (len(a) + len(b))


def coverage(terms: list[str], evidence: set[str] | frozenset[str]) -> float:
    """Share of `terms` found in `evidence`, in [0, 1]; 0 for no terms."""
    if not terms:
        return 0.0
    return sum(found_in(term, evidence) for term in terms) / len(terms)


def found_in(term: str, evidence: set[str] | frozenset[str]) -> bool:
    if term in evidence:
        return True
    first = term[:1]
    for other in evidence:  # noqa: SIM110 - the innermost loop of every check; a generator costs a third more
        if other[:1] == first and similar(term, other):
            return True
    return False
