"""What a server costs before it does anything: CPU-seconds and memory to ready, and memory once models are loaded.

    python -m bench.start [--quick]

`ready`: `countersign serve` on a small workspace until `/readyz` says yes, its children included, before any model is
loaded. `imports`: a fresh interpreter with one import. `loaded` (not in quick mode): a process with the embedded model
and the passage index of 100,000 synthetic passages that `bench.retrieval_speed` leaves in the cache, after some searches.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

IMPORTS = (
    "countersign.cli.main",
    "countersign.storage.jobs",
    "countersign.app.house",
    "countersign.api.server",
)
_READY_S = 60.0
_WORKSPACE = """\
name: start
embeddings: none
sources: {files: {connector: files, url: ./files, rules: [{match: "*", any_of: ["tenant:*"]}]}}
assistants:
  staff-help:
    process: {asks: staff, decides: what is told, wrong_answer_costs: an apology, risk: low}
    sources: [files]
"""


def run(quick: bool) -> dict[str, Any]:
    rounds = 1 if quick else 5
    result: dict[str, Any] = {
        "ready": _median([_ready() for _ in range(rounds)]),
        "imports": {name: _median([_import(name) for _ in range(rounds)]) for name in IMPORTS},
    }
    if not quick:
        result["loaded"] = _loaded()
    return result


def _median(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {key: round(statistics.median(one[key] for one in rounds), 2) for key in rounds[0]}


def _import(name: str) -> dict[str, float]:
    code = (
        f"import resource, {name}; u = resource.getrusage(resource.RUSAGE_SELF); "
        "print(u.ru_utime + u.ru_stime, u.ru_maxrss / 1024)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    cpu, rss = said.split()
    return {"cpu_s": float(cpu), "rss_mib": float(rss)}


def _ready() -> dict[str, float]:
    """One start of a server, from nothing to ready. `rss_mib` counts shared pages of children again."""
    with TemporaryDirectory() as folder:
        root = Path(folder) / "ws"
        command = [str(Path(sys.executable).with_name("countersign"))]
        subprocess.run([*command, "init", str(root)], check=True, capture_output=True)
        (root / "countersign.yaml").write_text(_WORKSPACE, encoding="utf-8")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        started = time.perf_counter()
        with (Path(folder) / "log").open("wb") as log:
            server = subprocess.Popen(
                [*command, "-w", str(root), "serve", "--port", str(port)], stdout=log, stderr=log
            )
        try:
            _wait(server, f"http://127.0.0.1:{port}/readyz", Path(folder) / "log")
            wall = time.perf_counter() - started
            return {**_used(server.pid), "wall_s": wall}
        finally:
            server.terminate()
            server.wait(20)


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + _READY_S
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError(log.read_text(encoding="utf-8"))


def _used(pid: int) -> dict[str, float]:
    parent = psutil.Process(pid)
    family = [parent, *parent.children(recursive=True)]
    times = [process.cpu_times() for process in family]
    return {
        "cpu_s": sum(spent.user + spent.system for spent in times),
        "rss_mib": sum(process.memory_info().rss for process in family) / 2**20,
        "processes": len(family),
    }


def _loaded() -> dict[str, Any]:
    """In a process of its own, so that nothing of the benchmarks counts."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.start", "--loaded"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    if done.returncode != 0:
        return {"skipped": (done.stderr.strip().splitlines() or ["no reason given"])[-1]}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _load() -> dict[str, Any]:
    from datetime import UTC, datetime

    from bench.collections import cache_folder
    from countersign.corpus.embedding import EmbeddedE5
    from countersign.retrieval.analysis import ANALYZER_VERSION
    from countersign.retrieval.fusion import fuse
    from countersign.retrieval.retrieve import legs
    from countersign.retrieval.seams import Scope
    from countersign.retrieval.settings import RetrievalSettings
    from countersign.storage.passage_index import TantivyIndex

    found = sorted(cache_folder().glob(f"speed-100000-{ANALYZER_VERSION}*/built"))
    if not found:
        raise SystemExit("run bench.retrieval_speed first: there is no index of 100,000 passages")
    if (reason := EmbeddedE5.available()) is not None:
        raise SystemExit(reason)
    import asyncio

    embedder = EmbeddedE5(cache_folder() / "models")
    index = TantivyIndex(found[-1].parent, embedder.dimension, owner=False, settings="speed")
    scope = Scope("bench", frozenset(range(50)), frozenset({"files"}), datetime(2026, 1, 1, tzinfo=UTC))
    settings = RetrievalSettings()
    for text in ("Сколько стоит тариф?", "Тариф қанша тұрады?", "What does the tariff cost?") * 5:
        vector = asyncio.run(embedder.embed_query(text))
        fuse(legs(index, text, vector, scope, "ru", settings), "ru", settings.weights, settings.candidates)
    rss = psutil.Process().memory_info().rss / 2**20
    index.close()
    embedder.close()
    return {"rss_mib": round(rss), "passages": 100_000}


if __name__ == "__main__":
    print(json.dumps(_load() if "--loaded" in sys.argv else run("--quick" in sys.argv), ensure_ascii=False))
