"""Ranking quality on the retrieval sets through the real index, legs and fusion: cold start and warm.

    python -m bench.retrieval_quality [set …]

Cold: the defaults that everyone gets. Warm: the dense share and the mean question vector of each language are learned
on one half of a set's questions and judged on the other, both ways round; no question is judged by what it taught.
A document counts by its best chunk. Vectors are cached by model and text outside the repository.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bench.collections import Collection, Query, VectorCache, cache_folder, data_folder, history_text, read
from countersign.corpus.embedding import EmbeddedE5
from countersign.retrieval.analysis import question_language
from countersign.retrieval.fusion import Candidate, FusionWeights, fuse, mix
from countersign.retrieval.retrieve import lead_named, legs, search_questions
from countersign.retrieval.routing import Routing
from countersign.retrieval.seams import ALWAYS_FROM_DAY, ALWAYS_TO_DAY, Hit, IndexRow, Scope
from countersign.retrieval.settings import RetrievalSettings
from countersign.storage.passage_index import TantivyIndex

SETS = ("kazqad", "xquad-ru", "xquad-ru2en", "xling-kk2ruen", "mtragun", "policyqa", "legal-ru", "finbench")
SCOPE = Scope("bench", frozenset({1}), frozenset({"files"}), datetime(2026, 1, 1, tzinfo=UTC))
MILESTONE = {  # metric, cold, warm
    "kazqad": ("ndcg@10", 0.74, 0.78),
    "xquad-ru": ("ndcg@10", 0.95, 0.96),
    "xquad-ru2en": ("recall@5", 0.74, 0.80),
    "xling-kk2ruen": ("ndcg@10", 0.68, 0.72),
    "mtragun": ("ndcg@10", 0.78, 0.80),
    "policyqa": ("ndcg@10", 0.25, 0.28),
    "legal-ru": ("recall@5", 0.38, 0.40),
    "finbench": ("recall@5", 0.30, 0.35),
}
SHARES = tuple(round(0.1 * n, 1) for n in range(11))


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
    cache = VectorCache(embedder)
    collection = read(name, embedder)
    vectors = cache.queries([query.text for query in collection.queries])
    with tempfile.TemporaryDirectory() as folder:
        index = _index(Path(folder), collection, cache)
        started = time.process_time()
        cold = _hits(index, collection.queries, vectors, RetrievalSettings())
        cpu_ms = 1000 * (time.process_time() - started) / len(cold)
        result: dict[str, Any] = {
            "queries": len(cold),
            "chunks": len(collection.chunks),
            "cpu_ms": round(cpu_ms, 1),
        }
        result["legs"] = {
            leg: _mean(collection, _leg_orders(cold, leg)) for leg in ("words", "grams", "dense")
        }
        result["cold"] = _mean(
            collection, [_fused(q, h, FusionWeights()) for q, h in zip(collection.queries, cold, strict=True)]
        )
        result["warm"] = _mean(collection, _warm(index, collection, vectors, cold))
        routed = _routed(index, collection, vectors, cold)
        if routed is not None:
            result["cold, named documents ahead"] = _mean(collection, routed)
        if any(query.history for query in collection.queries):
            result["cold with history"] = _mean(collection, _with_history(index, collection, cache, vectors))
        index.close()
    embedder.close()
    if name in MILESTONE:
        metric, *goals = MILESTONE[name]
        result["milestone"] = {
            kind: {"metric": metric, "goal": goal, "reached": result[kind][metric] >= goal}
            for kind, goal in zip(("cold", "warm"), goals, strict=True)
        }
    return result


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


def _hits(
    index: TantivyIndex, queries: Sequence[Query], vectors: np.ndarray, settings: RetrievalSettings
) -> list[list[Hit]]:
    return [
        legs(index, q.text, v, SCOPE, question_language(q.text), settings)
        for q, v in zip(queries, vectors, strict=True)
    ]


def _fused(query: Query, hits: Sequence[Hit], weights: FusionWeights) -> list[int]:
    return [c.passage_id for c in _candidates(query.text, hits, weights)]


def _candidates(text: str, hits: Sequence[Hit], weights: FusionWeights) -> list[Candidate]:
    return fuse(hits, question_language(text), weights, RetrievalSettings().candidates)


def _leg_orders(hits: Sequence[Sequence[Hit]], leg: str) -> list[list[int]]:
    return [
        [h.passage_id for h in sorted((h for h in found if h.leg == leg), key=lambda h: -h.score)]
        for found in hits
    ]


def _warm(
    index: TantivyIndex, collection: Collection, vectors: np.ndarray, cold: Sequence[Sequence[Hit]]
) -> list[list[int]]:
    """Each half's questions, ordered with what the other half taught: question means or not, and the dense share."""
    half = np.random.default_rng(5).permutation(len(collection.queries)) % 2
    orders: list[list[int]] = [[] for _ in collection.queries]
    for judged in (0, 1):
        taught = np.flatnonzero(half != judged)
        centred = _hits(index, collection.queries, vectors, _centred(collection, vectors, taught))
        found, weights = max(
            ((found, _flat(share)) for found in (cold, centred) for share in SHARES),
            key=lambda choice: _taught_score(collection, choice[0], choice[1], taught),
        )
        for place in np.flatnonzero(half == judged).tolist():
            orders[place] = _fused(collection.queries[place], found[place], weights)
    return orders


def _centred(collection: Collection, vectors: np.ndarray, taught: np.ndarray) -> RetrievalSettings:
    languages = np.array([question_language(query.text) for query in collection.queries])
    means = {}
    for language in set(languages[taught].tolist()):
        members = taught[languages[taught] == language]
        means[language] = vectors[members].mean(axis=0)
    return replace(RetrievalSettings(), query_means=means)


def _flat(share: float) -> FusionWeights:
    return FusionWeights(dict.fromkeys(("kk", "ru", "en"), share), share, share)


def _taught_score(
    collection: Collection, hits: Sequence[Sequence[Hit]], weights: FusionWeights, taught: np.ndarray
) -> float:
    queries = [collection.queries[i] for i in taught.tolist()]
    orders = [_fused(q, hits[i], weights) for q, i in zip(queries, taught.tolist(), strict=True)]
    return float(
        np.mean([_scores(collection, q, o)["ndcg@10"] for q, o in zip(queries, orders, strict=True)])
    )


def _with_history(
    index: TantivyIndex, collection: Collection, cache: VectorCache, vectors: np.ndarray
) -> list[list[int]]:
    settings = RetrievalSettings()
    orders = []
    for query, vector in zip(collection.queries, vectors, strict=True):
        asked = [(1 - settings.history_weight, query.text, vector)]
        if any(turn.role == "user" for turn in query.history):
            text = history_text(query, settings.history_turns)
            asked.append((settings.history_weight, text, cache.queries([text])[0]))
        language = question_language(query.text)
        parts = [
            (
                weight,
                _candidates(query.text, legs(index, text, v, SCOPE, language, settings), settings.weights),
            )
            for weight, text, v in asked
        ]
        orders.append([c.passage_id for c in (mix(parts) if len(parts) > 1 else parts[0][1])])
    return orders


def _routed(
    index: TantivyIndex, collection: Collection, vectors: np.ndarray, cold: Sequence[Sequence[Hit]]
) -> list[list[int]] | None:
    """Orders with the documents ahead that a question names; None where titles name nothing that is asked for."""
    routing = Routing()
    for chunk in collection.chunks:
        routing.add(chunk.document, chunk.text.split("\n")[0], chunk.document.split("#")[0])
    routes = [routing.route(query.text) for query in collection.queries]
    if not any(routes):
        return None
    settings = RetrievalSettings()
    orders: list[list[int]] = []
    for query, vector, hits, route in zip(collection.queries, vectors, cold, routes, strict=True):
        ordered, language = _candidates(query.text, hits, settings.weights), question_language(query.text)

        def found(
            scope: Scope, text: str = query.text, vector: np.ndarray = vector, language: str = language
        ) -> list[Candidate]:
            return search_questions(index, [(1.0, text)], [vector], scope, language, settings)

        led = ordered if route is None else lead_named(ordered, route, SCOPE, found, settings)
        orders.append([candidate.passage_id for candidate in led])
    return orders


def _mean(collection: Collection, orders: Sequence[Sequence[int]]) -> dict[str, float]:
    scores = [_scores(collection, q, o) for q, o in zip(collection.queries, orders, strict=True)]
    return {name: round(float(np.mean([s[name] for s in scores])), 3) for name in scores[0]}


def _scores(collection: Collection, query: Query, order: Sequence[int]) -> dict[str, float]:
    documents = list(dict.fromkeys(collection.chunks[passage - 1].document for passage in order))
    gains = [2 ** query.gold.get(document, 0) - 1 for document in documents[:10]]
    ideal = sorted((2**grade - 1 for grade in query.gold.values()), reverse=True)[:10]
    discounts = 1 / np.log2(np.arange(2, 12))
    first = next((place for place, document in enumerate(documents, 1) if query.gold.get(document)), 0)
    wanted = {document for document, grade in query.gold.items() if grade}
    return {
        "ndcg@10": float(np.dot(gains, discounts[: len(gains)]) / np.dot(ideal, discounts[: len(ideal)])),
        "recall@5": len(wanted & set(documents[:5])) / len(wanted),
        "recall@10": len(wanted & set(documents[:10])) / len(wanted),
        "mrr": 1 / first if first else 0.0,
    }


if __name__ == "__main__":
    for name in sys.argv[1:] or SETS:
        print(name, json.dumps(measure(name), ensure_ascii=False), flush=True)
