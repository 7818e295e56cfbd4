"""What a question points to without naming it: `this case`, `the actor`, `этот договор`, `осы шарт`.

Such a word is resolved where the talk before the question names its thing. English points with an article, too, so a
noun with `the` counts unless what follows says which one it is.
"""

from __future__ import annotations

import re

from countersign.corpus.terms import fold, found_in, stem
from countersign.domain.documents import Language

_TOKEN = re.compile(r"\w[\w.’'-]*\w|\w|[?.,;:!]")
_WORD = re.compile(r"\w")
_POSSESSIVE = re.compile(r"['’]s?$")
_POINTING = {"this", "that", "these", "those"}
_MAX_WORDS = 5
_END_WORDS = (
    "of for in on at to from between among with by that which who whose is are was were do does did has have had will "
    "would can could should and or as about through during after before based under into than if when while because be "
    "been a an the i we you there so"
)
_ENDS = frozenset(_END_WORDS.split())
_TELLING_WORDS = "of for between on to at from with that which who about by"
_SAYS_WHICH = frozenset(_TELLING_WORDS.split())
_SINGLE_WORDS = (
    "same first last best most world sun moon internet government difference following main only other past future present "
    "law us united"
)
_ONLY_ONE = frozenset(_SINGLE_WORDS.split())
_RUSSIAN = re.compile(
    r"\b(?:эт(?:от|а|и|ого|ой|ому|ом|им|их|ими|у)|данн(?:ый|ая|ое|ые|ого|ой|ому|ом|ым|ых)|эт(?:о|о же))\s+(\w{3,})(?:\s+(\w{3,}))?"
)
_KAZAKH = re.compile(r"\b(?:бұл|осы|сол|аталған)\s+(\w{3,})(?:\s+(\w{3,}))?")


def unresolved(question: str, language: Language, told: frozenset[str]) -> int:
    """How many things the question points to that `told`, the stems of what was said before, does not have."""
    if language == "en":
        return sum(not _resolved(nouns, told, language) for nouns in _pointed_at(question))
    pattern = {"ru": _RUSSIAN, "kk": _KAZAKH}.get(language)
    if pattern is None:
        return 0
    pointed = [[word for word in match.groups() if word] for match in pattern.finditer(fold(question))]
    return sum(not _resolved(nouns, told, language) for nouns in pointed)


def _resolved(nouns: list[str], told: frozenset[str], language: Language) -> bool:
    """Any of its words will do: where a phrase ends is not known for certain."""
    stems = (stem(fold(noun), language) for noun in nouns)
    return any(found_in(each, told) or _begins_one(each, told, language) for each in stems)


def _begins_one(word: str, told: frozenset[str], language: Language) -> bool:
    """Kazakh only adds endings; a word shorter than its stem's length would not match itself with one."""
    return language == "kk" and len(word) > 2 and any(other.startswith(word) for other in told)


def _pointed_at(question: str) -> list[list[str]]:
    """The nouns of each English phrase that points to something without saying which."""
    tokens = _TOKEN.findall(question)
    found: list[list[str]] = []
    for place, token in enumerate(tokens):
        word = fold(token)
        if word != "the" and word not in _POINTING:
            continue
        nouns, following = _phrase(tokens[place + 1 :])
        if nouns and (word in _POINTING or not _says_which(nouns, following)):
            found.append([_POSSESSIVE.sub("", noun) for noun in nouns])
    return found


def _phrase(tokens: list[str]) -> tuple[list[str], str]:
    """The words up to the end of the phrase, and the one after it; a possessive ends it and is followed by nothing."""
    nouns: list[str] = []
    for token in tokens:
        if len(nouns) == _MAX_WORDS or fold(token) in _ENDS or not _WORD.match(token):
            return nouns, fold(token)
        nouns.append(token)
        if _POSSESSIVE.search(token):
            break
    return nouns, ""


def _says_which(nouns: list[str], following: str) -> bool:
    named = any(noun[0].isupper() or noun[0].isdigit() for noun in nouns)
    return named or following in _SAYS_WHICH or fold(nouns[0]) in _ONLY_ONE
