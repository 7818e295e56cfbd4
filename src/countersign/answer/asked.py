"""What kind of thing a question asks for, so that two answers to it can be compared: a time, a figure, a name
of somebody or some place, or one thing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from countersign.answer.attributes import attribute_of
from countersign.answer.facts import facts
from countersign.answer.sorts import Sort, sort_of
from countersign.corpus.terms import content_terms, fold, is_stop_word, stem, words
from countersign.domain.documents import Language

Kind = Literal["time", "figure", "name", "thing", ""]

_TIME = re.compile(
    r"\b(?:when|what (?:time|date|year|day)|(?:birth|death|release|start|end|due) date|date of|which year|since when|until when|"
    r"когда|с какого|до какого|в каком году|какого числа|дата|қашан\w*|қай (?:күн|жыл|ай)\w*)\b"
)
_FIGURE = re.compile(
    r"\b(?:how (?:much|many|long|often|large|high|old|far|deep|tall)|(?:what|which) (?:is|are|was|were) the (?:[\w-]+ ){0,3}?"
    r"(?:rate|fee|limit|amount|price|cost|period|deadline|number|percentage|tariff|penalty|minimum|maximum|budget|population|"
    r"length|height|area|size|age|capacity|distance|depth|weight|speed)|"
    r"сколько|скольк\w+|как (?:долго|часто)|(?:какая?|какой|какое|каков\w*|какую)\s+(?:\w+\s+){0,3}?"
    r"(?:ставк\w+|комисси\w+|лимит\w*|сумм\w+|цен\w+|стоимость|срок\w*|размер\w*|тариф\w*|штраф\w*|процент\w*|плат\w+|"
    r"численност\w+|населени\w+|площад\w+|длин\w+|высот\w+)|"
    r"қанша\w*|неше\w*|қандай\s+(?:\w+\s+){0,3}?(?:мөлшерлеме\w*|комиссия\w*|лимит\w*|сома\w*|баға\w*|мерзім\w*|тариф\w*))"
)
_NAME = re.compile(r"^\W*(?:who|whom|where|кто|кого|кем|где)\b|\b(?:кім|кімде\w*|қайда)\b")
_WHERE = re.compile(r"^\W*(?:where|где)\b|\bқайда\b")
_THING = re.compile(
    r"^\W*(?:(?:in|on|at|for|from|to|by|of) )?(?:(?:what|which) (?!are\b|were\b|do\b|steps|happen|can\b|should\b)[\w-]+|"
    r"(?:(?:в|во|на|из|с|к|по|о|об|для|от) )?(?:какой|какая|какое|каков\w*|какую|каким|какому|каком) \w+|"
    r"\w+ (?:\w+ )*қандай)\b|\bқай \w+"
)
_OPEN = re.compile(
    r"\b(?:how do|how can|how to|how does|why|what (?:is|are) (?:a|an) |explain|describe|tell me|steps|difference|"
    r"what do|what does .* do|как (?:мне|сделать|можно)|почему|зачем|объясни\w*|расскажи\w*|неге|неліктен|қалай)\b"
)
_DEFINES = re.compile(
    r"^\W*(?:(?:so|and|ok|hi|hello|please),? )?(?:what(?: is|['’]s| are)|что такое|(?:\S+ ){1,6}дегеніміз не)\b(?!.*\b(?:of|for|in|at)\b)[^?]*\?*$"
)
_QUOTED = re.compile(r"[\"“„«]([^\"“”„«»]{2,80})[\"”“»]")
_HEAD = re.compile(
    r"\b(?:what|which) (?:is|are|was|were) (?:the )?(?:[\w-]+ ){0,2}?(?P<head1>[\w-]+) (?:of|for|in)\b"
    r"|\b(?:what|which) (?!is\b|are\b|was\b|were\b|do\b|does\b|did\b)(?:[\w-]+ )??(?P<head2>[\w-]+) "
    r"(?=is|are|was|were|do|does|did|has|have|will|can|must|should)\b"
    r"|\b(?:какой|какая|какое|какую|каким|каков\w*) (?P<head3>\w+)|\bқандай (?P<head4>\w+)"
)
_PLAIN = re.compile(r"\w+")
_MAX_WORDS = 24


@dataclass(frozen=True, slots=True)
class AskedFor:
    """`terms` are the stems of the question's words that carry meaning, parts of compounds counted alone; `names` those
    of them that are written as names."""

    kind: Kind
    terms: frozenset[str]
    names: frozenset[str] = frozenset()
    head: str = ""
    """The word for what is asked, folded: `format` in `what is the broadcast format of …`."""
    quoted: tuple[str, ...] = ()
    """What the question puts in quotation marks, folded, without its punctuation."""
    wanted: frozenset[int] = frozenset()
    """What is asked of the named, as attributes."""
    attributive: frozenset[str] = frozenset()
    """The words among `terms` that ask for them."""
    sort: Sort | None = None
    """The sort of things that is asked for by its name."""
    place: bool = False
    """Whether it asks where."""
    defines: bool = False
    """Whether it asks what something is: many words may say it, and none contradicts another."""

    @property
    def attribute(self) -> frozenset[str]:
        """What is asked of the named: the words that are not its name."""
        return self.terms - self.names


def asked_for(question: str, language: Language) -> AskedFor:
    """`kind` is empty for an open question, which may have many right answers."""
    folded = fold(question)
    terms = frozenset(content_terms(_parted(question), language))
    quoted = tuple(plain(text) for text in _QUOTED.findall(question))
    written = " ".join((*facts(question).names, *quoted))
    names = frozenset(content_terms(_parted(written), language)) & terms
    meant = {
        stem(word, language): attribute_of(word)
        for word in words(_parted(question))
        if not is_stop_word(word) and stem(word, language) not in names
    }
    wanted = frozenset[int]().union(*meant.values())
    attributive = frozenset(term for term, attributes in meant.items() if attributes)
    kind = _kind(folded)
    sort = sort_of(folded) if kind in ("thing", "figure") else None
    head = _head(folded)
    defines = kind == "thing" and not (head or sort or wanted) and _DEFINES.search(folded) is not None
    place = kind == "name" and _WHERE.search(folded) is not None
    return AskedFor(kind, terms, names, head, quoted, wanted, attributive, sort, place, defines)


def _kind(folded: str) -> Kind:
    if len(folded.split()) > _MAX_WORDS or _OPEN.search(folded):
        return ""
    if _TIME.search(folded):
        return "time"
    if _FIGURE.search(folded):
        return "figure"
    if _NAME.search(folded):
        return "name"
    return "thing" if _THING.search(folded) else ""


def _parted(text: str) -> str:
    """Compounds as single words."""
    return re.sub(r"[-'’]", " ", text)


def _head(folded: str) -> str:
    match = _HEAD.search(folded)
    word = match[match.lastgroup or 0] if match else ""
    return "" if is_stop_word(word) else word


def plain(text: str) -> str:
    """Folded words with single spaces, to find a title in a text."""
    return " ".join(_PLAIN.findall(fold(text)))
