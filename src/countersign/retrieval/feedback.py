"""What the best passages say of the others: a passage that is like them rises, whatever words or language it is in.

Pseudo-relevance feedback on vectors. They are compared without what passages of a language have in common among those
that were found, so that what is left is the matter and not the language; nothing is searched a second time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from countersign.retrieval.fusion import Candidate
from countersign.retrieval.seams import Vector

BEST = 3
"""Passages that are taken for good: with two or five it does about as well."""
_REACH = 60
"""Passages that can rise; those behind them stay behind."""
_HELD = 3.0
"""The mean of all that was found counts as this many passages in the mean of a language."""

Floats = NDArray[np.float32]


def liken(candidates: Sequence[Candidate], vectors: Mapping[int, Vector], weight: float) -> list[Candidate]:
    """Best first. `candidates` are best first; one that has no vector keeps its score, and so do all where no more than
    `BEST` have one. Scores stay in [0, 1] and the scale that they had."""
    near = [(place, c) for place, c in enumerate(candidates[:_REACH]) if c.passage_id in vectors]
    if weight <= 0 or len(near) <= BEST:
        return list(candidates)
    apart = _apart(np.stack([vectors[c.passage_id] for _, c in near]), [c.language for _, c in near])
    scores = np.array([c.score for _, c in near], np.float32)
    alike = apart @ (scores[:BEST] @ apart[:BEST])
    low, high = float(alike.min()), float(alike.max())
    if high <= low or scores[0] <= 0:
        return list(candidates)
    new = (1 - weight) * scores + weight * scores[0] * (alike - low) / (high - low)
    ordered = [replace(c, score=(1 - weight) * c.score) if c.passage_id in vectors else c for c in candidates]
    for (place, candidate), score in zip(near, new.tolist(), strict=True):
        ordered[place] = replace(candidate, score=score)
    return sorted(ordered, key=lambda c: (-c.score, c.passage_id))


def _apart(vectors: Floats, languages: Sequence[str]) -> Floats:
    """Unit vectors of what tells passages of a language from each other; shape as `vectors`."""
    everyone = vectors.mean(axis=0)
    apart = np.empty_like(vectors)
    for language in sorted(set(languages)):
        own = np.array([each == language for each in languages])
        count = int(own.sum())
        apart[own] = vectors[own] - (vectors[own].sum(axis=0) + _HELD * everyone) / (count + _HELD)
    return apart / np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), 1e-9)
