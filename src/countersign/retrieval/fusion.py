"""Three legs become one order: a convex sum of scores, each stretched to [0, 1] over its own best candidates.

Weights belong to the pair of languages, because one weight for all is wrong: words and 4-grams say nothing across
scripts (fusing them there costs five sixths of the Russian → English quality), and say most for Kazakh.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from countersign.domain.documents import Language
from countersign.retrieval.analysis import script_of_language
from countersign.retrieval.seams import Hit, Leg

_DENSE_SHARE = {"kk": 0.4, "ru": 0.5, "en": 0.5}


@dataclass(frozen=True, slots=True)
class FusionWeights:
    """Share of the dense leg, by language of question and passage; measured defaults, or a collection's own."""

    same_language: Mapping[Language, float] = field(default_factory=lambda: dict(_DENSE_SHARE))
    same_script: float = 0.55
    default: float = 0.5
    words_share: float = 0.35
    """Of the lexical part: stemmed words against 4-grams."""

    def dense(self, question: Language, passage: Language) -> float:
        if question == passage:
            return self.same_language.get(question, self.default)
        scripts = {script_of_language(question), script_of_language(passage)}
        if "any" in scripts or len(scripts) == 1:
            return self.same_script
        return 1.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """`score` and the legs' parts in [0, 1]; `cosine` as the encoder gave it, 0 without a dense leg."""

    passage_id: int
    language: Language
    score: float
    dense: float = 0.0
    lexical: float = 0.0
    cosine: float = 0.0
    words_bm25: float = 0.0
    grams_bm25: float = 0.0
    words: float = 0.0
    grams: float = 0.0


def fuse(hits: Sequence[Hit], question: Language, weights: FusionWeights, depth: int) -> list[Candidate]:
    """Best first. `depth` is how many of each leg stretch its scale; a passage that a leg lacks has 0 there."""
    legs = {leg: [hit for hit in hits if hit.leg == leg] for leg in ("words", "grams", "dense")}
    parts = {leg: _stretched(found[:depth], found) for leg, found in legs.items()}
    raw: dict[tuple[Leg, int], Hit] = {(hit.leg, hit.passage_id): hit for hit in hits}
    languages = {hit.passage_id: hit.language for hit in hits}
    candidates: list[Candidate] = []
    for passage_id, language in languages.items():
        words, grams = parts["words"].get(passage_id, 0.0), parts["grams"].get(passage_id, 0.0)
        lexical = weights.words_share * words + (1 - weights.words_share) * grams
        dense = parts["dense"].get(passage_id, 0.0)
        share = weights.dense(question, language) if legs["dense"] else 0.0
        dense_hit = raw.get(("dense", passage_id))
        words_hit, grams_hit = raw.get(("words", passage_id)), raw.get(("grams", passage_id))
        candidates.append(
            Candidate(
                passage_id,
                language,
                share * dense + (1 - share) * lexical,
                dense,
                lexical,
                dense_hit.cosine if dense_hit else 0.0,
                words_hit.score if words_hit else 0.0,
                grams_hit.score if grams_hit else 0.0,
                words,
                grams,
            )
        )
    return sorted(candidates, key=lambda c: (-c.score, c.passage_id))


def mix(orders: Sequence[tuple[float, Sequence[Candidate]]]) -> list[Candidate]:
    """Several questions' candidates in one order, by weight: the last turn alone, and with what came before it.

    Parts and raw scores stay those of the first order that knows the passage; only `score` is mixed.
    """
    total = sum(weight for weight, _ in orders)
    scores: dict[int, float] = {}
    first: dict[int, Candidate] = {}
    for weight, candidates in orders:
        for candidate in candidates:
            first.setdefault(candidate.passage_id, candidate)
            scores[candidate.passage_id] = (
                scores.get(candidate.passage_id, 0.0) + weight * candidate.score / total
            )
    mixed = [replace(candidate, score=scores[i]) for i, candidate in first.items()]
    return sorted(mixed, key=lambda c: (-c.score, c.passage_id))


def led(
    others: Sequence[Candidate], named: Sequence[Candidate], ahead: Mapping[int, float], by: float
) -> list[Candidate]:
    """One order with the `named` candidates ahead of the `others` by `by`, and by `ahead` of each other; scores in [0, 1]."""
    most = 1.0 + by + max(ahead.values(), default=0.0)
    first = {
        c.passage_id: replace(c, score=(c.score + by + ahead.get(c.passage_id, 0.0)) / most) for c in named
    }
    rest = [replace(c, score=c.score / most) for c in others if c.passage_id not in first]
    return sorted([*first.values(), *rest], key=lambda c: (-c.score, c.passage_id))


def _stretched(best: Sequence[Hit], hits: Sequence[Hit]) -> dict[int, float]:
    """Scores of `hits` with the range of `best` stretched to [0, 1]."""
    if not best:
        return {}
    low, high = min(hit.score for hit in best), max(hit.score for hit in best)
    width = high - low
    if width <= 0:
        return {hit.passage_id: 1.0 for hit in hits}
    return {hit.passage_id: min(1.0, max(0.0, (hit.score - low) / width)) for hit in hits}
