"""Being like the best passages lifts a passage, in whatever language it is."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from countersign.retrieval.feedback import BEST, liken
from countersign.retrieval.fusion import Candidate


def _candidates(scores: list[float], languages: list[str]) -> list[Candidate]:
    return [
        Candidate(number, language, score)
        for number, (score, language) in enumerate(zip(scores, languages, strict=True), 1)
    ]


def test_the_same_matter_in_another_language_rises_over_what_is_merely_near() -> None:
    """Two cones, as encoders make them. The best are about matter 0, in Russian; number 9 is its English side."""
    rng = np.random.default_rng(7)
    cones = {"ru": 2 * rng.standard_normal(32), "en": 2 * rng.standard_normal(32)}
    of = [0, 0, 0, *range(1, 6), 0, *range(6, 77)]
    matters = rng.standard_normal((77, 32))
    languages = ["ru"] * 6 + ["en"] * 4 + ["ru", "en"] * 35
    vectors = {
        number: _unit(cones[language] + matters[matter] + 0.2 * rng.standard_normal(32))
        for number, (matter, language) in enumerate(zip(of, languages, strict=True), 1)
    }
    scores = [0.9, 0.88, 0.86, *np.linspace(0.6, 0.5, 77).tolist()]
    candidates = _candidates(scores, languages)
    order = [c.passage_id for c in liken(candidates, vectors, 0.25)]
    assert order[:4] == [1, 2, 3, 9] or order[:4] == [1, 3, 2, 9], order[:12]
    assert liken(candidates, vectors, 0.0) == candidates


def test_a_passage_without_a_vector_keeps_its_score() -> None:
    rng = np.random.default_rng(8)
    candidates = _candidates([1.0, 0.8, 0.6, 0.4, 0.2, 0.1], ["ru"] * 6)
    vectors = {number: _unit(rng.standard_normal(8)) for number in (1, 2, 4, 5, 6)}
    liked = {c.passage_id: c.score for c in liken(candidates, vectors, 0.5)}
    assert liked[3] == 0.6 and len(liked) == 6
    few = {number: vectors[number] for number in (1, 2, 4)}
    assert len(few) == BEST and liken(candidates, few, 0.5) == candidates


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=30),
    st.integers(0, 2**31),
    st.floats(0, 1),
    st.booleans(),
)
def test_it_loses_none_and_scores_stay_in_their_bounds(
    scores: list[float], seed: int, weight: float, same: bool
) -> None:
    rng = np.random.default_rng(seed)
    ordered = sorted(scores, reverse=True)
    candidates = _candidates(ordered, [("ru", "en", "kk")[int(n)] for n in rng.integers(0, 3, len(scores))])
    shared = _unit(rng.standard_normal(8))
    vectors = {c.passage_id: shared if same else _unit(rng.standard_normal(8)) for c in candidates}
    liked = liken(candidates, vectors, weight)
    assert {c.passage_id for c in liked} == {c.passage_id for c in candidates}
    values = [c.score for c in liked]
    assert values == sorted(values, reverse=True)
    assert all(0 <= value <= 1.0001 for value in values)


def _unit(vector: np.ndarray) -> np.ndarray:
    return (vector / np.linalg.norm(vector)).astype(np.float32)
