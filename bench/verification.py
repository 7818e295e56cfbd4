"""How often claim verification calls a false claim supported, and a true one unsupported, per pair of languages.

    python -m bench.verification [--quick]

The sets are `tests/answer/data/claims*.jsonl`: facts told in Kazakh, Russian and English, each with true restatements and
subtly false ones (number, unit, date, name, identifier, exchanged subject, lost or added negation, opposite), and, as
one more kind, true statements put beside another fact's passage. `claims.jsonl` is what rules and thresholds were tuned
on. `claims_held_out.jsonl` was written afterwards; a first look at it led to five general repairs (misread word
beginnings, "per week" against "per day", "may not exceed"), none of them a threshold. Both sets are small and written
by the authors of the rules: read the figures as upper bounds of quality. Embeddings are cached by model and text.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from countersign.answer.verify import THRESHOLDS, Thresholds, verify
from countersign.corpus.seams import Embedder, Vectors
from countersign.domain.answers import Claim
from countersign.domain.documents import Passage

DATA = Path(__file__).parent.parent / "tests" / "answer" / "data"
SETS = ("claims", "claims_held_out")
LANGUAGES = ("kk", "ru", "en")
CACHE = Path(os.environ.get("COUNTERSIGN_BENCH_CACHE", Path(tempfile.gettempdir()) / "countersign-bench"))


def cases(name: str, claimed_in: str, written_in: str) -> list[tuple[str, str, str, str, bool]]:
    """(id, kind, claim, passage, supported) of one set and pair of languages."""
    facts = [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text("utf-8").splitlines()]
    found: list[tuple[str, str, str, str, bool]] = []
    for place, fact in enumerate(facts):
        passage = fact["passages"][written_in]
        for claim in fact["claims"][claimed_in]:
            found.append((fact["id"], claim["kind"], claim["text"], passage, claim["supported"]))
        other = facts[(place + 1) % len(facts)]
        found.append((fact["id"], "beside", other["claims"][claimed_in][1]["text"], passage, False))
    return found


class CachedEmbedder:
    """Vectors by model and text hash, so that a second run costs nothing."""

    def __init__(self, embedder: Embedder, folder: Path) -> None:
        self._embedder = embedder
        self._folder = folder
        self.model_id = embedder.model_id
        self.dimension = embedder.dimension
        self.region = embedder.region

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self._folder.mkdir(parents=True, exist_ok=True)
        paths = [self._path(text) for text in texts]
        missing = [text for text, path in zip(texts, paths, strict=True) if not path.exists()]
        if missing:
            vectors = await self._embedder.embed_passages(missing)
            for text, vector in zip(missing, vectors, strict=True):
                np.save(self._path(text), vector)
        return np.stack([np.load(path) for path in paths])

    async def embed_query(self, text: str) -> Vectors:
        return await self._embedder.embed_query(text)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count_tokens(texts)

    def _path(self, text: str) -> Path:
        digest = hashlib.sha256(f"{self.model_id}\x00{text}".encode()).hexdigest()[:32]
        return self._folder / f"{digest}.npy"


def embedded() -> Embedder | None:
    """The embedded model behind a cache; None where it is not available."""
    try:
        from countersign.corpus.embedding import EmbeddedE5
    except ImportError:
        return None
    if EmbeddedE5.available() is not None:
        return None
    return CachedEmbedder(EmbeddedE5(CACHE / "e5", threads=1), CACHE / "vectors")


async def measure(
    name: str, claimed_in: str, written_in: str, embedder: Embedder | None, thresholds: Thresholds
) -> dict[str, Any]:
    rows = cases(name, claimed_in, written_in)
    passage = Passage("p", "d", 1, "x", "s", "main", "", "", 0, written_in)
    wrong: list[str] = []
    false_support = false_alarm = 0
    for identity, kind, text, source, supported in rows:
        claim = Claim(text, 0, len(text), supported=False, support="none", citations=(1,))
        (verdict,) = await verify([claim], [replace(passage, text=source)], claimed_in, embedder, thresholds)
        if verdict.supported != supported:
            wrong.append(f"{identity} {kind}: {text} -> {verdict.support} {list(verdict.reasons)}")
        false_support += verdict.supported and not supported
        false_alarm += supported and not verdict.supported
    true = sum(row[-1] for row in rows)
    return {
        "pair": f"{claimed_in}->{written_in}",
        "claims": len(rows),
        "false_support": round(false_support / (len(rows) - true), 4),
        "false_alarm": round(false_alarm / true, 4),
        "wrong": wrong,
    }


async def _all(quick: bool) -> dict[str, Any]:
    embedder = None if quick else embedded()
    report: dict[str, Any] = {"embedder": embedder.model_id if embedder else None}
    for name in SETS:
        pairs = [(a, b) for a in LANGUAGES for b in LANGUAGES if a == b or embedder is not None]
        if (DATA / f"{name}.jsonl").exists():
            report[name] = [await measure(name, a, b, embedder, THRESHOLDS) for a, b in pairs]
    return report


def run(quick: bool) -> dict[str, Any]:
    """Quick: within a language only, no embeddings."""
    return asyncio.run(_all(quick))


def main() -> None:
    report = run("--quick" in sys.argv)
    print(f"embedder: {report['embedder']}")
    for name in SETS:
        for row in report.get(name, ()):
            print(
                f"{name:16} {row['pair']:7} n={row['claims']:3}  false support {row['false_support']:.3f}  false alarm {row['false_alarm']:.3f}"
            )
            if "--wrong" in sys.argv:
                print("\n".join(f"    {line}" for line in row["wrong"]))


if __name__ == "__main__":
    main()
