"""Ranking quality on the retrieval sets through the real index, as the product searches: cold and warm.

    python -m bench.retrieval_quality [set …]

Cold: the defaults that everyone gets, with routing and, where a question has one, its history. Warm: what
`retrieval.learning` learns from other questions of the same set: means of the questions, and an order from those with a
known answer. In five parts; no question, and no other of its company, site or article, is judged by what it taught.
A document counts by its best chunk. Vectors are cached by model and text outside the repository.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bench.collections import Collection, Query, VectorCache, cache_folder, data_folder, read
from countersign.corpus.embedding import EmbeddedE5
from countersign.domain.documents import Passage
from countersign.retrieval.analysis import question_language
from countersign.retrieval.fusion import Candidate
from countersign.retrieval.learning import Lesson, folds_of, learn, learn_means
from countersign.retrieval.prior import kind_of, with_prior
from countersign.retrieval.retrieve import asked_of, lead_named, legs, reply_of, scored, search_questions
from countersign.retrieval.routing import Routing
from countersign.retrieval.seams import ALWAYS_FROM_DAY, ALWAYS_TO_DAY, IndexRow, Scope, Vector
from countersign.retrieval.settings import RetrievalSettings
from countersign.storage.passage_index import TantivyIndex

SETS = ("kazqad", "xquad-ru", "xquad-ru2en", "xling-kk2ruen", "mtragun", "policyqa", "legal-ru", "finbench")
SCOPE = Scope("bench", frozenset({1}), frozenset({"files"}), datetime(2026, 1, 1, tzinfo=UTC))
GOALS = {
    "kazqad": {"ndcg@10": 0.82, "recall@5": 0.88},
    "xquad-ru": {"ndcg@10": 0.965},
    "xquad-ru2en": {"recall@5": 0.88},
    "xling-kk2ruen": {"ndcg@10": 0.80},
    "mtragun": {"recall@5": 0.92},
    "policyqa": {"ndcg@10": 0.38},
    "legal-ru": {"recall@5": 0.48},
    "finbench": {"recall@5": 0.45, "recall@10": 0.60, "right filing in 5": 0.95},
}
_SHOWN = 50
"""Passages that a question's documents are counted from, and that are ordered anew."""


def run(quick: bool, names: Sequence[str] = SETS) -> dict[str, Any]:
    """Figures by set; `quick` judges only sets whose vectors are there already, or says why nothing was judged."""
    if data_folder() is None:
        return {"skipped": "no data folder (COUNTERSIGN_DATA)"}
    if (reason := EmbeddedE5.available()) is not None:
        return {"skipped": reason}
    if quick:
        return {"skipped": "quality is not part of the quick run"}
    return {name: measure(name) for name in names}


def measure(name: str) -> dict[str, Any]:
    embedder = EmbeddedE5(cache_folder() / "models", threads=2)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench.of(Path(folder), read(name, embedder), VectorCache(embedder))
        result = _figures(bench)
        bench.index.close()
    embedder.close()
    reached = {
        f"{kind} {metric}": {"goal": goal, "reached": result[kind][metric] >= goal}
        for kind in ("cold", "warm")
        for metric, goal in GOALS.get(name, {}).items()
    }
    return result | {"goals": reached}


@dataclass(slots=True)
class Bench:
    """`asked` are each question's searches (weight, text); `vectors` theirs, and the vector of the answer before."""

    collection: Collection
    index: TantivyIndex
    routing: Routing
    asked: list[list[tuple[float, str]]] = field(default_factory=list)
    vectors: list[list[Vector]] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path, collection: Collection, cache: VectorCache) -> Bench:
        bench = cls(collection, _index(folder, collection, cache), Routing())
        for chunk in collection.chunks:
            bench.routing.add(chunk.document, chunk.title, chunk.document.split("#")[0])
        for query in collection.queries:
            asked = asked_of(query.text, query.history, RetrievalSettings())
            bench.asked.append(asked)
            texts = [text for _, text in asked] + reply_of(asked, query.history)
            bench.vectors.append(list(cache.queries(texts)))
        return bench

    def search(self, place: int, settings: RetrievalSettings) -> list[Candidate]:
        asked, vectors = self.asked[place], self.vectors[place]
        language = question_language(self.collection.queries[place].text)

        def found(scope: Scope) -> list[Candidate]:
            return search_questions(self.index, asked, vectors, scope, language, settings)

        route = next(filter(None, (self.routing.route(text) for _, text in asked)), None)
        return found(SCOPE) if route is None else lead_named(found(SCOPE), route, SCOPE, found, settings)

    def passages(self, candidates: Sequence[Candidate]) -> tuple[Passage, ...]:
        return tuple(scored(self._passage(c.passage_id), c) for c in candidates[:_SHOWN])

    def _passage(self, number: int) -> Passage:
        chunk = self.collection.chunks[number - 1]
        document = chunk.document
        return Passage(
            str(number), document, 1, document, "files", "bench", chunk.title, chunk.body, 0, chunk.language
        )

    def lesson(self, place: int, passages: tuple[Passage, ...]) -> Lesson:
        gold = {document for document, grade in self.collection.queries[place].gold.items() if grade}
        right = tuple(p.document_id if p.document_id in gold else "" for p in passages)
        return Lesson(
            self.asked[place][-1][1], passages, right, len(gold), self.collection.queries[place].group
        )


def _figures(bench: Bench) -> dict[str, Any]:
    queries = bench.collection.queries
    settings = with_prior(RetrievalSettings(), EmbeddedE5.model_id)
    started = time.process_time()
    found = [bench.search(place, settings) for place in range(len(queries))]
    search_ms = 1000 * (time.process_time() - started) / len(queries)
    cold = [bench.passages(candidates) for candidates in found]
    warm, chosen, order_ms = _warm(bench, settings, cold)
    return {
        "queries": len(queries),
        "chunks": len(bench.collection.chunks),
        "search_cpu_ms": round(search_ms, 1),
        "order_cpu_ms": round(order_ms, 1),
        "learned": chosen,
        "legs": _legs(bench, settings),
        "cold": _mean(bench, [[int(p.passage_id) for p in each] for each in cold]),
        "warm": _mean(bench, [[int(p.passage_id) for p in each] for each in warm]),
    }


def _warm(
    bench: Bench, settings: RetrievalSettings, cold: Sequence[tuple[Passage, ...]]
) -> tuple[list[Sequence[Passage]], list[str], float]:
    """Each part's questions in the order that the other parts taught; what was taken for each part; CPU a question."""
    queries = bench.collection.queries
    folds = folds_of([query.group for query in queries])
    languages = [question_language(query.text) for query in queries]
    kinds = np.array([kind_of(query.text) for query in queries])
    vectors = np.stack([each[0] for each in bench.vectors])
    orders: list[Sequence[Passage]] = list(cold)
    chosen, spent = [], 0.0
    for fold in sorted(set(folds.tolist())):
        taught = np.flatnonzero(folds != fold).tolist()
        traffic = {kind: vectors[taught][kinds[taught] == kind] for kind in sorted(set(kinds.tolist()))}
        own = learn_means(settings, traffic, EmbeddedE5.model_id)
        centred = [bench.passages(bench.search(place, own)) for place in range(len(queries))]
        learned = learn(
            [
                (settings, [bench.lesson(place, cold[place]) for place in taught]),
                (own, [bench.lesson(place, centred[place]) for place in taught]),
            ]
        )
        means = "own means" if learned.settings.query_means is own.query_means else "general means"
        chosen.append(f"{means}, {'own order' if learned.taken else 'no order'}")
        started = time.process_time()
        for place in np.flatnonzero(folds == fold).tolist():
            passages = (centred if means == "own means" else cold)[place]
            reranker, text = learned.settings.reranker, bench.asked[place][-1][1]
            orders[place] = (
                reranker.order(text, languages[place], passages) if reranker is not None else passages
            )
        spent += time.process_time() - started
    return orders, chosen, 1000 * spent / len(queries)


def _index(folder: Path, collection: Collection, cache: VectorCache) -> TantivyIndex:
    vectors = cache.passages([chunk.text for chunk in collection.chunks])
    index = TantivyIndex(folder, vectors.shape[1], owner=True)
    rows = [
        IndexRow(
            n,
            c.document,
            "files",
            1,
            c.language,
            ALWAYS_FROM_DAY,
            ALWAYS_TO_DAY,
            True,
            n,
            c.text,
            vectors[n - 1],
        )
        for n, c in enumerate(collection.chunks, 1)
    ]
    for start in range(0, len(rows), 2000):
        index.apply(rows[start : start + 2000], min(start + 2000, len(rows)))
    return index


def _legs(bench: Bench, settings: RetrievalSettings) -> dict[str, dict[str, float]]:
    """Each leg alone, of the last question alone."""
    orders: dict[str, list[list[int]]] = {"words": [], "grams": [], "dense": []}
    for query, vectors in zip(bench.collection.queries, bench.vectors, strict=True):
        hits = legs(bench.index, query.text, vectors[0], SCOPE, question_language(query.text), settings)
        for leg, found in orders.items():
            mine = sorted((hit for hit in hits if hit.leg == leg), key=lambda hit: -hit.score)
            found.append([hit.passage_id for hit in mine])
    return {leg: _mean(bench, found) for leg, found in orders.items()}


def _mean(bench: Bench, orders: Sequence[Sequence[int]]) -> dict[str, float]:
    scores = [_scores(bench.collection, q, o) for q, o in zip(bench.collection.queries, orders, strict=True)]
    return {name: round(float(np.mean([s[name] for s in scores])), 3) for name in scores[0]}


def _scores(collection: Collection, query: Query, order: Sequence[int]) -> dict[str, float]:
    documents = list(dict.fromkeys(collection.chunks[passage - 1].document for passage in order))
    gains = [2 ** query.gold.get(document, 0) - 1 for document in documents[:10]]
    ideal = sorted((2**grade - 1 for grade in query.gold.values()), reverse=True)[:10]
    discounts = 1 / np.log2(np.arange(2, 12))
    first = next((place for place, document in enumerate(documents, 1) if query.gold.get(document)), 0)
    wanted = {document for document, grade in query.gold.items() if grade}
    scores = {
        "ndcg@10": float(np.dot(gains, discounts[: len(gains)]) / np.dot(ideal, discounts[: len(ideal)])),
        "recall@5": len(wanted & set(documents[:5])) / len(wanted),
        "recall@10": len(wanted & set(documents[:10])) / len(wanted),
        "mrr": 1 / first if first else 0.0,
    }
    if all("#" in document for document in wanted):
        filings = {document.split("#")[0] for document in documents[:5]}
        scores["right filing in 5"] = float(bool(filings & {document.split("#")[0] for document in wanted}))
    return scores


if __name__ == "__main__":
    for name in sys.argv[1:] or SETS:
        print(name, json.dumps(measure(name), ensure_ascii=False), flush=True)
