"""CPU time of a hybrid search under rights that admit 2 % and 50 % of synthetic passages, and its exactness.

    python -m bench.retrieval_speed [--quick]

The passages are seeded: clustered vectors, words drawn from a Zipf vocabulary, 50 right sets. The built index is kept
in the bench cache, because building it is not what is measured.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bench.collections import cache_folder
from countersign.retrieval.analysis import ANALYZER_VERSION
from countersign.retrieval.fusion import fuse
from countersign.retrieval.retrieve import legs
from countersign.retrieval.seams import ALWAYS_FROM_DAY, ALWAYS_TO_DAY, IndexRow, Scope
from countersign.retrieval.settings import RetrievalSettings
from countersign.storage.passage_index import TantivyIndex

DIMENSION = 384
RIGHTS = 50
SCOPES = {"2 %": range(1), "50 %": range(RIGHTS // 2), "all": range(RIGHTS)}
GOALS_CPU_MS = {"2 %": 10.0, "50 %": 25.0}
_BATCH = 2000


def run(quick: bool) -> dict[str, Any]:
    """Figures by scope: CPU-ms and wall ms a query (median of rounds), recall@10 against exact filtered search."""
    count, queries, rounds = (4_000, 20, 3) if quick else (100_000, 40, 5)
    folder = cache_folder() / f"speed-{count}-{ANALYZER_VERSION}z"
    words, vectors = _vocabulary(), _vectors(count)
    built = _build(folder, count, words, vectors)
    index = TantivyIndex(folder, DIMENSION, owner=False, settings="speed")
    try:
        result: dict[str, Any] = {
            "passages": count,
            "load_average": os.getloadavg()[0],
            "build": built,
            "index_mib": round(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 2**20),
            "scopes": {name: _measure(index, name, vectors, words, queries, rounds) for name in SCOPES},
        }
        result["rss_mib"] = round(_rss_bytes() / 2**20)
    finally:
        index.close()
    result["passed"] = all(
        result["scopes"][name]["cpu_ms"] <= goal and result["scopes"][name]["recall_at_10"] >= 0.99
        for name, goal in GOALS_CPU_MS.items()
    )
    return result


def _measure(
    index: TantivyIndex, name: str, vectors: np.ndarray, words: np.ndarray, queries: int, rounds: int
) -> dict[str, Any]:
    rng = np.random.default_rng(99)
    scope = Scope("bench", frozenset(SCOPES[name]), frozenset({"files"}), datetime(2026, 1, 1, tzinfo=UTC))
    asked = [(_text(rng, words, 8), _near(rng, vectors)) for _ in range(queries)]
    settings = RetrievalSettings()
    cpu, wall = [], []
    for round_number in range(rounds + 1):
        gc.collect()
        started, started_wall = time.process_time(), time.perf_counter()
        for text, vector in asked:
            fuse(
                legs(index, text, vector, scope, "ru", settings), "ru", settings.weights, settings.candidates
            )
        if round_number:  # the first one warms the page cache
            cpu.append((time.process_time() - started) * 1000 / queries)
            wall.append((time.perf_counter() - started_wall) * 1000 / queries)
    return {
        "cpu_ms": round(statistics.median(cpu), 2),
        "wall_ms": round(statistics.median(wall), 2),
        "recall_at_10": _recall(index, scope, vectors, [vector for _, vector in asked]),
        "legs_cpu_ms": _legs(index, scope, asked),
    }


def _legs(index: TantivyIndex, scope: Scope, asked: list[tuple[str, np.ndarray]]) -> dict[str, float]:
    started = time.process_time()
    for text, _ in asked:
        index.search_text(text, scope, 100)
    text_ms = (time.process_time() - started) * 1000 / len(asked)
    started = time.process_time()
    for _, vector in asked:
        index.search_vector(vector, scope, 100)
    return {
        "text": round(text_ms, 2),
        "vector": round((time.process_time() - started) * 1000 / len(asked), 2),
    }


def _recall(index: TantivyIndex, scope: Scope, vectors: np.ndarray, asked: list[np.ndarray]) -> float:
    """Top 10 of the vector leg against float32 over every admitted row; one language, so its z-score keeps the order."""
    admitted = np.flatnonzero(np.isin(np.arange(len(vectors)) % RIGHTS, list(scope.rights_ids)))
    found = 0
    for vector in asked:
        exact = set((admitted[np.argsort(-(vectors[admitted] @ vector))[:10]] + 1).tolist())
        found += len(exact & {hit.passage_id for hit in index.search_vector(vector, scope, 10)})
    return round(found / (10 * len(asked)), 4)


def _build(folder: Path, count: int, words: np.ndarray, vectors: np.ndarray) -> dict[str, Any] | str:
    if (folder / "built").exists():
        return "kept from an earlier run"
    shutil.rmtree(folder, ignore_errors=True)
    rng = np.random.default_rng(1)
    index = TantivyIndex(folder, DIMENSION, owner=True, settings="speed")
    started, cpu = time.perf_counter(), time.process_time()
    for start in range(0, count, _BATCH):
        rows = [_row(n, rng, words, vectors) for n in range(start, min(start + _BATCH, count))]
        index.apply(rows, start + _BATCH)
    index.close()
    (folder / "built").touch()
    wall = time.perf_counter() - started
    return {"rows_per_s": round(count / wall), "cpu_s": round(time.process_time() - cpu, 1)}


def _row(number: int, rng: np.random.Generator, words: np.ndarray, vectors: np.ndarray) -> IndexRow:
    return IndexRow(
        passage_id=number + 1,
        document_id=f"d{number // 10}",
        source="files",
        rights_id=number % RIGHTS,
        language="ru",
        valid_from_day=ALWAYS_FROM_DAY if number % 20 else 18_000 + number % 700,
        valid_to_day=ALWAYS_TO_DAY,
        live=True,
        seq=number + 1,
        text=_text(rng, words, int(rng.integers(100, 200))),
        vector=vectors[number],
    )


def _vocabulary() -> np.ndarray:
    rng = np.random.default_rng(3)
    letters = np.array(list("аеиоубвгдклмнпрст"))
    return np.array(["".join(rng.choice(letters, int(rng.integers(4, 11)))) for _ in range(20_000)])


def _text(rng: np.random.Generator, words: np.ndarray, length: int) -> str:
    """Words by Zipf's law: the commonest is about a thirtieth of all."""
    places = (3.0 * (len(words) / 3.0) ** rng.random(length)).astype(int) - 3
    return " ".join(words[places])


def _vectors(count: int) -> np.ndarray:
    rng = np.random.default_rng(2)
    centres = rng.normal(size=(200, DIMENSION)).astype(np.float32)
    vectors = (
        centres[rng.integers(0, 200, count)] + rng.normal(size=(count, DIMENSION)).astype(np.float32) + 1.5
    )
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _near(rng: np.random.Generator, vectors: np.ndarray) -> np.ndarray:
    noise = rng.normal(size=DIMENSION).astype(np.float32) * 0.03
    vector = vectors[int(rng.integers(len(vectors)))] + noise
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def _rss_bytes() -> int:
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    print(json.dumps(run("--quick" in sys.argv), ensure_ascii=False, indent=2))
