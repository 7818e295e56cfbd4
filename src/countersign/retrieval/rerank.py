"""A second order of the best passages, learned from a deployment's confirmed questions (`learning`).

A linear score over what the legs said and what question and passage have in common in words. It only ever orders what
it is given, after the database has admitted it: it can bring nothing in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from countersign.corpus.terms import content_terms
from countersign.domain.documents import Language, Passage
from countersign.retrieval.analysis import fold, grams_of, words_of

Floats = NDArray[np.float64]

FEATURES = (
    "score",
    "dense",
    "words",
    "grams",
    "cosine",
    "dense_rank",
    "words_rank",
    "grams_rank",
    "rank",
    "same_language",
    "length",
    "far_from_usual_length",
    "lexical",
    "agreement",
    "terms",
    "rare_terms",
    "rare_grams",
    "title",
    "figures",
    "pairs",
)

_USUAL_LENGTH = 6.0
"""Logarithm of about 400 characters."""


@dataclass(frozen=True, slots=True)
class Reranker:
    """`weights` by feature; those it lacks count nothing. `depth`: how many of the best passages are ordered anew."""

    weights: Mapping[str, float]
    depth: int = 50

    def order(self, question: str, language: Language, passages: Sequence[Passage]) -> list[Passage]:
        """The same passages, best first. Scores stay those that were given, in falling order: what is calibrated on
        them goes on."""
        if len(passages) < 2:
            return list(passages)
        values = describe(question, language, passages) @ self._vector()
        scores = sorted((passage.score for passage in passages), reverse=True)
        places = np.argsort(-values, kind="stable").tolist()
        return [replace(passages[at], score=score) for at, score in zip(places, scores, strict=True)]

    def _vector(self) -> Floats:
        return np.array([self.weights.get(name, 0.0) for name in FEATURES])


def describe(question: str, language: Language, passages: Sequence[Passage]) -> Floats:
    """`FEATURES` of each passage, shape (passages, features), each of the order of 1. `passages` are best first and
    carry what `Retriever` noted of the legs."""
    legs = {
        name: np.array([p.features.get(name, 0.0) for p in passages], np.float64)
        for name in ("dense", "words", "grams", "cosine")
    }
    length = np.log1p([len(p.text) for p in passages])
    lexical = np.maximum(0.0, (legs["words"] + legs["grams"]) / 2)
    columns = {
        "score": np.array([p.score for p in passages]),
        **legs,
        **{f"{name}_rank": _reciprocal_rank(legs[name]) for name in ("dense", "words", "grams")},
        "rank": 1.0 / (1.0 + np.arange(len(passages))),
        "same_language": np.array([float(p.language == language) for p in passages]),
        "length": length,
        "far_from_usual_length": (length - _USUAL_LENGTH) ** 2,
        "lexical": np.sqrt(lexical),
        "agreement": legs["dense"] * lexical,
        **_shared(question, language, passages),
    }
    columns["cosine"] = 10.0 * columns["cosine"]
    return np.stack([columns[name] for name in FEATURES], axis=1).astype(np.float64)


def _reciprocal_rank(values: Floats) -> Floats:
    """1 for the best, 1/2 for the next; 0 for what the leg did not find."""
    ranks = np.empty(len(values), np.float64)
    ranks[np.argsort(-values, kind="stable")] = np.arange(len(values))
    return np.where(values > 0, 1.0 / (1.0 + ranks), 0.0).astype(np.float64)


def _shared(question: str, language: Language, passages: Sequence[Passage]) -> dict[str, Floats]:
    """Shares of the question that each passage has: what is rare among these passages weighs more."""
    asked = content_terms(question, language)
    terms, pairs = set(asked), set(pairwise(asked))
    grams = {gram.replace("^", " ").replace("$", " ") for gram in grams_of(set(words_of(question)))}
    texts = [f" {' '.join(words_of(passage.text))} " for passage in passages]
    bodies = [content_terms(passage.text, passage.language) for passage in passages]
    heads = [
        set(content_terms(" ".join((p.title, *p.heading_path)), p.language)) | _spelled(p) for p in passages
    ]
    figures = {term for term in terms if any(map(str.isdigit, term))}
    found = [terms & set(body) for body in bodies]
    return {
        "terms": np.array([len(each) / max(1, len(terms)) for each in found]),
        "rare_terms": _weighed(terms, found),
        "rare_grams": _weighed(grams, [{gram for gram in grams if gram in text} for text in texts]),
        "title": _weighed(terms, [terms & head for head in heads]),
        "figures": np.array(
            [
                len(figures & (each | head)) / max(1, len(figures))
                for each, head in zip(found, heads, strict=True)
            ]
        ),
        "pairs": np.array([len(pairs & set(pairwise(body))) / max(1, len(pairs)) for body in bodies]),
    }


def _spelled(passage: Passage) -> set[str]:
    """A title that is one word is found as it stands, too."""
    return {fold(passage.title)} if len(passage.title.split()) == 1 else set()


def _weighed(asked: set[str], found: Sequence[set[str]]) -> Floats:
    """Share of `asked` in each of `found`, by how few of them hold it."""
    weight = {
        one: math.log1p((len(found) + 1) / (0.5 + sum(one in each for each in found)))
        for one in sorted(asked)
    }
    total = sum(weight.values()) or 1.0
    return np.array([sum(weight[one] for one in sorted(each)) / total for each in found])
