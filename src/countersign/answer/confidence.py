"""A score from recorded features. It orders answers; it is not a probability until a release holds a certificate.

A logistic function of features in [0, 1] with fixed weights. The weights are judgement, checked for direction against
the finding that unsupported figures and low word coverage separate wrong answers from right ones only roughly (AUROC
about 0.7): they may send an answer to a person, they may not let one pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from countersign.corpus.glossary import concepts
from countersign.corpus.terms import content_terms, coverage
from countersign.domain.answers import Citation, Claim, Confidence, ConflictNote
from countersign.domain.documents import Language, Passage

_T = TypeVar("_T")

WEIGHTS: dict[str, float] = {
    "bias": -2.6,
    "supported_share": 3.2,  # share of claims that verification supports
    "literal_share": 0.6,  # …and in the language of the source
    "cited_share": 0.6,  # share of claims with a citation
    "question_coverage": 1.4,  # share of the question's words (or concepts) in the cited passages
    "top_score": 0.6,  # of the best passage, as retrieval scored it
    "score_margin": 0.3,  # its lead over the next
    "leg_agreement": 0.4,  # the word and the vector search found the same
    "figures_wrong": -2.0,  # any claim whose number, date or name is not in its source
    "conflicts": -1.5,
    "language_mismatch": -0.4,  # share of cited passages in another language than the answer
    "ocr_doubt": -1.2,  # 1 - lowest recognition confidence among cited scans
    "age": -0.5,  # of the newest cited document, 1 at five years
    "abstained": -6.0,
}
BAND_MEDIUM = 0.5
BAND_HIGH = 0.8
_OLD = timedelta(days=5 * 365)
_WRONG_FIGURE = ("number_missing", "unit_differs", "date_missing", "time_missing", "identifier_missing", "name_missing", "number_of_another_subject")  # fmt: skip


def judge_confidence(
    *,
    question: str,
    passages: Sequence[Passage],
    claims: Sequence[Claim],
    citations: Sequence[Citation],
    conflicts: Sequence[ConflictNote],
    retrieval: Mapping[str, float],
    language: Language,
    now: datetime,
) -> Confidence:
    """`retrieval` holds `top_score`, `score_margin` and `leg_agreement` where known; what is missing counts as 0."""
    cited_ids = {citation.passage_id for citation in citations}
    cited = [passage for passage in passages if passage.passage_id in cited_ids]
    features = {
        **_claim_features(claims),
        "question_coverage": _question_coverage(question, cited, language),
        "top_score": _unit_interval(
            retrieval.get("top_score", max((p.score for p in passages), default=0.0))
        ),
        "score_margin": _unit_interval(retrieval.get("score_margin", 0.0)),
        "leg_agreement": _unit_interval(retrieval.get("leg_agreement", 0.0)),
        "conflicts": float(bool(conflicts)),
        "language_mismatch": _share(cited, lambda passage: passage.language not in (language, "und")),
        "ocr_doubt": max(
            (1.0 - p.ocr_confidence for p in cited if p.ocr_confidence is not None), default=0.0
        ),
        "age": _age(cited, now),
        "abstained": float(not claims),
    }
    total = WEIGHTS["bias"] + sum(WEIGHTS[name] * value for name, value in features.items())
    score = round(1.0 / (1.0 + math.exp(-total)), 4)
    band = "high" if score >= BAND_HIGH else "medium" if score >= BAND_MEDIUM else "low"
    return Confidence(score, band, calibrated=False, features={k: round(v, 4) for k, v in features.items()})


def _claim_features(claims: Sequence[Claim]) -> dict[str, float]:
    return {
        "supported_share": _share(claims, lambda claim: claim.supported),
        "literal_share": _share(claims, lambda claim: claim.support == "literal"),
        "cited_share": _share(claims, lambda claim: bool(claim.citations)),
        "figures_wrong": float(
            any(reason.startswith(_WRONG_FIGURE) for claim in claims for reason in claim.reasons)
        ),
    }


def _share(items: Sequence[_T], holds: Callable[[_T], bool]) -> float:
    return sum(holds(item) for item in items) / len(items) if items else 0.0


def _question_coverage(question: str, cited: Sequence[Passage], language: Language) -> float:
    if not cited:
        return 0.0
    text = " ".join(f"{p.title} {' '.join(p.heading_path)} {p.text}" for p in cited)
    words = 0.0
    if any(passage.language in (language, "und") for passage in cited):
        words = coverage(content_terms(question, language), frozenset(content_terms(text, language)))
    asked = concepts(question)
    return max(words, len(asked & concepts(text)) / len(asked) if asked else 0.0)


def _age(cited: Sequence[Passage], now: datetime) -> float:
    dates = [passage.modified for passage in cited if passage.modified is not None]
    if not dates:
        return 0.0
    newest = max(date if date.tzinfo else date.replace(tzinfo=now.tzinfo) for date in dates)
    return _unit_interval((now - newest) / _OLD)


def _unit_interval(value: float) -> float:
    return min(1.0, max(0.0, value))
