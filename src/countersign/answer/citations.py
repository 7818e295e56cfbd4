"""Citations are ours: the model's marks are read, checked against the passages it was given, and replaced.

A mark is `[2]`, `[1, 3]`, `[2-4]`, `[[2]]`, `[^2]`, `[passage 2]`, `【2】` or, where the text has no bracketed marks, `(2)` at the
end of a clause. A number that names no passage is dropped. A sentence without a mark is given the passage that supports
it best, when one does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from countersign.answer.cells import cell_of
from countersign.answer.courtesy import is_courtesy
from countersign.corpus.glossary import concepts
from countersign.corpus.language import detect
from countersign.corpus.sentences import split_sentences
from countersign.corpus.terms import content_terms, coverage, found_in
from countersign.domain.answers import Citation, Claim
from countersign.domain.documents import Box, Passage
from countersign.domain.ids import new_id

MAX_QUOTE_CHARS = 300
_LEAST_MATCH = 0.5
_NUMBERS = r"\d{1,4}(?:\s*(?:,|;|-|–|and|и|және)\s*\d{1,4})*"
_BRACKET = re.compile(
    r"[ \t]*(?:\[{1,2}\^?\s*(?:(?:passages?|sources?|отрыв\w*|источник\w*|үзінді\w*|дереккөз\w*)\s*)?[№#]?\s*(?P<a>"
    + _NUMBERS + r")\s*\]{1,2}|【\s*(?P<b>" + _NUMBERS + r")[^】\n]{0,40}】)", re.IGNORECASE
)  # fmt: skip
_PAREN = re.compile(r"[ \t]*\((?P<a>\d{1,2}(?:\s*,\s*\d{1,2})*)\)(?=\s*(?:[.,;!?]|$|\n))")
_OURS = re.compile(r" \[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Bound:
    """An answer whose every mark is ours. `cited[n - 1]` is the passage of citation n; `dropped` says what was removed
    (`invented_citation:7`)."""

    text: str
    claims: tuple[Claim, ...]
    citations: tuple[Citation, ...]
    cited: tuple[Passage, ...]
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Sentence:
    body: str
    tail: str
    passages: tuple[int, ...]


def bind(text: str, passages: Sequence[Passage]) -> Bound:
    """Bind every sentence of a model's `text` to `passages`, numbered for the model 1… in this order."""
    binding = Binding(passages)
    binding.add(text)
    return binding.bound()


class Binding:
    """The same in pieces of whole sentences: a number, once given, stays, because numbers follow first appearance."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = passages
        self._bracketed = False
        self._number: dict[int, int] = {}
        self._claims: list[Claim] = []
        self._dropped: list[str] = []
        self._text = ""

    def add(self, piece: str) -> str:
        """Bind the next whole sentences; returns their text as it goes on, without the white space at its end."""
        self._bracketed = self._bracketed or _BRACKET.search(piece) is not None
        pattern = _BRACKET if self._bracketed else _PAREN
        marked = [
            _read(piece[start:end], pattern, len(self._passages), self._dropped)
            for start, end in split_sentences(piece)
        ]
        sentences = [_with_best(sentence, self._passages) for sentence in _marks_alone(marked)]
        for index in (index for sentence in sentences for index in sentence.passages):
            self._number.setdefault(index, len(self._number) + 1)
        left = len(self._text.rstrip())
        self._text, claims = _write(self._text, sentences, self._number)
        self._claims.extend(claims)
        return self._text.rstrip()[left:]

    @property
    def says_something(self) -> bool:
        return bool(self._claims)

    def bound(self) -> Bound:
        """Everything so far."""
        claims = tuple(self._claims)
        citations = tuple(
            _citation(n, self._passages[index], _resting_on(n, claims)) for index, n in self._number.items()
        )
        cited = tuple(self._passages[index] for index in self._number)
        return Bound(self._text.rstrip(), claims, citations, cited, tuple(dict.fromkeys(self._dropped)))


def cite_too(
    passages: Sequence[tuple[Passage, str]], citations: tuple[Citation, ...], cited: tuple[Passage, ...]
) -> tuple[tuple[Citation, ...], tuple[Passage, ...]]:
    """Citations and their passages with those of `passages` added that had none; the text beside each is what is quoted."""
    known = {citation.passage_id for citation in citations}
    for passage, resting in passages:
        if passage.passage_id not in known:
            known.add(passage.passage_id)
            citations = (*citations, _citation(len(citations) + 1, passage, resting))
            cited = (*cited, passage)
    return citations, cited


def _read(raw: str, pattern: re.Pattern[str], count: int, dropped: list[str]) -> _Sentence:
    indexes: list[int] = []
    for match in pattern.finditer(raw):
        written = match.group("a") or match.groupdict().get("b") or ""
        for n in _expand(written):
            if 1 <= n <= count:
                indexes.append(n - 1)
            else:
                dropped.append(f"invented_citation:{n}")
    bare = pattern.sub("", raw)
    body = bare.rstrip()
    return _Sentence(body, bare[len(body) :], tuple(dict.fromkeys(indexes)))


def _expand(written: str) -> list[int]:
    numbers: list[int] = []
    for part in re.split(r"\s*(?:,|;|and|и|және)\s*", written):
        ends = [int(end) for end in re.split(r"\s*[-–]\s*", part) if end]
        if len(ends) == 2 and ends[0] <= ends[1] <= ends[0] + 20:
            numbers.extend(range(ends[0], ends[1] + 1))
        else:
            numbers.extend(ends)
    return numbers


def _marks_alone(sentences: list[_Sentence]) -> list[_Sentence]:
    """A mark that stands on its own line belongs to the sentence before it."""
    joined: list[_Sentence] = []
    for sentence in sentences:
        if not sentence.body and joined:
            last = joined[-1]
            together = tuple(dict.fromkeys((*last.passages, *sentence.passages)))
            joined[-1] = _Sentence(last.body, last.tail + sentence.tail, together)
        else:
            joined.append(sentence)
    return joined


def _with_best(sentence: _Sentence, passages: Sequence[Passage]) -> _Sentence:
    if sentence.passages or not says_something(sentence.body):
        return sentence
    scores = [support_score(sentence.body, passage) for passage in passages]
    best = max(range(len(scores)), key=scores.__getitem__, default=-1)
    if best < 0 or scores[best] < _LEAST_MATCH:
        return sentence
    return replace(sentence, passages=(best,))


def says_something(sentence: str) -> bool:
    """Whether a sentence states anything: a greeting, a lone list number or a rule of dashes does not."""
    return any(char.isalnum() for char in sentence) and not is_courtesy(sentence)


def support_score(sentence: str, passage: Passage) -> float:
    """Share of the sentence's content words (or, in another language, of its glossary concepts) in the passage."""
    language = detect(sentence)
    whole = f"{passage.title} {' '.join(passage.heading_path)} {passage.text}"
    if passage.language in (language, "und"):
        terms = content_terms(sentence, language)
        return coverage(terms, frozenset(content_terms(whole, language)))
    mine = concepts(sentence)
    return len(mine & concepts(whole)) / len(mine) if len(mine) > 1 else 0.0


def _write(out: str, sentences: list[_Sentence], number: dict[int, int]) -> tuple[str, list[Claim]]:
    """`out` with the sentences after it, and what they claim, with offsets into the whole."""
    claims: list[Claim] = []
    for sentence in sentences:
        numbers = tuple(sorted(number[index] for index in sentence.passages))
        lead = sentence.body[: len(sentence.body) - len(sentence.body.lstrip())]
        start = len(out) + len(lead)
        out += sentence.body + "".join(f" [{n}]" for n in numbers)
        if says_something(sentence.body):
            claims.append(
                Claim(out[start:], start, len(out), supported=False, support="none", citations=numbers)
            )
        out += sentence.tail
    return out, claims


def _resting_on(n: int, claims: tuple[Claim, ...]) -> str:
    return " ".join(_OURS.sub("", claim.text) for claim in claims if n in claim.citations)


def _citation(n: int, passage: Passage, resting: str) -> Citation:
    start, end = best_quote(passage, resting)
    page = _page_at(passage, start)
    cell = cell_of(passage, resting)
    return Citation(
        n,
        new_id("cit"),
        passage.passage_id,
        passage.document_id,
        passage.external_id,
        passage.source,
        passage.version,
        passage.title,
        passage.text[start:end],
        page,
        box_on(passage, page),
        " / ".join(passage.heading_path),
        passage.sheet,
        cell.row if cell else "",
        cell.column if cell else "",
        cell.unit if cell else "",
    )


def best_quote(passage: Passage, resting: str) -> tuple[int, int]:
    """Offsets of the run of whole sentences of at most 300 characters that carries most of what rests on it."""
    spans = [_trim(passage.text, span) for span in split_sentences(passage.text)]
    spans = [span for span in spans if span[1] > span[0]]
    if not spans:
        return 0, min(len(passage.text), MAX_QUOTE_CHARS)
    scores = _sentence_scores(passage, spans, resting)
    best = max(range(len(spans)), key=scores.__getitem__)
    start, end = spans[best]
    if end - start > MAX_QUOTE_CHARS:
        cut = passage.text.rfind(" ", start, start + MAX_QUOTE_CHARS)
        return start, cut if cut > start else start + MAX_QUOTE_CHARS
    for following in range(best + 1, len(spans)):
        if scores[following] < 0.4 * scores[best] or spans[following][1] - start > MAX_QUOTE_CHARS:
            break
        end = spans[following][1]
    return start, end


def _sentence_scores(passage: Passage, spans: list[tuple[int, int]], resting: str) -> list[float]:
    language = passage.language if resting in passage.text else detect(resting)
    same = passage.language in (language, "und")
    wanted = frozenset(content_terms(resting, language)) if same else concepts(resting)
    digits = frozenset(re.findall(r"\d+", resting))

    def score(span: tuple[int, int]) -> float:
        sentence = passage.text[span[0] : span[1]]
        there = frozenset(content_terms(sentence, passage.language)) if same else concepts(sentence)
        shared = sum(found_in(term, there) for term in wanted) if same else len(wanted & there)
        return shared + 0.5 * len(digits & set(re.findall(r"\d+", sentence)))

    return [score(span) for span in spans]


def _trim(text: str, span: tuple[int, int]) -> tuple[int, int]:
    raw = text[span[0] : span[1]]
    return span[0] + len(raw) - len(raw.lstrip()), span[0] + len(raw.rstrip())


def _page_at(passage: Passage, offset: int) -> int | None:
    """The page on which the quote most likely stands: boxes are in reading order and text fills them by area."""
    if passage.page is None or not passage.boxes or passage.page_to in (None, passage.page):
        return passage.page
    areas = [(page, max(1e-6, (box[2] - box[0]) * (box[3] - box[1]))) for page, box in passage.boxes]
    target = offset / max(1, len(passage.text)) * sum(area for _, area in areas)
    for page, area in areas:
        target -= area
        if target < 0:
            return page
    return areas[-1][0]


def box_on(passage: Passage, page: int | None) -> Box | None:
    """Around everything of a passage that stands on one page."""
    boxes = [box for number, box in passage.boxes if number == page]
    if not boxes:
        return None
    return (
        min(box[0] for box in boxes),
        min(box[1] for box in boxes),
        max(box[2] for box in boxes),
        max(box[3] for box in boxes),
    )
