"""How cost grows with the corpus: CPU, memory, disk, recall and the price of one more document, from ten thousand passages on.

    python -m bench.scale [--quick] [--counts 10000,100000,1000000] [--engines embedded,lance,lance-vectors]

Seeded passages as in `retrieval_speed`; vectors cost nothing here, because embedding does not grow with the corpus. Every
engine and size runs in a process of its own. `lance-vectors` leaves the text out: it is the vector leg alone, for sizes
at which building the text indexes takes too long to be repeated. Built indexes stay in the bench cache.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import os
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.collections import cache_folder
from bench.retrieval_speed import DIMENSION, RIGHTS, _row, _text, _vocabulary
from countersign.domain.workspace import ObjectStorage
from countersign.retrieval.analysis import ANALYZER_VERSION
from countersign.retrieval.fusion import fuse
from countersign.retrieval.retrieve import legs
from countersign.retrieval.seams import IndexRow, Scope
from countersign.retrieval.settings import RetrievalSettings
from countersign.storage.lance_index import LanceIndex
from countersign.storage.passage_index import TantivyIndex
from countersign.storage.shared_place import open_place

SCOPES = {"2 %": range(1), "50 %": range(RIGHTS // 2)}
GOALS = {"2 %": 60.0, "50 %": 150.0}
"""CPU-ms a hybrid question on the embedded index of a million passages."""
_BATCH = 2000
_DOCUMENT = 5
"""Passages of one more document."""
_CLUSTERS = 200


def run(quick: bool) -> dict[str, Any]:
    """What `make bench` repeats: the small end. The million takes the better part of an hour: `--counts 1000000`."""
    counts, engines = ([2_000], ["embedded", "lance"]) if quick else ([10_000, 100_000], ["embedded"])
    return measure(counts, engines, queries=8 if quick else 40, rounds=1 if quick else 3)


def measure(counts: Sequence[int], engines: Sequence[str], *, queries: int, rounds: int) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for count in counts:
        for engine in engines:
            # Building has a process of its own: what it takes is not what answering takes.
            _apart(partial(_build, engine, count))
            figures[f"{engine} {count}"] = _apart(partial(_one, engine, count, queries, rounds))
    return figures


def _apart(work: Callable[[], Any]) -> Any:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as processes:
        return processes.submit(work).result()


def _folder(engine: str, count: int) -> Path:
    return cache_folder() / f"scale-{engine}-{count}-{ANALYZER_VERSION}"


def _one(engine: str, count: int, queries: int, rounds: int) -> dict[str, Any]:
    folder = _folder(engine, count)
    built = json.loads((folder / "built.json").read_text())
    vectors = np.load(_vectors_file(count), mmap_mode="r")
    rng = np.random.default_rng(99)
    words = _vocabulary()
    asked = [(_text(rng, words, 8), _near(rng, vectors)) for _ in range(queries)]
    before = _memory()
    index = _open(engine, folder, epoch=None)
    figures: dict[str, Any] = {
        "load_average": round(os.getloadavg()[0], 1),
        "build": built,
        "disk_mib": round(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 2**20),
        "opened_private_mib": _memory() - before,
        "scopes": {name: _asked(index, name, asked, rounds) for name in SCOPES},
    }
    figures["private_mib"] = _memory() - before
    figures["peak_rss_mib"] = _peak()
    for name in SCOPES:
        figures["scopes"][name]["recall_at_10"] = _recall(index, name, vectors, [v for _, v in asked])
    index.close()
    figures["one_more_document"] = _one_more(engine, folder, count, words, vectors)
    return figures


# -- asking -----------------------------------------------------------------------------------------------------
def _scope(name: str) -> Scope:
    return Scope("bench", frozenset(SCOPES[name]), frozenset({"files"}), datetime(2026, 1, 1, tzinfo=UTC))


def _asked(index: Any, name: str, asked: Sequence[tuple[str, np.ndarray]], rounds: int) -> dict[str, Any]:
    settings, scope = RetrievalSettings(), _scope(name)

    def hybrid(text: str, vector: np.ndarray) -> None:
        hits = legs(index, text, vector, scope, "ru", settings)
        fuse(hits, "ru", settings.weights, settings.candidates)

    cpu, wall = _timed(hybrid, asked, rounds)
    text, _ = _timed(lambda text, _: index.search_text(text, scope, 100), asked, 1)
    vector, _ = _timed(lambda _, vector: index.search_vector(vector, scope, 100), asked, 1)
    return {"cpu_ms": cpu, "wall_ms": wall, "legs_cpu_ms": {"text": text, "vector": vector}}


def _timed(
    ask: Callable[[str, np.ndarray], object], asked: Sequence[tuple[str, np.ndarray]], rounds: int
) -> tuple[float, float]:
    """Medians over rounds of the mean of a round, CPU of every thread and wall, in ms; one more round comes first."""
    cpu, wall = [], []
    for number in range(rounds + 1):
        gc.collect()
        started, started_wall = time.process_time(), time.perf_counter()
        for text, vector in asked:
            ask(text, vector)
        if number:
            cpu.append((time.process_time() - started) * 1000 / len(asked))
            wall.append((time.perf_counter() - started_wall) * 1000 / len(asked))
    return round(statistics.median(cpu), 2), round(statistics.median(wall), 2)


def _recall(index: Any, name: str, vectors: np.ndarray, asked: Sequence[np.ndarray]) -> float:
    """Top 10 of the vector leg against float32 over every admitted row; one language, so its z-score keeps the order."""
    scope = _scope(name)
    admitted = np.flatnonzero(np.isin(np.arange(len(vectors)) % RIGHTS, list(scope.rights_ids)))
    scores = np.concatenate(
        [
            vectors[part] @ np.stack(asked).T
            for part in np.array_split(admitted, max(1, len(admitted) // 50_000))
        ]
    )
    found = 0
    for place, vector in enumerate(asked):
        exact = set((admitted[np.argpartition(-scores[:, place], 10)[:10]] + 1).tolist())
        found += len(exact & {hit.passage_id for hit in index.search_vector(vector, scope, 10)})
    return round(found / (10 * len(asked)), 4)


# -- building ---------------------------------------------------------------------------------------------------
def _build(engine: str, count: int) -> None:
    folder = _folder(engine, count)
    if (folder / "built.json").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    vectors, words = _vectors(count), _vocabulary()
    rng = np.random.default_rng(1)
    index = _open(engine, folder, epoch=1)
    target = index if engine == "embedded" else index.rebuild()
    making, cpu, wall = 0.0, time.process_time(), time.perf_counter()
    for start in range(0, count, _BATCH):
        began = time.process_time()
        rows = [_row(n, rng, words, vectors) for n in range(start, min(start + _BATCH, count))]
        if engine == "lance-vectors":
            rows = [replace(row, text="") for row in rows]
        making += time.process_time() - began
        target.apply(rows, start + len(rows))
    if engine != "embedded":
        target.publish()
    index.close()
    spent = time.process_time() - cpu - making
    figures = {
        "cpu_s": round(spent, 1),
        "cpu_ms_a_passage": round(spent * 1000 / count, 3),
        "wall_s": round(time.perf_counter() - wall, 1),
        "peak_rss_mib": _peak(),
    }
    (folder / "built.json").write_text(json.dumps(figures))


def _one_more(
    engine: str, folder: Path, count: int, words: np.ndarray, vectors: np.ndarray
) -> dict[str, float]:
    """Ten documents, each applied and asked for; the median of each."""
    index = _open(engine, folder, epoch=time.time_ns())
    rng = np.random.default_rng(5)
    cpu, wall = [], []
    for number in range(10):
        rows: list[IndexRow] = []
        for place in range(_DOCUMENT):
            row = _row(number * _DOCUMENT + place, rng, words, vectors)
            rows.append(replace(row, passage_id=count + number * _DOCUMENT + place + 1))
        started, started_wall = time.process_time(), time.perf_counter()
        index.apply(rows, count + 10 + number)
        cpu.append((time.process_time() - started) * 1000)
        wall.append((time.perf_counter() - started_wall) * 1000)
    gone = [replace(rows[0], passage_id=count + n + 1, live=False) for n in range(10 * _DOCUMENT)]
    index.apply(gone, count + 30)
    index.close()
    return {"cpu_ms": round(statistics.median(cpu), 1), "wall_ms": round(statistics.median(wall), 1)}


def _open(engine: str, folder: Path, *, epoch: int | None) -> Any:
    if engine == "embedded":
        return TantivyIndex(folder / "index", DIMENSION, owner=epoch is not None, settings="scale")
    place = open_place(str(folder / "index"), ObjectStorage())
    return LanceIndex(place, DIMENSION, epoch=epoch, settings="scale")


def _vectors_file(count: int) -> Path:
    return cache_folder() / f"scale-vectors-{count}.npy"


def _vectors(count: int) -> np.ndarray:
    """Clustered unit vectors, made in parts so that a million of them fit beside everything else."""
    path = _vectors_file(count)
    if not path.exists():
        rng = np.random.default_rng(2)
        centres = rng.standard_normal((_CLUSTERS, DIMENSION), np.float32) + 1.5
        out = np.empty((count, DIMENSION), np.float32)
        for start in range(0, count, 10_000):
            size = min(10_000, count - start)
            part = centres[rng.integers(0, _CLUSTERS, size)] + rng.standard_normal(
                (size, DIMENSION), np.float32
            )
            out[start : start + size] = part / np.linalg.norm(part, axis=1, keepdims=True)
        np.save(path, out)
    return np.load(path, mmap_mode="r")


def _near(rng: np.random.Generator, vectors: np.ndarray) -> np.ndarray:
    noise = rng.standard_normal(DIMENSION, np.float32) * 0.03
    vector = vectors[int(rng.integers(len(vectors)))] + noise
    return (vector / np.linalg.norm(vector)).astype(np.float32)


# -- memory -----------------------------------------------------------------------------------------------------
def _memory() -> int:
    """MiB that belong to this process alone; mapped index files are the page cache's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) // 1024
    return 0


def _peak() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // 1024
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--counts", default="10000,100000,1000000")
    parser.add_argument("--engines", default="embedded")
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    said = parser.parse_args()
    if said.quick:
        figures = run(True)
    else:
        counts = [int(count) for count in said.counts.split(",")]
        figures = measure(counts, said.engines.split(","), queries=said.queries, rounds=said.rounds)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
