"""What the head of a document says of the document itself: that it is void, until when it holds, what it replaces."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from countersign.corpus.readiness.figures import read
from countersign.corpus.readiness.seams import Statement
from countersign.corpus.readiness.subject import inert
from countersign.corpus.sentences import sentences
from countersign.corpus.terms import fold
from countersign.domain.documents import Element

STATUS = "status"
"""Kind of such a statement; its value is one of the words below, with a date or a number after a space."""
SUPERSEDED, UNTIL, SINCE, REPLACES = "superseded", "until", "since", "replaces"

_ELEMENTS = 6
_MAX_CHARS = 140
_PROSE = ("heading", "paragraph", "list_item", "header")
_LISTING = re.compile(r"^\s*(?:\(?\d{1,3}[.)]\s|\d{1,2}(?:\.\d{1,2}){1,4}\.?\s|[a-zа-яәіңғүұқөһ]\)\s)")
_SUPERSEDED = re.compile(
    r"утратил[аои]?\s+силу\s*(?:$|[.!)]|с\s+\d|в\s+связи)|(?:больше\s+)?не\s+действует\s*(?:$|[.!)]|с\s+\d)"
    r"|заменен[ао]?\s+(?:нов|редакци)|(?:күші|күшін)\s+жой(?:ыл|ған)\w*\s*(?:$|[.!)])|\bsuperseded\s+by\b"
    r"|no\s+longer\s+(?:valid|in\s+force)\s*(?:$|[.!)]|since|as\s+of)|withdrawn\s+and\s+replaced"
    r"|^\W*(?:отмен[её]н[аоы]?|недействител(?:ен|ьна|ьно|ьный)|неактуальн\w+|устарел\w*|архивная\s+версия|ескірген|мұрағаттық\s+нұсқа"
    r"|obsolete|superseded|withdrawn|archived\s+version)\W*(?:$|с\s+\d|since|from)"
)
_OF_SOMETHING_ELSE = re.compile(
    r"стать|част[ьи]|пункт|абзац|глав[аы]|примечан|прежн|предыдущ|ранее|настоящ\w+\s+\w+\s+замен|\bno?\.?\s?\d|тарма|\bбап|бөлік"
    r"|бұрынғы|section|article|clause|paragraph|previous|earlier|\bby\s+this\b|is\s+hereby"
)
_ITSELF = re.compile(r"^\W*(?:настоящ|данн|этот|документ|this|осы|бұл|құжат)")
_UNTIL = re.compile(
    r"(?:действу(?:ет|ют)|действител(?:ен|ьна|ьно|ьны)|срок\s+действия\W{0,3}(?:документа|правил|тариф\w*|положения)?|valid|in\s+force|effective)"
    r"\W{1,3}(?:по|до|until|till|through|to)\b|дейін\s+(?:жарамды|қолданылады|күшінде)|(?:жарамдылық|қолданылу)\s+мерзімі"
)
_SINCE = re.compile(
    r"(?:вступа(?:ет|ют)\s+в\s+силу|ввод(?:ит|ят)ся\s+в\s+действие|действу(?:ет|ют))\W{1,3}с\b|(?:effective|valid|in\s+force|applies|comes\s+into\s+force)"
    r"\s+(?:from|as\s+of|on|since)\b|бастап\s+(?:қолданылады|күшіне\s+енеді|күшінде|қолданысқа)"
)
_REPLACES = re.compile(
    r"\bвзамен\b|\bзаменяет\b|\bотменяет\b|признать\s+утратившим|\bsupersedes\b|\breplaces\b|орнына\s+(?:енгізіл|бекітіл|қабылдан)|in\s+place\s+of"
)
_FULL_DATE = re.compile(r"\d{4}-\d\d-\d\d$")
_NUMBER = re.compile(r"(?:№|\bno\.?|\bn)\s*([\w/-]*\d[\w/-]*)")


def of_itself(elements: Sequence[Element]) -> Iterator[Statement]:
    """At most one statement of each word; nothing when the head speaks of other documents or of its parts."""
    told: set[str] = set()
    head = [element for element in elements if element.kind in _PROSE][:_ELEMENTS]
    for element in head:
        if _is_void(fold(element.text)):
            if SUPERSEDED not in told:
                told.add(SUPERSEDED)
                yield Statement("", SUPERSEDED, STATUS, inert(element.text), element.page)
            continue
        for sentence in sentences(element.text):
            for word, rest in _says(fold(sentence)) if len(sentence) <= _MAX_CHARS else ():
                if word not in told:
                    told.add(word)
                    yield Statement("", f"{word} {rest}", STATUS, inert(sentence), element.page)


def _is_void(text: str) -> bool:
    """Said of the whole document: of its own accord, or without naming anything else."""
    if len(text) > _MAX_CHARS or _LISTING.match(text) or not _SUPERSEDED.search(text):
        return False
    return _ITSELF.match(text) is not None or not _OF_SOMETHING_ELSE.search(text)


def _says(text: str) -> Iterator[tuple[str, str]]:
    if _REPLACES.search(text):
        number = _NUMBER.search(text)
        if number:
            yield REPLACES, number.group(1)
        return
    for word, pattern in ((UNTIL, _UNTIL), (SINCE, _SINCE)):
        if pattern.search(text):
            dates = [figure.value for figure in read(text).figures if _FULL_DATE.match(figure.value)]
            if len(dates) == 1:
                yield word, dates[0]
