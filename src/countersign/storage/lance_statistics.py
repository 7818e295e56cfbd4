"""What the index on shared storage knows of itself besides its rows, estimated from a sample now and then.

Language statistics make dense scores comparable across languages; frequencies of terms say which are too common to be
searched, and let a reader score what the index lacks as if it had it.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countersign.domain.documents import Language
from countersign.retrieval.seams import Leg, Vector
from countersign.retrieval.statistics import SAMPLE, LanguageStatistics, estimate
from countersign.storage.lance_table import LEGS, lance_errors, vectors_of

Floats = NDArray[np.float32]
_SMALL = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """`frequencies` by leg: term → passages that hold it, scaled from the sample to all. `lengths` by leg: all terms."""

    rows: int
    lengths: Mapping[str, int]
    frequencies: Mapping[str, Mapping[str, int]]
    languages: LanguageStatistics | None

    def to_bytes(self) -> bytes:
        data: dict[str, Any] = {"rows": np.int64(self.rows)}
        for leg in LEGS:
            terms = self.frequencies[leg]
            data[f"{leg}_terms"] = np.frombuffer("\n".join(terms).encode(), np.uint8)
            data[f"{leg}_counts"] = np.fromiter(terms.values(), np.int64, len(terms))
            data[f"{leg}_length"] = np.int64(self.lengths[leg])
        if self.languages is not None:
            data |= {
                "languages": np.array(self.languages.languages),
                "counts": np.array(self.languages.counts),
                "means": self.languages.means,
                "covariances": self.languages.covariances,
            }
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **data)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Statistics:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            data: dict[str, Any] = {name: file[name] for name in file.files}
        frequencies: dict[str, dict[str, int]] = {}
        for leg in LEGS:
            terms = data[f"{leg}_terms"].tobytes().decode()
            counts = data[f"{leg}_counts"].tolist()
            frequencies[leg] = dict(zip(terms.split("\n"), counts, strict=True)) if terms else {}
        languages = None
        if "languages" in data:
            names = tuple(data["languages"].tolist())
            languages = LanguageStatistics(
                names, tuple(data["counts"].tolist()), data["means"], data["covariances"]
            )
        lengths = {leg: int(data[f"{leg}_length"]) for leg in LEGS}
        return cls(int(data["rows"]), lengths, frequencies, languages)


NOTHING = Statistics(0, dict.fromkeys(LEGS, 0), {leg: {} for leg in LEGS}, None)


class Normaliser:
    """How one question's dot products become scores that compare across languages."""

    def __init__(
        self, statistics: LanguageStatistics | None, vector: Vector, query_mean: Vector | None
    ) -> None:
        self.vector = np.ascontiguousarray(vector, np.float32)
        self._terms: dict[Language, tuple[float, float]] = {}
        if statistics is None:
            return
        if query_mean is not None:
            moved = self.vector - query_mean
            self.vector = (moved / max(float(np.linalg.norm(moved)), 1e-12)).astype(np.float32)
        for language, mean, std in zip(statistics.languages, *statistics.spread(self.vector), strict=True):
            self._terms[language] = (float(mean), 1.0 / float(std))

    def score(self, passage: Vector, language: Language) -> float:
        """A language that is not known is left as it is."""
        shift, factor = self._terms.get(language, (0.0, 1.0))
        return (float(np.dot(passage, self.vector)) - shift) * factor


def measure(table: Any, dimension: int | None) -> Statistics:
    """Reads at most `SAMPLE` rows of each language, spread over the table."""
    with lance_errors():
        languages = np.array(table.search().select(["language"]).to_arrow().column("language").to_pylist())
    if not len(languages):
        return NOTHING
    samples: dict[Language, Floats] = {}
    counts: dict[Language, int] = {}
    frequencies: dict[str, Counter[str]] = {leg: Counter() for leg in LEGS}
    lengths: dict[str, float] = dict.fromkeys(LEGS, 0.0)
    for language in sorted(set(languages.tolist())):
        places = np.flatnonzero(languages == language)
        sample = _take(table, places, dimension)
        scale = len(places) / sample.num_rows
        for leg in LEGS:
            _count(sample.column(leg).to_pylist(), scale, frequencies[leg], lengths, leg)
        if dimension is not None:
            there = np.array(sample.column("has_vector").to_pylist(), bool)
            vectors = vectors_of(sample.column("vector"))[there]
            if len(vectors):
                samples[language] = vectors
                counts[language] = round(len(vectors) * scale)
    return Statistics(
        len(languages),
        {leg: round(length) for leg, length in lengths.items()},
        {leg: _worth_keeping(counter, len(languages)) for leg, counter in frequencies.items()},
        estimate(samples, counts),
    )


def _take(table: Any, places: NDArray[np.int64], dimension: int | None) -> Any:
    step = max(1, len(places) // SAMPLE)
    columns = [*LEGS, *(["has_vector", "vector"] if dimension is not None else [])]
    with lance_errors():
        return table.take_offsets(places[::step][:SAMPLE].tolist()).select(columns).to_arrow()


def _count(
    texts: list[str], scale: float, frequency: Counter[str], lengths: dict[str, float], leg: str
) -> None:
    found: Counter[str] = Counter()
    for text in texts:
        terms = text.split(" ") if text else []
        lengths[leg] += len(terms) * scale
        found.update(set(terms))
    for term, count in found.items():
        frequency[term] += max(1, round(count * scale))


def _worth_keeping(counter: Counter[str], rows: int) -> dict[str, int]:
    """In a large index a term seen once in the sample says only that it is rare, as does one that is not listed."""
    if rows < _SMALL:
        return dict(counter)
    return {term: count for term, count in counter.items() if count > rows // _SMALL}


def scorer(
    statistics: Statistics, vector: Vector, query_mean: Vector | None
) -> Callable[[Vector, Language], float]:
    return Normaliser(statistics.languages, vector, query_mean).score


def frequency(statistics: Statistics, leg: Leg, term: str) -> int:
    return statistics.frequencies[leg].get(term, 0)
