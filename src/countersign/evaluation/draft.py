"""Questions drafted from what documents say: a suggestion that a person confirms, changes or drops.

By rule, not by model, so that the same documents and seed give the same questions: a definition asks what the defined is,
a sentence with a figure asks for the figure, a table's row for one of its cells, a heading or a mail's subject for what is
said about it. A question never holds its own answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal

from countersign.corpus.sentences import is_table_row, sentences
from countersign.domain.documents import Language
from countersign.evaluation.questions import Expected, NewQuestion
from countersign.retrieval.analysis import fold, question_language

Kind = Literal["definition", "figure", "table", "mail", "heading"]
_ORDER: Final[tuple[Kind, ...]] = ("figure", "table", "definition", "mail", "heading")
"""The most telling first: a heading asks for little that a title would not say."""

_LEAST, _MOST = 12, 180
"""Characters of a question."""
_MAX_SUBJECT_WORDS = 12
_MAX_SENTENCE = 400
_MAX_ROWS = 40
_MAX_CELL = 60
_UNTELLING_WORDS = (
    "it this that these those he she they there which who what such here each any all if when for in on at how "
    "это этот эта эти он она они оно там такой такая такие который которая если когда каждый все всё "
    "ол бұл осы сол олар мұнда егер қашан әр барлық"
)
_UNTELLING = frozenset(_UNTELLING_WORDS.split())
"""A subject that begins with one of these is not understood outside its document."""
_FIGURE = re.compile(r"\d[\d\s\u00a0.,]*")
_NUMBERING = re.compile(r"^(?:§\s*)?\d+(?:\.\d+)*[.)]?\s+")
_ADDRESS = re.compile(r"https?://|www\.|\S@\S")
_WORD = re.compile(r"[^\W_]+")

_DEFINITIONS: Mapping[Language, tuple[re.Pattern[str], ...]] = {
    "en": (
        re.compile(
            r"^(?:An?\s+|The\s+)?(?P<subject>[^.,:;()\d]{3,70}?)\s+(?:is|are|means|refers to)\s+(?:an?|the)\s+(?P<answer>\D.{20,})$"
        ),
    ),
    "ru": (re.compile(r"^(?P<subject>[^.,:;()\d]{3,70}?)\s+[—–-]\s+это\s+(?P<answer>.{15,})$"),),
    "kk": (
        re.compile(r"^(?P<subject>[^.,:;()\d]{3,70}?)\s+дегеніміз\s*[—–-]?\s*(?P<answer>.{15,})$"),
        re.compile(r"^(?P<subject>[^.,:;()\d]{3,70}?)\s+[—–-]\s+бұл\s+(?P<answer>.{15,})$"),
    ),
}
_FIGURES: Mapping[Language, tuple[re.Pattern[str], ...]] = {
    "en": (
        re.compile(
            r"^The\s+(?P<subject>[^.,:;()\d]{3,90}?)\s+(?:is|are|was|equals|amounts to)\s+(?:[a-z]+\s+){0,3}?(?P<answer>[$€₸]?\s?\d.*)$"
        ),
    ),
    "ru": (
        re.compile(
            r"^(?P<subject>[^.,:;()\d]{3,90}?)\s+(?:составляет|составляют|равна|равен|равно|не превышает|[—–])\s+(?:\w+\s+){0,3}?(?P<answer>\d.*)$"
        ),
    ),
    "kk": (
        re.compile(
            r"^(?P<subject>[^.,:;()\d]{3,90}?)\s*[—–]?\s+(?P<answer>\d.*?)\s*(?:құрайды|болады|тең|белгіленген)\.?$"
        ),
    ),
}
_WORDS: Mapping[tuple[Kind, Language], str] = {
    ("definition", "en"): "What is {0}?",
    ("definition", "ru"): "Что такое {0}?",
    ("definition", "kk"): "{0} дегеніміз не?",
    ("figure", "en"): "What is the {0}?",
    ("figure", "ru"): "Сколько составляет {0}?",
    ("figure", "kk"): "{0} қанша?",
    ("table", "en"): "What is “{1}” for “{0}”?",
    ("table", "ru"): "Чему равно «{1}» для «{0}»?",
    ("table", "kk"): "«{0}» үшін «{1}» қандай?",
    ("mail", "en"): "What was written about “{0}”?",
    ("mail", "ru"): "Что написано в письме «{0}»?",
    ("mail", "kk"): "«{0}» туралы хатта не жазылған?",
    ("heading", "en"): "What is said about “{0}”?",
    ("heading", "ru"): "Что сказано о теме «{0}»?",
    ("heading", "kk"): "«{0}» туралы не айтылған?",
}
_SUBJECT_PREFIX = re.compile(r"^(?:(?:re|fw|fwd|ответ|отв|пересл)\s*:\s*)+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Excerpt:
    """One passage of a document, as a question may be drafted from it."""

    document_id: str
    source: str
    external_id: str
    title: str
    language: Language
    page: int | None
    text: str
    heading: str = ""
    """The last heading above it, empty where there is none."""
    is_table: bool = False
    is_mail: bool = False


@dataclass(frozen=True, slots=True)
class Drafted:
    """A question and the words of the document that answer it (which are never kept)."""

    kind: Kind
    question: NewQuestion
    answer: str


def draft(documents: Iterable[Sequence[Excerpt]], count: int, seed: int = 0) -> list[NewQuestion]:
    """At most `count` questions from the excerpts of each document, spread over languages and documents by turns."""
    by_language: dict[Language, list[list[Drafted]]] = {}
    for excerpts in documents:
        found = _of_document(excerpts, seed)
        if found:
            by_language.setdefault(found[0].question.language, []).append(found)
    for language, groups in by_language.items():
        groups.sort(key=lambda group: _shuffled(seed, language, _name(group[0])))
    chosen: list[NewQuestion] = []
    said: set[str] = set()
    for one in _by_turns([_by_turns(groups) for _, groups in sorted(by_language.items())]):
        key = fold(one.question.text)
        if key not in said:
            said.add(key)
            chosen.append(one.question)
        if len(chosen) >= count:
            break
    return chosen


def drafts_of(excerpt: Excerpt) -> Iterator[Drafted]:
    """Everything that can be asked of one passage."""
    language = excerpt.language if excerpt.language in ("kk", "ru", "en") else question_language(excerpt.text)
    if language not in ("kk", "ru", "en"):
        return
    make = _Maker(excerpt, language)
    for found in _table_cells(excerpt.text) if excerpt.is_table else ():
        yield from make.one("table", found[:2], found[2])
    if not excerpt.is_table:
        for sentence in sentences(excerpt.text):
            if len(sentence) <= _MAX_SENTENCE and not is_table_row(sentence):
                yield from _of_sentence(sentence, language, make)
    if excerpt.is_mail:
        yield from make.one("mail", (_SUBJECT_PREFIX.sub("", excerpt.title).strip(),), "")
    elif excerpt.heading and len(excerpt.text) > 2 * len(excerpt.heading):
        yield from make.one("heading", (_NUMBERING.sub("", excerpt.heading).strip(" .:"),), "")


def _of_sentence(sentence: str, language: Language, make: _Maker) -> Iterator[Drafted]:
    kinds: tuple[tuple[Kind, Mapping[Language, tuple[re.Pattern[str], ...]]], ...] = (
        ("figure", _FIGURES),
        ("definition", _DEFINITIONS),
    )
    for kind, patterns in kinds:
        for pattern in patterns[language]:
            match = pattern.match(sentence)
            if match:
                yield from make.one(kind, (match["subject"].strip(),), match["answer"])
                return


@dataclass(frozen=True, slots=True)
class _Maker:
    excerpt: Excerpt
    language: Language

    def one(self, kind: Kind, parts: Sequence[str], answer: str) -> Iterator[Drafted]:
        """The question, where it can be understood outside its document and does not say its own answer."""
        least = 2 if kind in ("definition", "figure", "heading") else 1
        if not all(_tells(part, least) for part in parts):
            return
        shown = [self._begun(kind, part) for part in parts]
        text = " ".join(_WORDS[kind, self.language].format(*shown).split())
        if not _LEAST <= len(text) <= _MOST or _says(text, answer):
            return
        text = text[0].upper() + text[1:]
        excerpt = self.excerpt
        expected = (Expected(excerpt.source, excerpt.external_id, excerpt.page),)
        yield Drafted(
            kind, NewQuestion(text, self.language, expected, excerpt.document_id, excerpt.page), answer
        )

    def _begun(self, kind: Kind, part: str) -> str:
        """Inside a sentence a word that is no name begins small."""
        if kind not in ("definition", "figure") or self.language == "kk":
            return part
        first = part.split()[0]
        return part if first[1:] != first[1:].lower() or len(first) == 1 else part[0].lower() + part[1:]


def _tells(subject: str, least: int) -> bool:
    """Whether it names something, in at least so many words that are words."""
    words = _WORD.findall(fold(subject))
    return (
        0 < len(words) <= _MAX_SUBJECT_WORDS
        and words[0] not in _UNTELLING
        and sum(len(word) > 2 and word.isalpha() for word in words) >= least
        and not _ADDRESS.search(subject)
        and "|" not in subject
    )


def _says(question: str, answer: str) -> bool:
    """Whether the figures, or the words, of `answer` stand in `question`."""
    asked = {_plain(figure) for figure in _FIGURE.findall(question)}
    if any(_plain(figure) in asked for figure in _FIGURE.findall(answer)):
        return True
    said, words = set(_WORD.findall(fold(question))), [w for w in _WORD.findall(fold(answer)) if len(w) > 3]
    return bool(words) and sum(word in said for word in words) / len(words) > 0.5


def _plain(figure: str) -> str:
    return re.sub(r"[\s\u00a0.,]", "", figure)


def _table_cells(text: str) -> Iterator[tuple[str, str, str]]:
    """Row label, column head and cell, for cells that hold a figure under a head that holds none."""
    rows = [[cell.strip() for cell in line.split(" | ")] for line in text.split("\n") if is_table_row(line)]
    if len(rows) < 2:
        return
    heads = rows[0]
    for row in rows[1:_MAX_ROWS]:
        if len(row) != len(heads) or not row[0] or len(row[0]) > _MAX_CELL:
            continue
        for head, cell in zip(heads[1:], row[1:], strict=True):
            if head and len(head) <= _MAX_CELL and not _FIGURE.search(head) and _FIGURE.match(cell):
                yield row[0], head, cell
                break


def _of_document(excerpts: Sequence[Excerpt], seed: int) -> list[Drafted]:
    """Kinds by turns, so that one table does not ask everything."""
    found: dict[str, Drafted] = {}
    for excerpt in excerpts:
        for drafted in drafts_of(excerpt):
            found.setdefault(drafted.question.text, drafted)
    kinds = [[one for one in found.values() if one.kind == kind] for kind in _ORDER]
    for group in kinds:
        group.sort(key=lambda one: _shuffled(seed, _name(one), one.question.text))
    return list(_by_turns(kinds))


def _name(one: Drafted) -> str:
    """What its source calls the document: our own ids differ between workspaces."""
    [expected] = one.question.expected
    return f"{expected.source}/{expected.external_id}"


def _by_turns(groups: Sequence[Iterable[Drafted]]) -> Iterator[Drafted]:
    waiting = [iter(group) for group in groups]
    while waiting:
        left: list[Iterator[Drafted]] = []
        for group in waiting:
            one = next(group, None)
            if one is not None:
                yield one
                left.append(group)
        waiting = left


def _shuffled(seed: int, *names: str) -> bytes:
    """An order that depends on the seed and on nothing that differs between machines."""
    return sha256("\0".join((str(seed), *names)).encode()).digest()


Draw = Callable[[str], bytes]


def drawn(seed: int) -> Draw:
    """The same order for whoever chooses the documents to draft from."""
    return lambda name: _shuffled(seed, "document", name)
