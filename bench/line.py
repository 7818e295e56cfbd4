"""From a question to its decision, without the time of the model: the whole straight line over 20,000 passages.

    python -m bench.line [--quick]

A joined house on SQLite with the embedded embedding model for questions; passages are synthetic text with seeded
vectors in place of embedded ones, read in through the ordinary ingestion. People see 2 %, 50 % and all of them. `generate`
is taken off each time: it is the model's (here: the extractive generator's). Wall times say something only on an idle
machine; CPU-ms are of the whole process. The workspace is kept in the bench cache, because reading it in is not measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import psutil
from sqlalchemy.schema import CreateTable

from bench.collections import cache_folder
from countersign.app import joining
from countersign.app.asking import Asked
from countersign.app.embedders import Embedders
from countersign.app.house import House
from countersign.corpus.embedding import EmbeddedE5
from countersign.corpus.seams import Vectors
from countersign.domain.answers import Question
from countersign.domain.workspace import EmbeddingSettings, Workspace
from countersign.storage.tables import metadata
from tests.workspaces import opened, person, workspace, write_files

PASSAGES_EACH = 100
GROUPS = 50
PEOPLE = {"2 %": 1, "50 %": GROUPS // 2, "all": GROUPS}
"""Who asks: how many of the groups they are in; every group sees as many documents as any other."""
TOPICS = (
    "tariff",
    "deposit",
    "mortgage",
    "roaming",
    "leave",
    "incident",
    "contract",
    "branch",
    "card",
    "password",
)


class SeededPassages(EmbeddedE5):
    """The real model for questions; for passages random directions, which cost nothing and search as slowly."""

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        rows = [np.random.default_rng(hash_of(text)).standard_normal(self.dimension) for text in texts]
        vectors = np.array(rows, np.float32).reshape(len(texts), self.dimension)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode()[-24:], "big") % 2**32


def run(quick: bool) -> dict[str, Any]:
    """p50 and p95 in wall ms without the model's time, CPU-ms a question, and where the time goes, by step."""
    documents, questions = (10, 12) if quick else (200, 200)
    reason = EmbeddedE5.available()
    return asyncio.run(_run(documents, questions, with_vectors=reason is None and not quick)) | {
        "vectors": reason or ("left out in quick mode" if quick else "embedded model")
    }


def _schema() -> str:
    """Names the tables that a kept workspace was made with."""
    written = "".join(str(CreateTable(table)) for table in metadata.sorted_tables)
    return sha256(written.encode()).hexdigest()[:8]


async def _run(documents: int, questions: int, *, with_vectors: bool) -> dict[str, Any]:
    root = cache_folder() / f"line-{documents}-{'vectors' if with_vectors else 'words'}-{_schema()}"
    settings = _settings(root, with_vectors)
    kept = (root / "read-in").exists()
    if not kept:
        shutil.rmtree(root, ignore_errors=True)
        _write(root, documents)
    embedder = SeededPassages(cache_folder() / "models") if with_vectors else None
    given = Embedders(settings, cache_folder() / "models", embedder)
    with patch.object(joining, "open_embedders", return_value=given):
        async with opened(settings, cache_folder() / "models", ingest=not kept) as house:
            (root / "read-in").touch()
            return await _measure(house, documents, questions)


def _settings(root: Path, with_vectors: bool) -> Workspace:
    embeddings = EmbeddingSettings(name="embedded", base_url="", model="") if with_vectors else None
    return workspace(root, embeddings=embeddings)


def _write(root: Path, documents: int) -> None:
    """Documents of 100 sections, each one passage; document n is for group n modulo 50."""
    rng = np.random.default_rng(1)
    words = [f"{stem}{n}" for stem in ("rule", "client", "service", "office", "term") for n in range(400)]
    files: dict[str, str | bytes] = {}
    for n in range(documents):
        parts = [f"# Handbook {n}\n"]
        for section in range(PASSAGES_EACH):
            topic, said = TOPICS[(n + section) % len(TOPICS)], " ".join(rng.choice(words, 110))
            parts.append(
                f"## Section {n}-{section} on the {topic}\n\nThe {topic} of section {n}-{section} costs {1000 + n * 100 + section} "
                f"tenge a month. {said}.\n"
            )
        files[f"handbook-{n}.md"] = "\n".join(parts)
    rows = [{"file": name, "acl": [f"g{n % GROUPS}"]} for n, name in enumerate(files)]
    write_files(root / "files", files, rows)


async def _measure(house: House, documents: int, questions: int) -> dict[str, Any]:
    steps: dict[str, list[float]] = defaultdict(list)
    walls: list[float] = []
    answered: list[bool] = []
    """Of the same questions: a refusal before anything is written takes half as long."""
    cpus: list[float] = []

    def note(asked: Asked) -> None:
        for step, seconds in asked.steps_s:
            steps[step].append(seconds * 1000)
        if asked.steps_s:
            without_model = sum(seconds for step, seconds in asked.steps_s if step != "generate")
            walls.append(without_model * 1000)
            answered.append(asked.answer.refusal is None)

    house.asking.observe(note)
    rng = np.random.default_rng(2)
    by_person: dict[str, float] = {}
    for name, groups in PEOPLE.items():
        asker = await person(house, f"reader-{groups}", groups=[f"g{g}" for g in range(groups)])
        first = len(walls)
        for turn in range(questions // len(PEOPLE) + 3):
            n, section = int(rng.integers(0, documents)), int(rng.integers(0, PASSAGES_EACH))
            text = (
                f"What does the {TOPICS[(n + section) % len(TOPICS)]} of section {n}-{section} cost a month?"
            )
            before = time.process_time()
            await house.asking.ask(asker, Question("staff-help", text))
            if turn < 3:  # the first ones load the model and warm the page cache
                del walls[first:], answered[first:]
            else:
                cpus.append((time.process_time() - before) * 1000)
        by_person[name] = round(statistics.median(walls[first:]), 1)
    whole = [wall for wall, is_answered in zip(walls, answered, strict=True) if is_answered] or walls
    return {
        "passages": documents * PASSAGES_EACH,
        "questions": len(walls),
        "answered": {
            "questions": sum(answered),
            "p50_ms": round(statistics.median(whole), 1),
            "p95_ms": round(float(np.percentile(whole, 95)), 1),
        },
        "p50_ms": round(statistics.median(walls), 1),
        "p95_ms": round(float(np.percentile(walls, 95)), 1),
        "cpu_ms_with_generator": round(statistics.median(cpus), 1),
        "p50_ms_by_rights": by_person,
        "p50_ms_by_step": {name: round(statistics.median(times), 2) for name, times in steps.items()},
        "rss_mib": round(psutil.Process().memory_info().rss / 2**20),
        "load_average": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    print(json.dumps(run("--quick" in sys.argv), indent=2, ensure_ascii=False))
