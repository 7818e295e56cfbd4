"""Vectors that a measurement made, kept so that building the version that it recommends does not make them again.

No text is in here, but a vector tells something of its text: the file is removed by every erasure.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from countersign.corpus.embedding import AroundEmbedder
from countersign.corpus.ingest import text_hash
from countersign.corpus.seams import Embedder, Vectors
from countersign.retrieval.seams import Vector

_TABLE = (
    "CREATE TABLE IF NOT EXISTS vector (model TEXT, text_hash TEXT, vector BLOB, run TEXT DEFAULT '',"
    " PRIMARY KEY (model, text_hash))"
)
_FIND = "SELECT vector FROM vector WHERE model = ? AND text_hash = ?"


class KeptVectors:
    """A file of one machine, made when something is first kept. Opened for each call: an erasure may remove it between
    any two of them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, model: str, hashes: Iterable[str]) -> dict[str, Vector]:
        """Those that are here. What cannot be read counts as not here."""
        if not self._path.is_file():
            return {}
        try:
            with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=5)) as file:
                rows = ((each, file.execute(_FIND, (model, each)).fetchone()) for each in hashes)
                return {each: np.frombuffer(row[0], "<f4") for each, row in rows if row is not None}
        except sqlite3.Error:
            return {}

    def keep(self, model: str, vectors: Mapping[str, Vector]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        rows = [(model, name, vector.astype("<f4").tobytes()) for name, vector in vectors.items()]
        with closing(self._open()) as file, file:
            file.executemany(
                "INSERT OR REPLACE INTO vector (model, text_hash, vector) VALUES (?, ?, ?)", rows
            )

    def settle(self, run: str, used: Mapping[str, Iterable[str]], kept_runs: Iterable[str]) -> None:
        """The measurement `run` used these (model → hashes); what no kept measurement used is dropped."""
        if not self._path.is_file():
            return
        rows = [(run, model, each) for model, hashes in used.items() for each in hashes]
        names = [(each,) for each in {run, *kept_runs}]
        with closing(self._open()) as file, file:
            file.executemany("UPDATE vector SET run = ? WHERE model = ? AND text_hash = ?", rows)
            file.execute("CREATE TEMP TABLE kept (run TEXT)")
            file.executemany("INSERT INTO kept VALUES (?)", names)
            file.execute("DELETE FROM vector WHERE run NOT IN (SELECT run FROM kept)")

    def _open(self) -> sqlite3.Connection:
        file = sqlite3.connect(self._path, timeout=5)
        self._path.chmod(0o600)
        for statement in ("PRAGMA synchronous = OFF", "PRAGMA secure_delete = ON", _TABLE):
            file.execute(statement)
        return file


class Recalling(AroundEmbedder):
    """An embedder that takes the vectors of passages from a measurement where it made them."""

    def __init__(self, embedder: Embedder, kept: KeptVectors) -> None:
        super().__init__(embedder)
        self._kept = kept

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        hashes = [text_hash(text) for text in texts]
        known = self._kept.find(self.model_id, hashes)
        known = {name: vector for name, vector in known.items() if vector.shape == (self.dimension,)}
        missing = {name: text for name, text in zip(hashes, texts, strict=True) if name not in known}
        if len(missing) == len(texts):
            return await super().embed_passages(texts)
        if missing:
            made = await super().embed_passages(list(missing.values()))
            known |= dict(zip(missing, made, strict=True))
        return np.stack([known[name] for name in hashes]).astype(np.float32)
