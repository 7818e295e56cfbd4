"""One published state of the index on shared storage: what the manifest says, and the searches over it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from countersign.domain.documents import Language
from countersign.domain.errors import StorageError
from countersign.retrieval.analysis import Analyzer
from countersign.retrieval.seams import Hit, IndexRow, Leg, Scope, Vector
from countersign.storage import lance_table as table_of
from countersign.storage.lance_statistics import Normaliser, Statistics, frequency, scorer
from countersign.storage.lance_table import LEGS, lance_errors
from countersign.storage.shared_place import Place

_FORMAT = 1
MANIFEST = "manifest.json"
_OUTGROWN = 0.25
_PRUNE_FROM, _COMMON, _KEEP_AT_LEAST = 1_000, 0.5, 3


@dataclass(frozen=True, slots=True)
class Manifest:
    version: str
    epoch: int = 0
    """Who leads; each that follows has a higher one."""
    generation: int = 1
    table_version: int = 0
    applied_seq: int = 0
    rows: int = 0
    commits: int = 0
    """Since the indexes were last brought up to date, with the rows that they lack."""
    pending: int = 0
    partitioned_at: int = 0
    """Rows when the vectors were last divided; 0 = they are scanned."""
    statistics: str = ""
    counted: dict[str, int] = field(default_factory=dict[str, int])
    """Rows by language at the last estimate, and written since."""
    written: dict[str, int] = field(default_factory=dict[str, int])
    format: int = _FORMAT

    @property
    def table(self) -> str:
        return f"g{self.generation}"

    def outgrown(self) -> bool:
        return any(n > _OUTGROWN * self.counted.get(language, 0) for language, n in self.written.items())

    def noted(self, live: Sequence[IndexRow]) -> Manifest:
        """With `live` rows written in one more commit."""
        written = dict(self.written)
        for row in live:
            written[row.language] = written.get(row.language, 0) + 1
        return replace(self, written=written, commits=self.commits + 1, pending=self.pending + len(live))

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def read(cls, place: Place) -> tuple[Manifest | None, str | None]:
        """With the tag of what is there; None for what another format wrote."""
        found = place.read(MANIFEST)
        if found is None:
            return None, None
        try:
            data = json.loads(found[0])
        except ValueError as error:
            raise StorageError(
                "the index manifest is damaged",
                code="index_damaged",
                hint="Remove the index folder; it is rebuilt from the database.",
            ) from error
        return (cls(**data) if data.get("format") == _FORMAT else None), found[1]


class Snapshot:
    """One published state of the index. Immutable: searches that began on it end on it."""

    def __init__(self, manifest: Manifest, table: Any, statistics: Statistics, analyzer: Analyzer) -> None:
        self.manifest = manifest
        self.statistics = statistics
        self._table = table
        self._analyzer = analyzer

    def search_text(self, text: str, scope: Scope, limit: int) -> list[Hit]:
        if not scope.rights_ids or not scope.sources or limit < 1:
            return []
        terms = self._analyzer.query(text)
        hits: list[Hit] = []
        for leg, wanted in zip(LEGS, (terms.words, terms.grams), strict=True):
            telling = self._telling(leg, wanted)
            if not telling:
                continue
            rows = table_of.text_leg(self._table, leg, telling, scope, limit)
            found = [Hit(row["passage"], float(row["_score"]), leg, row["language"]) for row in rows]
            hits += sorted(found, key=lambda hit: (-hit.score, hit.passage_id))
        return hits

    def _telling(self, leg: Leg, terms: Sequence[str]) -> Sequence[str]:
        """Without terms that most passages hold: they cost the most to read and tell the least."""
        rows = self.statistics.rows
        if rows < _PRUNE_FROM:
            return terms
        rare = [term for term in terms if frequency(self.statistics, leg, term) <= _COMMON * rows]
        return rare if len(rare) >= _KEEP_AT_LEAST else terms

    def search_vector(
        self, vector: Vector, scope: Scope, limit: int, also: Sequence[int], query_mean: Vector | None
    ) -> list[Hit]:
        if not scope.rights_ids or not scope.sources or limit < 1:
            return []
        normalise = Normaliser(self.statistics.languages, vector, query_mean)
        rows: list[dict[str, Any]] = []
        for language in sorted({*self.manifest.counted, *self.manifest.written}):
            # Within one language nearness orders as the score does; across languages only the score compares.
            where = table_of.with_language(scope, language)
            rows += table_of.vector_leg(self._table, normalise.vector, where, scope, limit)
        hits = _scored(rows, vector, normalise)[:limit]
        missing = set(also) - {hit.passage_id for hit in hits}
        if missing:
            named = table_of.named_rows(self._table, table_of.with_passages(scope, sorted(missing)), scope)
            hits += _scored(named, vector, normalise)
        return hits

    def passage_ids(self) -> set[int]:
        with lance_errors():
            found = self._table.search().select(["passage"]).to_arrow()
        return set(found.column("passage").to_pylist())

    # -- what a tail is scored with ---------------------------------------------------------------------------
    def size(self, leg: Leg) -> tuple[int, int]:
        return self.statistics.rows, self.statistics.lengths[leg]

    def frequency(self, leg: Leg, term: str) -> int:
        return frequency(self.statistics, leg, term)

    def scorer(self, vector: Vector, query_mean: Vector | None) -> Callable[[Vector, Language], float]:
        return scorer(self.statistics, vector, query_mean)


def _scored(rows: Sequence[dict[str, Any]], vector: Vector, normalise: Normaliser) -> list[Hit]:
    hits = [
        Hit(
            row["passage"],
            normalise.score(row["vector"], row["language"]),
            "dense",
            row["language"],
            float(np.dot(row["vector"], vector)),
            np.asarray(row["vector"], np.float32),
        )
        for row in rows
    ]
    return sorted(hits, key=lambda hit: (-hit.score, hit.passage_id))
