"""Different things of one name: the person, place or work that a question names, as each document introduces it.

Documents introduce what they speak of with a sentence of the form `Name (qualifier) is a …`. Two introductions of the
name that was asked about are of two bearers when their years or qualifiers have nothing in common, when they are of one
sort in different places, or, where the sort itself is asked for, when they are of different sorts. Which one is meant only
the person who asks can say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from countersign.answer.asked import AskedFor, plain
from countersign.answer.evidence import Readings
from countersign.corpus.terms import content_terms, fold, found_in, is_stop_word
from countersign.domain.documents import Language, Passage

_INTRODUCES = re.compile(
    r"^(?P<subject>(?:\([^()]{0,120}\)|[^?!;:()]){2,200}?)"
    r"(?:\s(?:is|was|are|were)\s(?:also\s|currently\s|probably\s)?(?=(?:an?|the|one|[\w-]+['’]s)\b)"
    r"|,?\s[—–-]\s(?:это\s)?(?![\d(])|\s(?:является|являлся|являлась|был|была|было|это)\s)"
    r"(?P<what>[^.;]{3,240})"
)
_IN_PARENTHESES = re.compile(r"\(([^()]{2,120})\)")
_YEAR = re.compile(r"(?<!\d)(?:1\d|20)\d\d(?!\d)")
_WORD = re.compile(r"\w+(?:[-'’]\w+)*")
_END_OF_SORT = re.compile(
    r",|\s(?:who|which|that|by|from|in|on|at|of|for|with|based|located|situated|released|directed|written|starring|known|"
    r"который|которая|которое|расположенн\w+|в|во|на|из|от)\s"
)
_PLACE = re.compile(r"\s(?:in|of|в|во|на)\s(?:the\s)?((?:[A-ZА-ЯӘІҢҒҮҰҚӨҺ][\w'’-]*,?\s?(?:of\s|the\s)?)+)")
_INSIDE = re.compile(r"[?!](?=\s*(?:\(|[\w(])[^.?!]{0,80}\s(?:is|was|are|were)\s)")
_ASIDE = re.compile(
    r"\s*(?:also|formerly|born|see|meaning|pronounced|known|called|including|excluding|except|or|and|the|an?|in|from|of|at|if|as|"
    r"с|в|на|из|от|до|или|и|см|также|ранее|бывш\w+|род|кроме|включая|далее|және|немесе|бұрынғы|қараңыз)\b",
    re.IGNORECASE,
)
"""Parentheses that say something else than which one is meant."""
_NAME_CHARS = 80
_OPENING_CHARS = 400
_MAX_UNITS = 12
_MAX_QUALIFIER_WORDS = 5
_MAX_LABEL_WORDS = 10
_MOST_COMMON = 0.25


@dataclass(frozen=True, slots=True)
class Bearer:
    """One thing of the name, as one passage introduces it; `sort` are the stems of what it is said to be."""

    passage: Passage
    text: str
    label: str
    years: frozenset[str]
    qualifier: frozenset[str]
    sort: frozenset[str]
    head: str
    """The last word of its sort."""
    place: frozenset[str]


def bearers(passages: Sequence[Passage], asked: AskedFor, readings: Readings) -> list[Bearer]:
    """The first introduction of the asked name in each passage that has one."""
    if not asked.names:
        return []
    found = [_introduced(passage, asked, readings) for passage in passages]
    return [bearer for bearer in found if bearer is not None]


def namesakes(first: Bearer, second: Bearer, asked: AskedFor) -> bool:
    """Whether two introductions are of two different things."""
    if first.passage.document_id == second.passage.document_id:
        return False
    mine, theirs = first.qualifier | first.sort, second.qualifier | second.sort
    if (mine - theirs) & asked.attribute or (theirs - mine) & asked.attribute:
        return False  # the question says which
    if _apart(first.years, second.years) or (
        first.qualifier - second.qualifier and second.qualifier - first.qualifier
    ):
        return True
    if _apart(first.place, second.place) and first.sort & second.sort:
        return True
    return asked.kind == "thing" and (_apart(mine, theirs) or _another_head(first, second))


def _another_head(first: Bearer, second: Bearer) -> bool:
    """An English phrase says last what a thing is: `an American chef`, `an American actor`."""
    return (
        first.passage.language == "en"
        and bool(first.head and second.head)
        and not found_in(first.head, second.sort | second.qualifier)
        and not found_in(second.head, first.sort | first.qualifier)
    )


def _apart(mine: frozenset[str], theirs: frozenset[str]) -> bool:
    return bool(mine and theirs) and not any(found_in(term, theirs) for term in mine)


def _introduced(passage: Passage, asked: AskedFor, readings: Readings) -> Bearer | None:
    units = readings.units(passage, passage.language)[:_MAX_UNITS]
    sentences = [unit.text for unit in units if not (unit.is_row or unit.is_carried)]
    opening = _INSIDE.sub(" ", passage.text[:_OPENING_CHARS])  # a title may end as a sentence does
    for text in (opening, *sentences):
        match = _INTRODUCES.match(" ".join(text.split()))
        if match is not None and (bearer := _bearer(passage, match, asked)) is not None:
            return bearer
    return _mentioned(passage, asked)


def _mentioned(passage: Passage, asked: AskedFor) -> Bearer | None:
    """`Name (qualifier)` anywhere: told apart from others of the name, though not introduced."""
    for match in _IN_PARENTHESES.finditer(passage.text):
        if not _qualifies(match[1]) or _ASIDE.match(match[1]):
            continue
        name = _name_before(passage.text[max(0, match.start() - _NAME_CHARS) : match.start()], asked)
        if name and _is_name(name, asked, passage.language):
            label = f"{name} ({match[1].strip()})"
            qualifier = frozenset(t for t in content_terms(match[1], passage.language) if not t.isdigit())
            years = frozenset(_YEAR.findall(match[1]))
            return Bearer(passage, label, label, years, qualifier, frozenset(), "", frozenset())
    return None


def _name_before(text: str, asked: AskedFor) -> str:
    """The end of a text that has as many words as the asked name, or as what the question quotes."""
    length = max((len(quoted.split()) for quoted in asked.quoted), default=len(asked.names))
    words = [*_WORD.finditer(text)][-length:]
    if len(words) < length or text[words[-1].end() :].strip(" ,'’\"”»"):
        return ""
    return text[words[0].start() : words[-1].end()]


def _bearer(passage: Passage, match: re.Match[str], asked: AskedFor) -> Bearer | None:
    subject, what = match["subject"], match["what"].strip()
    language = passage.language
    bare = _IN_PARENTHESES.sub(" ", subject)
    if not _is_name(bare, asked, language):
        return None
    inside = _IN_PARENTHESES.findall(subject)
    qualifiers = [text for text in inside if _qualifies(text)]
    end = _END_OF_SORT.search(what)
    sort = content_terms(what[: end.start()] if end else what, language)
    place = _PLACE.search(f" {what}")
    return Bearer(
        passage,
        match.group(),
        _label(subject, what, qualifiers),
        frozenset(_YEAR.findall(" ".join(inside))),
        frozenset(t for text in qualifiers for t in content_terms(text, language) if not t.isdigit()),
        frozenset(sort) - asked.names,
        sort[-1] if sort else "",
        frozenset(content_terms(place[1], language)) - asked.names if place else frozenset(),
    )


def _is_name(bare: str, asked: AskedFor, language: Language) -> bool:
    """All of the asked name, and otherwise hardly more than capitalised words and little ones: `The`, `Sir`, `No. 94`."""
    terms = frozenset(content_terms(bare, language))
    if not all(found_in(name, terms) for name in asked.names) or not all(
        text in plain(bare) for text in asked.quoted
    ):
        return False
    words = _WORD.findall(bare)
    common = sum(
        not (word[0].isupper() or word[0].isdigit() or is_stop_word(fold(word)))
        and not all(found_in(term, asked.names) for term in content_terms(word, language))
        for word in words
    )
    return common <= _MOST_COMMON * len(words)


def _qualifies(text: str) -> bool:
    """`judge`, `1979 film`; not an abbreviation, a translation or dates alone."""
    words = _WORD.findall(text)
    return (
        len(words) <= _MAX_QUALIFIER_WORDS
        and ":" not in text
        and any(word.islower() for word in words)
        and not all(any(map(str.isdigit, word)) for word in words)
    )


def _label(subject: str, what: str, qualifiers: Sequence[str]) -> str:
    """The name as introduced, with its qualifier or with what it is."""
    if qualifiers:
        at = subject.find(f"({qualifiers[0]})")
        return subject[: at + len(qualifiers[0]) + 2].strip()
    end = _END_OF_SORT.search(what, 1)
    words = (what[: end.start()] if end else what).split()[:_MAX_LABEL_WORDS]
    return f"{subject.strip()}: {' '.join(words)}"
