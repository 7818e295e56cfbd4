"""What the dense scores of each language look like, so that passages of different languages can be compared.

An encoder such as multilingual-e5 puts every language in its own narrow cone: an unrelated passage in the question's
language outranks the right one in another. Mean and covariance of a language's own passage vectors give, for any
question, the mean and spread of its scores over that language in closed form, and so a z-score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countersign.domain.documents import Language

SAMPLE = 2048
"""Passages of a language that its statistics are estimated from."""

_MEAN_PRIOR = 4.0
"""A language with very few passages leans on all passages, as if it had this many more at the mean of all. Small,
because the means are what differs between languages."""

_SPREAD_PRIOR = 40.0
"""The same for the spread around the mean, which languages have in common."""

_MIN_STD = 1e-4

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class LanguageStatistics:
    """`means` has shape (languages, dimension), `covariances` (languages, dimension, dimension)."""

    languages: tuple[Language, ...]
    counts: tuple[int, ...]
    means: Floats
    covariances: Floats

    def count(self, language: Language) -> int:
        return dict(zip(self.languages, self.counts, strict=True)).get(language, 0)

    def spread(self, vector: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation of `vector`'s cosine over each language, each of shape (languages,)."""
        mean = self.means @ vector
        variance = (
            self.covariances @ vector @ vector
        )  # language by language; `einsum` takes twenty times as long
        return mean.astype(np.float32), np.sqrt(np.maximum(variance, _MIN_STD**2)).astype(np.float32)


def estimate(samples: Mapping[Language, Floats], counts: Mapping[Language, int]) -> LanguageStatistics | None:
    """From a sample of each language's unit vectors, shape (n, dimension); None when there is no vector at all."""
    languages = tuple(sorted(language for language, sample in samples.items() if len(sample)))
    if not languages:
        return None
    total = sum(len(samples[language]) for language in languages)
    own = {language: samples[language].mean(axis=0, dtype=np.float64) for language in languages}
    everyone = sum((len(samples[language]) * own[language] for language in languages), np.zeros(1)) / total
    spreads = {language: _spread_around(samples[language], own[language]) for language in languages}
    common = sum(((len(samples[n]) / total) * spreads[n] for n in languages), np.zeros(1))
    means: list[Floats] = []
    covariances: list[Floats] = []
    for language in languages:
        count = len(samples[language])
        near, wide = count / (count + _MEAN_PRIOR), count / (count + _SPREAD_PRIOR)
        means.append((near * own[language] + (1 - near) * everyone).astype(np.float32))
        covariances.append((wide * spreads[language] + (1 - wide) * common).astype(np.float32))
    return LanguageStatistics(
        languages, tuple(counts[language] for language in languages), np.stack(means), np.stack(covariances)
    )


def _spread_around(sample: Floats, mean: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = sample.astype(np.float64) - mean
    return centred.T @ centred / len(sample)
