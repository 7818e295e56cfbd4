"""What a document says with a figure or a date in it, made comparable across documents and languages.

The subject of a statement is the set of words around the figure: of a sentence its content words, of a table cell the
words of its row and its column. Words of banking, telecom and office work stand for their meaning (`corpus/glossary`),
others for their stem, so that a Kazakh and a Russian clause about one fee may agree.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from countersign.corpus.glossary import concepts, places
from countersign.corpus.readiness.figures import Figure, Reading, read, unit_of_header
from countersign.corpus.readiness.head import of_itself
from countersign.corpus.readiness.seams import Statement
from countersign.corpus.sentences import sentences
from countersign.corpus.terms import fold, is_stop_word, stem, words
from countersign.corpus.transliterate import skeleton
from countersign.domain.documents import Element, Language

MAX_STATEMENTS = 3_000
"""Of one document; a price list with more is compared by its first ones."""
NAMES = "names"
"""Kind of the one statement that lists the proper names of a document: never shown, only compared."""
IDENTIFIERS = "identifiers"
"""Kind of the one statement that lists the numbers which name something: contracts, accounts, phones."""

_CLAUSE = re.compile(
    r"[;:—]\s|,\s+(?:and|but|which|who|where|while|и|а|но|который|которая|которое|которые|где|если|при|ал|бірақ|және)\s"
)
_CLAUSE_WORDS = 3
_MAX_SENTENCE_CHARS = 1_200
_MAX_LISTED = 48
_TEXT_CHARS = 200
_PROSE = ("heading", "paragraph", "list_item", "caption")
_LISTING = re.compile(
    r"^\s*(?:\(?\d{1,3}[.)]\s|\d{1,2}(?:\.\d{1,2}){1,4}\.?\s|[a-zа-яәіңғүұқөһ]\)\s|[-–—•*▪●]\s)"
)
_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
_PART = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_NAME = re.compile(r"(?<![.!?:|\n«\"“(])(?<=[\w,;–—-]\s)[A-ZА-ЯЁӘІҢҒҮҰҚӨҺ][^\W\d_]{2,}")
_QUOTED = re.compile(r"[«“\"]([^«»“”\"\n]{2,40})[»”\"]")


@dataclass(frozen=True, slots=True)
class About:
    """`core` are the words of the clause or of row and column, `others` the other values said beside it (they
    condition it: `up to 100000 kzt`), `context` the words of the headings above and of the sheet."""

    core: frozenset[str]
    others: frozenset[str]
    context: frozenset[str]
    from_table: bool = False

    def encode(self) -> str:
        parts = (" ".join(sorted(self.core)), ";".join(sorted(self.others)), " ".join(sorted(self.context)))
        return f"{'table' if self.from_table else 'text'}|{'|'.join(parts)}"

    @classmethod
    def decode(cls, text: str) -> About:
        kind, core, others, context = (*text.split("|"), "", "", "")[:4]
        return cls(
            frozenset(core.split()), frozenset(filter(None, others.split(";"))), frozenset(context.split()),
            kind == "table",
        )  # fmt: skip


def statements(elements: Sequence[Element], language: Language) -> tuple[Statement, ...]:
    """Everything with a value in reading order, then the names and identifiers of the document and what it says of
    itself. At most `MAX_STATEMENTS`; pure, and about 0.2 ms a sentence that holds a figure."""
    names, identifiers = Counter[str](), Counter[str]()
    found: list[Statement] = []
    for element in elements:
        if element.kind not in (*_PROSE, "table") or element.hidden_reason:
            continue
        _note_names(element.text, names)
        if len(found) < MAX_STATEMENTS and any(map(str.isdigit, element.text)):
            spoken = element.language if element.language != "und" else language
            found += _of_element(element, spoken, identifiers)
    return (
        *found[:MAX_STATEMENTS],
        *of_itself(elements),
        *(
            Statement("", " ".join(word for word, _ in counted.most_common(_MAX_LISTED)), kind, "")
            for kind, counted in ((NAMES, names), (IDENTIFIERS, identifiers))
            if counted
        ),
    )


@lru_cache(maxsize=65_536)
def token(word: str, language: Language) -> str:
    """What a folded word counts as: its meaning (`~fee`) when the glossary knows exactly one, else its stem; empty for
    a word that carries none."""
    if is_stop_word(word) or len(word) < 2:
        return ""
    known = concepts(word)
    return f"~{min(known)}" if len(known) == 1 else stem(word, language).replace("|", "")


def tokens(text: str, language: Language) -> frozenset[str]:
    """The words of a text that say what it is about; words with figures are left out."""
    return frozenset(
        found for word in _PART.findall(fold(text)) if (found := token(word, language)) and len(found) > 1
    )


def _of_element(element: Element, language: Language, identifiers: Counter[str]) -> Iterator[Statement]:
    context = tokens(" ".join((*element.heading_path, element.sheet)), language)
    if element.kind == "table":
        yield from _of_table(element, language, context, identifiers)
        return
    for sentence in sentences(element.text):
        if len(sentence) <= _MAX_SENTENCE_CHARS and any(map(str.isdigit, sentence)):
            bare = _LISTING.sub("", sentence)
            reading = read(bare)
            identifiers.update(reading.identifiers)
            yield from _of_sentence(reading, language, context, bare, element.page)


def _of_sentence(
    reading: Reading, language: Language, context: frozenset[str], text: str, page: int | None
) -> Iterator[Statement]:
    """Each figure with the words of its own clause, or of the whole sentence when the clause has too few."""
    cuts = [0, *(match.end() for match in _CLAUSE.finditer(reading.rest)), len(reading.rest)]
    whole = tokens(reading.rest, language)
    for start, end in pairwise(cuts):
        inside = tuple(figure for figure in reading.figures if start <= figure.start < end)
        clause = tokens(reading.rest[start:end], language) if inside and len(cuts) > 2 else whole
        core = clause if len(clause) >= _CLAUSE_WORDS else whole
        yield from _states(reading, inside, core, context, text, page, from_table=False)


def _of_table(
    element: Element, language: Language, context: frozenset[str], identifiers: Counter[str]
) -> Iterator[Statement]:
    rows = [[cell.strip() for cell in row.split(" | ")] for row in element.text.splitlines()]
    heads = rows[: element.header_rows]
    for row in rows[element.header_rows :]:
        label = next((cell for cell in row if _WORD.search(cell) and not _is_figure(cell)), "")
        for place, cell in enumerate(row):
            if not any(map(str.isdigit, cell)):
                continue
            head = " ".join(head[place] for head in heads if place < len(head))
            reading = read(cell, unit_of_header(head))
            identifiers.update(reading.identifiers)
            about = f"{label} {head}" if cell != label else f"{head} {reading.rest}"
            if cell != label and len(_WORD.findall(reading.rest)) > 1:
                about += f" {reading.rest}"
            text = " | ".join(part for part in (label if cell != label else "", head, cell) if part)
            others = frozenset(f"{figure.kind[0]}{figure.value}" for figure in read(label).figures)
            core = tokens(about, language)
            for statement in _states(
                reading, reading.figures, core, context, text, element.page, from_table=True
            ):
                yield _conditioned(statement, others) if cell != label else statement


def _conditioned(statement: Statement, others: frozenset[str]) -> Statement:
    if not others:
        return statement
    subject = About.decode(statement.subject)
    widened = About(subject.core, subject.others | others, subject.context, subject.from_table)
    return Statement(widened.encode(), statement.value, statement.kind, statement.text, statement.page)


def _is_figure(cell: str) -> bool:
    """`1 250 ₸` and `6–12 мес.` are figures, `Перевод до 100 000 ₸` is a label."""
    return bool(read(cell).figures) and len(_WORD.findall(cell)) <= 1


def _states(
    reading: Reading,
    figures: Sequence[Figure],
    core: frozenset[str],
    context: frozenset[str],
    text: str,
    page: int | None,
    *,
    from_table: bool,
) -> Iterator[Statement]:
    for figure in figures:
        others = frozenset(
            f"{other.kind[0]}{other.value}"
            for other in reading.figures
            if other is not figure and other.value != figure.value
        ) | frozenset(f"r{reference}" for reference in reading.references)
        about = About(core, others, context, from_table)
        yield Statement(about.encode(), figure.value, figure.kind, _inert(text, figure.start), page)


def _note_names(text: str, names: Counter[str]) -> None:
    for match in _NAME.finditer(text):
        _note(match.group(), names)
    for match in _QUOTED.finditer(text):
        for word in words(match.group(1))[:3]:
            _note(word, names)


def _note(word: str, names: Counter[str]) -> None:
    folded = fold(word)
    if not is_stop_word(folded) and (not concepts(folded) or places(folded)):
        names[skeleton(folded) or folded] += 1


def _inert(text: str, around: int = 0) -> str:
    """One line without control and format characters, at most 200 characters, those about `around` if not all."""
    start = max(0, around - _TEXT_CHARS // 2) if len(text) > _TEXT_CHARS else 0
    part = text[start : start + 2 * _TEXT_CHARS]
    if not part.isprintable():
        part = "".join(char if unicodedata.category(char)[0] not in "CZ" else " " for char in part)
    plain = " ".join(part.split())
    plain = f"…{plain}" if start else plain
    return plain if len(plain) <= _TEXT_CHARS else plain[: _TEXT_CHARS - 1] + "…"


def listed(found: Iterable[Statement], kind: str) -> frozenset[str]:
    """The words of the statement of that kind (`NAMES`, `IDENTIFIERS`)."""
    return frozenset(
        word for statement in found if statement.kind == kind for word in statement.value.split()
    )
