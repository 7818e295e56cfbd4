"""What kind of thing a question asks for, so that two answers to it can be compared: a time, a figure, a name
of somebody or some place, or one thing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from countersign.answer.facts import facts
from countersign.corpus.terms import content_terms, fold
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
_THING = re.compile(
    r"^\W*(?:(?:in|on|at|for|from|to|by|of) )?(?:(?:what|which) (?!are\b|were\b|do\b|steps|happen|can\b|should\b)[\w-]+|"
    r"(?:какой|какая|какое|каков\w*|какую|каким|какому) \w+|"
    r"\w+ (?:\w+ )*қандай)\b"
)
_OPEN = re.compile(
    r"\b(?:how do|how can|how to|how does|why|what (?:is|are) (?:a|an) |explain|describe|tell me|steps|difference|"
    r"what do|what does .* do|как (?:мне|сделать|можно)|почему|зачем|объясни\w*|расскажи\w*|неге|неліктен|қалай)\b"
)
_MAX_WORDS = 24


@dataclass(frozen=True, slots=True)
class AskedFor:
    """`terms` are the stems of the question's words that carry meaning, parts of compounds counted alone; `names` those
    of them that are written as names."""

    kind: Kind
    terms: frozenset[str]
    names: frozenset[str] = frozenset()


def asked_for(question: str, language: Language) -> AskedFor:
    """`kind` is empty for an open question, which may have many right answers."""
    folded = fold(question)
    terms = frozenset(content_terms(re.sub(r"[-'’]", " ", question), language))
    names = frozenset(content_terms(" ".join(facts(question).names), language))
    if len(folded.split()) > _MAX_WORDS or _OPEN.search(folded):
        return AskedFor("", terms, names)
    if _TIME.search(folded):
        return AskedFor("time", terms, names)
    if _FIGURE.search(folded):
        return AskedFor("figure", terms, names)
    if _NAME.search(folded):
        return AskedFor("name", terms, names)
    return AskedFor("thing" if _THING.search(folded) else "", terms, names)
