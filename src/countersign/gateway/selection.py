"""Which sentences of the given passages answer a question: word overlap weighed by rarity, and what is asked for.

No model. Within a language a sentence is scored by the share of the question's content words that it, its heading and
the sentence before it carry, rare words counting more, plus a bonus when it holds the kind of thing asked for (a
figure, a date, a person). Across languages words are replaced by glossary concepts and the passage's own similarity.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from countersign.corpus.glossary import concepts
from countersign.corpus.language import detect
from countersign.corpus.sentences import is_table_row, split_sentences
from countersign.corpus.terms import content_terms, fold, found_in, is_stop_word, words
from countersign.corpus.transliterate import Names
from countersign.domain.documents import Language, Passage

_HEADING_WEIGHT = 0.6
_BEFORE_WEIGHT = 0.4
_CONCEPT_WEIGHT = 0.9
_FOCUS = 0.12
_PRIOR = 0.1
_CROSS_LANGUAGE = 0.95
_UNKNOWN_WORD, _UNKNOWN_NAME = 1.0, 1.5
_NAME_ABSENT = 0.6
_ANY_WORD = re.compile(r"\w+(?:[-'’]\w+)*")
_MAX_PER_PASSAGE = 120
_MAX_CELLS = 8
# Cosines of the embedded multilingual-e5-small: unrelated texts lie near the first, related ones above the second.
_COSINE_UNRELATED, _COSINE_RELATED = 0.79, 0.87

_ASKS_FIGURE = re.compile(
    r"\b(?:how (?:much|many|long|often|large|high|old|soon|fast|quickly)|(?:what|which) (?:is|are|was) the [\w\s-]{0,40}?"
    r"(?:rate|fee|limit|amount|price|cost|period|deadline|number|percentage|tariff|penalty|minimum|maximum|budget)|"
    r"сколько|скольк\w+|как долго|как часто|(?:какая?|какой|какое|каков\w*|какую)\s+(?:\w+\s+){0,2}?"
    r"(?:ставк\w+|комисси\w+|лимит\w*|сумм\w+|цен\w+|стоимость|срок\w*|размер\w*|тариф\w*|штраф\w*|процент\w*|плат\w+)|"
    r"қанша\w*|неше\w*|қандай\s+(?:\w+\s+){0,2}?(?:мөлшерлеме\w*|комиссия\w*|лимит\w*|сома\w*|баға\w*|мерзім\w*|тариф\w*))"
)
_ASKS_TIME = re.compile(
    r"\b(?:when|what (?:time|date)|since when|когда|с какого|до какого|қашан\w*|қай (?:күн|уақыт)\w*)"
)
_ASKS_PERSON = re.compile(r"\b(?:who|whom|whose|кто|кого|кому|кем|кім\w*)\b")
_TIME = re.compile(
    r"\d{1,2}[:.]\d\d|\d{1,2}[./]\d{1,2}[./]\d{2,4}|\b(?:19|20)\d\d\b|\d\s*(?:янв|фев|мар|апр|ма[йя]|июн|июл|авг|сен|окт|ноя|дек|"
    r"қаң|ақп|нау|сәу|мам|мау|шіл|там|қыр|қаз|қар|жел|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)",
    re.IGNORECASE,
)

_CAPITAL = re.compile(r"\s[«\"“(]?[A-ZА-ЯӘІҢҒҮҰҚӨҺ]")
_CAPITALISED = re.compile(r"(?<=[\s«\"“(])[A-ZА-ЯӘІҢҒҮҰҚӨҺ]\w+")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One sentence or row. `passage` is 0-based; `text` is verbatim, or `Header: cell; …` of verbatim cells for a row."""

    passage: int
    order: int
    text: str
    terms: frozenset[str]
    before: frozenset[str]
    heading: frozenset[str]
    language: Language
    is_row: bool
    source: str
    """Everything that it is read with, for comparison by concepts."""


@dataclass(frozen=True, slots=True)
class _Asked:
    text: str
    concepts: frozenset[str]
    weight: float


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A content word of the question within its language."""

    term: str
    concepts: frozenset[str]
    weight: float


@dataclass(frozen=True, slots=True)
class Scored:
    """`across`: the candidate is in another language than the question."""

    candidate: Candidate
    score: float
    across: bool


def candidates(passages: Sequence[Passage]) -> list[Candidate]:
    """Every sentence and row that could be an answer, in order."""
    return [candidate for index, passage in enumerate(passages) for candidate in _of_passage(index, passage)]


def rank(
    question: str, language: Language, found: Sequence[Candidate], passages: Sequence[Passage]
) -> list[Scored]:
    """Best first. A score near 1 means that everything asked for is there; below about 0.45 that it is not."""
    asked_in = detect(question)
    asked_in = language if asked_in == "und" else asked_in
    wanted = _wanted(content_terms(question, asked_in), found)
    asked = _asked_words(question)
    focus = _focus_of(question)
    top = max((passage.score for passage in passages), default=0.0)
    scored: list[Scored] = []
    for candidate in found:
        passage = passages[candidate.passage]
        across = candidate.language not in (asked_in, "und")
        score = _across(asked, candidate, passage) if across else _within(wanted, candidate)
        prior = passage.score / top if top > 0 else 0.0
        scored.append(Scored(candidate, score + focus(candidate.text) + _PRIOR * (prior - 0.5), across))
    return sorted(scored, key=lambda item: (-item.score, item.candidate.order))


def central(found: Sequence[Candidate], count: int) -> list[Candidate]:
    """The sentences that carry most of what the others speak of, without repeats, in their order."""
    frequency = Counter(term for candidate in found for term in candidate.terms)
    prose = [c for c in found if not c.is_row and 4 <= len(c.terms) <= 40]
    chosen: list[Candidate] = []
    covered: set[str] = set()
    while prose and len(chosen) < count:
        best = max(prose, key=lambda c: _centrality(c, frequency, covered, len(found)))
        prose.remove(best)
        if all(overlap(best, other) < 0.7 for other in chosen):
            chosen.append(best)
            covered |= best.terms
    return sorted(chosen, key=lambda c: c.order)


def of_another(question: str, best: Candidate, other: Candidate) -> bool:
    """Whether `other` lacks a name of the question that `best` has, adds none, and has one of its own instead: the fee of
    another card."""
    if other.language != best.language:
        return False
    names = _names_in(question, best.language)
    here = {name for name in names if found_in(name, best.terms)}
    there = {name for name in names if found_in(name, other.terms)}
    return there < here and bool(_names_in(other.text, other.language) - best.terms)


def _names_in(text: str, language: Language) -> frozenset[str]:
    """The terms of its words with a capital letter, but for the first word."""
    return frozenset(content_terms(" ".join(_CAPITALISED.findall(text)), language))


def overlap(first: Candidate, second: Candidate) -> float:
    """Dice of content words; sentences with different figures never count as repeats."""
    if set(re.findall(r"\d+", first.text)) != set(re.findall(r"\d+", second.text)):
        return 0.0
    total = len(first.terms) + len(second.terms)
    return 2 * len(first.terms & second.terms) / total if total else 1.0


def _centrality(candidate: Candidate, frequency: Counter[str], covered: set[str], size: int) -> float:
    new = candidate.terms - covered
    weight = sum(math.log1p(frequency[term]) for term in new) / math.sqrt(len(candidate.terms))
    return (
        weight
        * (1.15 if any(map(str.isdigit, candidate.text)) else 1.0)
        * (1.2 - 0.4 * candidate.order / size)
    )


# Cutting passages


def _of_passage(index: int, passage: Passage) -> list[Candidate]:
    language = passage.language if passage.language != "und" else detect(passage.text)
    heading_text = " ".join((passage.title, *passage.heading_path, passage.sheet))
    heading = frozenset(content_terms(heading_text, language))
    header: tuple[str, ...] = ()
    before, before_text = frozenset[str](), ""
    cut: list[Candidate] = []
    for number, (start, end) in enumerate(split_sentences(passage.text)[:_MAX_PER_PASSAGE]):
        raw = passage.text[start:end].strip()
        row = is_table_row(raw)
        if row and not header:
            header = _header(raw)
            if header:
                continue
        text = _read_row(raw, header) if row else " ".join(raw.split())
        terms = frozenset(content_terms(text, language))
        if _may_answer(text, terms):
            source = f"{heading_text} {before_text} {text}"
            order = index * 1000 + number
            cut.append(Candidate(index, order, text, terms, before, heading, language, row, source))
        if not row:
            before, before_text = terms, text
    return cut


def _may_answer(text: str, terms: frozenset[str]) -> bool:
    """A question, a heading or a stray word answers nothing."""
    if text.endswith(("?", ":")) or not terms:
        return False
    return len(terms) >= 3 or any(map(str.isdigit, text))


def _header(row: str) -> tuple[str, ...]:
    cells = tuple(cell.strip() for cell in row.split(" | "))
    return cells if sum(any(map(str.isdigit, cell)) for cell in cells) <= len(cells) // 2 else ()


def _read_row(row: str, header: tuple[str, ...]) -> str:
    cells = [cell.strip() for cell in row.split(" | ")]
    if len(cells) != len(header):
        return "; ".join(cell for cell in cells if cell)
    pairs = [f"{name}: {cell}" if name else cell for name, cell in zip(header, cells, strict=True) if cell]
    return "; ".join(pairs[:_MAX_CELLS])


# Scoring


def _wanted(terms: list[str], found: Sequence[Candidate]) -> list[_Wanted]:
    """Rarity of each asked word among the candidates; a word that none of them has weighs as much as one that one has."""
    size = len(found) + 1
    there = [candidate.terms | candidate.heading for candidate in found]
    return [
        _Wanted(term, concepts(term), math.log(1 + size / (1 + sum(found_in(term, t) for t in there))))
        for term in dict.fromkeys(terms)
    ]


def _within(wanted: Sequence[_Wanted], candidate: Candidate) -> float:
    total = sum(word.weight for word in wanted)
    if not total:
        return 0.0
    own = concepts(candidate.text)
    return sum(word.weight * _presence(word, candidate, own) for word in wanted) / total


def _presence(word: _Wanted, candidate: Candidate, own: frozenset[str]) -> float:
    if found_in(word.term, candidate.terms):
        return 1.0
    if found_in(word.term, candidate.heading):
        return _HEADING_WEIGHT
    if word.concepts & own:
        return _CONCEPT_WEIGHT
    return _BEFORE_WEIGHT if found_in(word.term, candidate.before) else 0.0


def _across(asked: Sequence[_Asked], candidate: Candidate, passage: Passage) -> float:
    """Share of the question's words found by concept or as a name, joined with the passage's similarity if known."""
    own, read = concepts(candidate.text), concepts(candidate.source)
    unknown = any(not word.concepts for word in asked)
    names = Names(word for word in words(candidate.source) if len(word) > 2) if unknown else Names()
    total = sum(word.weight for word in asked)
    if not total:
        return 0.0
    presence = [(word, _presence_across(word, own, read, names)) for word in asked]
    share = _CROSS_LANGUAGE * sum(word.weight * there for word, there in presence) / total
    if any(word.weight == _UNKNOWN_NAME and not there for word, there in presence):
        share *= _NAME_ABSENT
    cosine = passage.features.get("cosine", 0.0)
    if cosine <= 0.0:
        return share
    alike = (cosine - _COSINE_UNRELATED) / (_COSINE_RELATED - _COSINE_UNRELATED)
    return 0.7 * share + 0.3 * min(1.0, max(0.0, alike))


def _presence_across(word: _Asked, own: frozenset[str], read: frozenset[str], names: Names) -> float:
    if word.concepts & own:
        return 1.0
    if word.concepts & read:
        return 0.6
    return float(not word.concepts and word.text in names)


def _asked_words(question: str) -> list[_Asked]:
    """Content words with what they may mean. A name that the glossary does not know must be found; a common word that it
    does not know may stand there in another guise, so it weighs less."""
    asked: dict[str, _Asked] = {}
    for match in _ANY_WORD.finditer(question):
        word = fold(match.group())
        if is_stop_word(word):
            continue
        meanings = concepts(word)
        name = match.start() > 0 and (match.group()[0].isupper() or question[match.start() - 1] in '«“"')
        exact = name or any(map(str.isdigit, word))
        weight = 1.0 if meanings else _UNKNOWN_NAME if exact else _UNKNOWN_WORD
        asked.setdefault(word, _Asked(word, meanings, weight))
    return list(asked.values())


def _focus_of(question: str) -> Callable[[str], float]:
    """What a text gains by holding the kind of thing that is asked for, or loses by lacking it."""
    asked = fold(question)
    if _ASKS_TIME.search(asked):
        return lambda text: _FOCUS if _TIME.search(text) else -_FOCUS
    if _ASKS_FIGURE.search(asked):
        return lambda text: _FOCUS if any(map(str.isdigit, text)) else -_FOCUS
    if _ASKS_PERSON.search(asked):
        return lambda text: 0.5 * _FOCUS if _CAPITAL.search(text) else 0.0
    return lambda _: 0.0
