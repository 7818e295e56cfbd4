"""Does the cited text say what the sentence says? Deterministic checks, fail closed, reasons kept.

Within a language a claim is supported *literally* when one piece of the cited text (a sentence, a sentence
read with the one before it, a table row) holds all its figures, dates, identifiers and names, covers its content words, does not give its figure to
another subject, and has the same polarity. Across languages figures must agree exactly and names by transliteration;
what is said is compared by glossary concepts and by embedding similarity above a threshold measured per pair
(`bench/verification.py`): support is then *semantic*. Anything else is `none`: marked, never hidden.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from countersign.answer.evidence import Readings, Segment, Unit, context_of
from countersign.answer.facts import Date, Facts, Number, facts, normalised_identifier
from countersign.answer.language import UNDETERMINED
from countersign.answer.polarity import negated, opposites
from countersign.corpus.glossary import concepts, foreign_subjects, places, similarity
from countersign.corpus.language import detect
from countersign.corpus.terms import content_terms, coverage, fold, found_in, stem, words
from countersign.corpus.transliterate import same_name
from countersign.domain.answers import Claim
from countersign.domain.documents import Language, Passage
from countersign.domain.errors import ProviderError

if TYPE_CHECKING:
    from countersign.corpus.seams import Embedder

MARK = re.compile(r"\s*\[\d+(?:,\s*\d+)*\]")
_MAX_CANDIDATES = 8
_CONCEPTS_BESIDE_COSINE = 0.15
_NEAR_TIE = 0.02
_REDACTED = re.compile(r"\[[A-Z][A-Z_]{1,15}-[0-9a-f]{2,16}\]")
"""What the output filter leaves of personal data: it can be checked against nothing."""
_POLARITY_LANGUAGES = frozenset({"kk", "ru", "en"})


@dataclass(frozen=True, slots=True)
class Thresholds:
    """`literal` and `literal_carried`: least share of content words in one sentence, or in one read with the one
    before it (then at least `own` of them in the sentence itself).

    `unjudged` applies where negation is not understood (languages other than kk, ru, en). `similarity` is the least
    cosine of the multilingual-e5-small embeddings by (claim language, passage language); `default_similarity` holds
    for pairs that were not measured. `concepts`: least share of the claim's glossary concepts in the evidence.
    """

    literal: float = 0.7
    literal_carried: float = 0.8
    own: float = 0.5
    unjudged: float = 0.9
    concepts: float = 0.6
    default_similarity: float = 0.9
    similarity: tuple[tuple[str, str, float], ...] = (
        ("kk", "ru", 0.86),
        ("kk", "en", 0.83),
        ("ru", "kk", 0.86),
        ("ru", "en", 0.845),
        ("en", "kk", 0.835),
        ("en", "ru", 0.85),
    )

    def similarity_of(self, claim: Language, passage: Language) -> float:
        return next(
            (least for a, b, least in self.similarity if (a, b) == (claim, passage)), self.default_similarity
        )


THRESHOLDS = Thresholds()


@dataclass(frozen=True, slots=True)
class _Subject:
    """A claim prepared for comparison."""

    text: str
    language: Language
    terms: list[str]
    facts: Facts

    @classmethod
    def of(cls, text: str, language: Language) -> _Subject:
        return cls(text, language, content_terms(text, language), facts(text))


@dataclass(frozen=True, slots=True)
class _Source:
    """A cited passage prepared for comparison; `context` is its title and headings."""

    units: tuple[Unit, ...]
    language: Language
    context: str
    context_terms: frozenset[str]
    context_facts: Facts
    concepts: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Verdict:
    supported: bool
    reasons: tuple[str, ...]
    closeness: float


async def verify(
    claims: Sequence[Claim],
    passages: Sequence[Passage],
    language: Language,
    embedder: Embedder | None,
    thresholds: Thresholds = THRESHOLDS,
    readings: Readings | None = None,
) -> tuple[Claim, ...]:
    """The claims with `supported`, `support` and `reasons` set.

    `passages` are the *cited* ones in citation order (`Bound.cited`): citation number n is `passages[n - 1]`.
    `language` is the answer's; passages say their own. `embedder` None: nothing is supported across languages.
    `readings` may be shared with `find_conflicts` of the same answer.
    """
    readings = readings or Readings()
    sources = [_source(passage, readings) for passage in passages]
    verified: list[Claim] = []
    for claim in claims:
        cited = [sources[n - 1] for n in claim.citations if 0 < n <= len(sources)]
        verified.append(await _verify_one(claim, cited, language, embedder, thresholds))
    return tuple(verified)


def _source(passage: Passage, readings: Readings) -> _Source:
    language = passage.language or UNDETERMINED
    if language == UNDETERMINED:
        language = detect(passage.text)
    context = context_of(passage)
    return _Source(
        readings.units(passage, language),
        language,
        context,
        frozenset(content_terms(context, language)),
        facts(context),
        concepts(f"{context} {passage.text}"),
    )


async def _verify_one(
    claim: Claim, cited: list[_Source], language: Language, embedder: Embedder | None, thresholds: Thresholds
) -> Claim:
    if not cited:
        return replace(claim, supported=False, support="none", reasons=("no_citation",))
    text = _REDACTED.sub("", MARK.sub("", claim.text)).strip()
    language = _spoken(text, language, cited)
    subject = _Subject.of(text, language)
    if language == UNDETERMINED or all(source.language == UNDETERMINED for source in cited):
        return replace(claim, supported=False, support="none", reasons=("language_unknown",))
    near = [source for source in cited if source.language in (language, UNDETERMINED)]
    far = [source for source in cited if source.language not in (language, UNDETERMINED)]
    literal = _literal(subject, near, thresholds) if near else None
    if literal is not None and literal.supported:
        return replace(claim, supported=True, support="literal", reasons=())
    semantic = await _semantic(subject, far, embedder, thresholds) if far else None
    if semantic is not None and semantic.supported:
        return replace(claim, supported=True, support="semantic", reasons=())
    verdict = literal or semantic
    return replace(
        claim, supported=False, support="none", reasons=verdict.reasons if verdict else ("no_evidence",)
    )


def _spoken(text: str, language: Language, cited: list[_Source]) -> Language:
    """The answer's language, unless the sentence is quoted in the language of its source."""
    spoken = detect(text)
    return (
        spoken if spoken != UNDETERMINED and any(spoken == source.language for source in cited) else language
    )


# Within a language


def _literal(subject: _Subject, sources: list[_Source], thresholds: Thresholds) -> _Verdict:
    foreign = [_foreign(subject, source) for source in sources]
    verdict = _best(
        _literal_in(subject, source, unit, said, thresholds)
        for source, said in zip(sources, foreign, strict=True)
        for unit in source.units
    )
    if verdict.supported:
        return verdict
    parts = _parts(subject)
    if len(parts) > 1 and all(_literal(part, sources, thresholds).supported for part in parts):
        return _Verdict(True, (), 1.0)
    return verdict


def _best(verdicts: Iterable[_Verdict]) -> _Verdict:
    best = _Verdict(False, ("low_overlap",), -1.0)
    for verdict in verdicts:
        if verdict.supported:
            return verdict
        if verdict.closeness > best.closeness:
            best = verdict
    return best


def _literal_in(
    subject: _Subject, source: _Source, unit: Unit, foreign: list[str], thresholds: Thresholds
) -> _Verdict:
    terms = [term for term in subject.terms if not term.isdigit()]
    share = _share(terms, unit, source) if terms else float(subject.facts.any_exact)
    reasons = [*_missing(subject, unit, source), *foreign]
    if not reasons:
        reasons.extend(_other_subject(subject, unit, source))
    if share < _least(subject, unit, thresholds):
        reasons.append("low_overlap")
    if unit.is_carried and coverage(terms, unit.own_terms | source.context_terms) < thresholds.own:
        reasons.append("low_overlap")
    if not reasons:
        reasons.extend(_polarity(subject, unit))
    closeness = share - 0.15 * len(reasons) - (0.05 if unit.is_carried else 0.0)
    return _Verdict(not reasons, tuple(dict.fromkeys(reasons)), closeness)


def _share(terms: list[str], unit: Unit, source: _Source) -> float:
    """Share of the claim's content words in the evidence: the word itself, or one of the same glossary concept."""
    evidence = unit.terms | source.context_terms
    there = concepts(f"{source.context} {unit.before} {unit.text}")
    return sum(found_in(term, evidence) or bool(_meant_by(term) & there) for term in terms) / len(terms)


@lru_cache(maxsize=65_536)
def _meant_by(term: str) -> frozenset[str]:
    return concepts(term)


def _least(subject: _Subject, unit: Unit, thresholds: Thresholds) -> float:
    if subject.language not in _POLARITY_LANGUAGES:
        return thresholds.unjudged
    return thresholds.literal_carried if unit.is_carried else thresholds.literal


def _parts(subject: _Subject) -> list[_Subject]:
    """Clauses of a composite claim, each with its own figure and the claim's opening words as its subject."""
    pieces = re.split(r"[;]\s|,\s|\s(?:и|а|and|while|ал|және)\s", subject.text)
    if len(pieces) < 2 or any(not facts(piece).any_exact for piece in pieces):
        return []
    return [_Subject.of(piece, subject.language) for piece in pieces]


# What both kinds share: figures, identifiers, names, subjects, polarity


def _missing(subject: _Subject, unit: Unit, source: _Source) -> list[str]:
    wanted, there, context = subject.facts, unit.facts, source.context_facts
    reasons = [reason for number in wanted.numbers if (reason := _number_missing(number, there, context))]
    reasons += [f"date_missing:{date.text}" for date in wanted.dates if not _date_there(date, there, context)]
    reasons += [f"time_missing:{time}" for time in sorted(wanted.times - there.times - context.times)]
    whole = normalised_identifier(f"{source.context} {unit.text}") if wanted.identifiers else ""
    reasons += [
        f"identifier_missing:{identifier}"
        for identifier in wanted.identifiers
        if normalised_identifier(identifier) not in whole
    ]
    reasons += [
        f"name_missing:{name}" for name in wanted.names if not _name_there(name, subject, unit, source)
    ]
    if named := places(subject.text):
        here = places(unit.text) or places(unit.before)
        reasons += [f"name_missing:{place}" for place in sorted(named - here - places(source.context))]
    return reasons


def _foreign(subject: _Subject, source: _Source) -> list[str]:
    """Things that the claim speaks of and the whole cited passage does not."""
    return [f"different_subject:{concept}" for concept in foreign_subjects(subject.text, source.concepts)]


def _number_missing(number: Number, there: Facts, context: Facts) -> str:
    years = {date.year for date in (*there.dates, *context.dates)}
    if not number.unit and any(int(value) in years for value in number.values if value == int(value)):
        return ""
    same = [other for other in (*there.numbers, *context.numbers) if other.values & number.values]
    if not same:
        return f"number_missing:{number.text}"
    if not any(_units_agree(number.unit, other.unit) for other in same):
        return f"unit_differs:{number.text}"
    return ""


def _units_agree(first: str, second: str) -> bool:
    return first == second or not first or not second or {first, second} <= {"year", ""}


def _date_there(date: Date, there: Facts, context: Facts) -> bool:
    if any(date.within(other) for other in (*there.dates, *context.dates)):
        return True
    # The year may stand elsewhere: in the title, or earlier in the same piece.
    years = {other.year for other in (*there.dates, *context.dates)} | {
        int(value)
        for number in (*there.numbers, *context.numbers)
        for value in number.values
        if value == int(value)
    }
    bare = replace(date, year=None)
    return date.year in years and any(bare.within(other) and other.year is None for other in there.dates)


def _name_there(name: str, subject: _Subject, unit: Unit, source: _Source) -> bool:
    if subject.language == source.language and found_in(
        stem(fold(name), subject.language), _name_terms(unit) | source.context_terms
    ):
        return True
    if source.language != subject.language and concepts(name):
        return True  # a translated common word (Board, Совет): judged as content, not as a name
    text = (
        f"{source.context} {unit.text}" if unit.facts.names else f"{source.context} {unit.before} {unit.text}"
    )
    return any(same_name(name, word) for word in words(text) if len(word) > 2)


def _name_terms(unit: Unit) -> frozenset[str]:
    return unit.own_terms if unit.is_carried and unit.facts.names else unit.terms


def _other_subject(subject: _Subject, unit: Unit, source: _Source) -> list[str]:
    """A figure that stands in the text, but beside another subject: `Silver: 500` when 500 is Gold's."""
    ours = frozenset().union(*(number.values for number in subject.facts.numbers))
    terms = frozenset(term for term in subject.terms if not term.isdigit())
    singles = [single for single in source.units if not single.is_carried]
    reasons: list[str] = []
    for number in subject.facts.numbers:
        own = [seg for seg in unit.segments if any(n.values & number.values for n in seg.facts.numbers)]
        if own and all(_taken(terms, seg, number, unit, singles, ours) for seg in own):
            reasons.append(f"number_of_another_subject:{number.text}")
    return reasons


def _taken(
    terms: frozenset[str],
    own: Segment,
    number: Number,
    unit: Unit,
    singles: list[Unit],
    ours: frozenset[object],
) -> bool:
    """A rival figure of the same kind stands beside words of the claim that its own figure lacks.

    Words carry forward in a text ("…for a gold card it is"), so an earlier rival counts only when the own piece has no
    word of the claim to itself; a later one when the own piece also speaks of something that the claim does not.
    """
    for single in singles:
        for rival in single.segments:
            if rival is own or not _rivals(rival, number, ours, unit.is_row and single.is_row):
                continue
            mine = _of(terms, own.terms) - _of(terms, rival.terms)
            theirs = _of(terms, rival.terms) - _of(terms, own.terms)
            unsaid = {
                term for term in own.terms - rival.terms if not term.isdigit() and not found_in(term, terms)
            }
            if theirs and (not mine or ((unit.is_row or single.start > unit.start) and unsaid)):
                return True
    return False


def _rivals(rival: Segment, number: Number, ours: frozenset[object], both_rows: bool) -> bool:
    return any(
        not other.values & ours and (both_rows or other.kind == number.kind or not other.unit)
        for other in rival.facts.numbers
    )


def _of(terms: frozenset[str], evidence: frozenset[str]) -> set[str]:
    return {term for term in terms if found_in(term, evidence)}


def _polarity(subject: _Subject, unit: Unit) -> list[str]:
    reasons: list[str] = []
    if negated(subject.text) != negated(unit.text) and not _some_segment_agrees(subject, unit):
        reasons.append("negation_differs")
    opposite = opposites(subject.text, unit.text)
    if opposite:
        reasons.append(f"opposite:{opposite}")
    return reasons


def _some_segment_agrees(subject: _Subject, unit: Unit) -> bool:
    """A sentence may negate in one clause only: the clause nearest to the claim decides."""
    clauses = [part for part in re.split(r"[,;:]\s|\s[—–]\s|[.!?]\s", unit.text) if part.strip()]
    if len(clauses) < 2:
        return False
    wanted = frozenset(subject.terms)
    nearest = max(clauses, key=lambda clause: len(wanted & set(content_terms(clause, subject.language))))
    return negated(nearest) == negated(subject.text)


# Across languages


async def _semantic(
    subject: _Subject, sources: list[_Source], embedder: Embedder | None, thresholds: Thresholds
) -> _Verdict:
    if embedder is None:
        return _Verdict(False, ("embedding_unavailable",), 0.0)
    measured = [source for source in sources if source.language in _POLARITY_LANGUAGES]
    if subject.language not in _POLARITY_LANGUAGES or not measured:
        return _Verdict(False, ("language_unmeasured",), 0.0)
    pairs = [(unit, source) for source in measured for unit in source.units]
    foreign = {id(source): _foreign(subject, source) for source in measured}
    verdicts = [_comparable(subject, unit, source, foreign[id(source)], thresholds) for unit, source in pairs]
    ranked = sorted(zip(verdicts, pairs, strict=True), key=lambda item: -item[0].closeness)
    candidates = [pair for verdict, pair in ranked if verdict.supported]
    if not candidates:
        return _best(verdicts)
    try:
        return await _nearest(subject, candidates[:_MAX_CANDIDATES], embedder, thresholds)
    except ProviderError:
        return _Verdict(False, ("embedding_unavailable",), 0.0)


def _comparable(
    subject: _Subject, unit: Unit, source: _Source, foreign: list[str], thresholds: Thresholds
) -> _Verdict:
    mine = concepts(subject.text)
    share = similarity(mine, concepts(f"{source.context} {unit.before} {unit.text}"))
    reasons = [*_missing(subject, unit, source), *foreign]
    if mine and share < thresholds.concepts:
        reasons.append("low_overlap")
    return _Verdict(not reasons, tuple(dict.fromkeys(reasons)), share - 0.15 * len(reasons))


async def _nearest(
    subject: _Subject, candidates: list[tuple[Unit, _Source]], embedder: Embedder, thresholds: Thresholds
) -> _Verdict:
    """The piece nearest in meaning decides, polarity included: a farther one that happens to agree supports nothing."""
    texts = [unit.text for unit, _ in candidates]
    vectors = await embedder.embed_passages([subject.text, *texts])
    cosines: list[float] = (vectors[1:] @ vectors[0]).tolist()
    mine = concepts(subject.text)
    alike = [_CONCEPTS_BESIDE_COSINE * similarity(mine, concepts(unit.text)) for unit, _ in candidates]
    nearness = [cosine + beside for cosine, beside in zip(cosines, alike, strict=True)]
    nearest = max(range(len(nearness)), key=nearness.__getitem__)
    unit, source = candidates[nearest]
    reasons = _polarity(subject, unit)
    if any(
        _polarity(subject, other)
        for (other, _), near, beside in zip(candidates, nearness, alike, strict=True)
        if near >= nearness[nearest] - _NEAR_TIE or beside > alike[nearest]
    ):
        reasons.append("polarity_unclear")
    if cosines[nearest] < thresholds.similarity_of(subject.language, source.language):
        reasons.append(f"low_similarity:{cosines[nearest]:.2f}")
    return _Verdict(not reasons, tuple(reasons), cosines[nearest])
