"""Retrieval sets as rows of an index: split, titled, embedded once a text and model."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np

from countersign.corpus.embedding import EmbeddedE5
from countersign.corpus.seams import Vectors
from countersign.domain.answers import HistoryTurn

SPLIT_ABOVE_TOKENS = 300
WINDOW_TOKENS = 240


def data_folder() -> Path | None:
    """`COUNTERSIGN_DATA`, or `../shared/data` beside the repository."""
    named = os.environ.get("COUNTERSIGN_DATA")
    path = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    return path if (path / "retrieval").is_dir() else None


def cache_folder() -> Path:
    named = os.environ.get("COUNTERSIGN_BENCH_CACHE")
    path = Path(named) if named else Path.home() / ".cache" / "countersign-bench"
    path.mkdir(parents=True, exist_ok=True)
    return path


@dataclass(frozen=True, slots=True)
class Query:
    id: str
    text: str
    language: str
    history: tuple[HistoryTurn, ...]
    gold: dict[str, int]
    group: str = ""
    """Questions of one group (a company, a site, an article) never teach each other."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """`text` is what is indexed: `title`, if there is one, on a line of its own, and the passage."""

    document: str
    language: str
    text: str
    title: str = ""

    @property
    def body(self) -> str:
        return self.text.removeprefix(f"{self.title}\n") if self.title else self.text


@dataclass(slots=True)
class Collection:
    name: str
    chunks: list[Chunk]
    queries: list[Query]
    vectors: Vectors | None = None
    query_vectors: dict[str, Vectors] = field(default_factory=dict)


def read(name: str, embedder: EmbeddedE5) -> Collection:
    folder = data_folder()
    assert folder is not None
    folder = folder / "retrieval" / name
    gold: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, score = line.split("\t")
        gold.setdefault(query, {})[document] = int(score)
    queries = [
        Query(q["id"], q["text"], q["lang"], _history(q.get("history") or []), gold[q["id"]], _group(q))
        for q in _lines(folder / "queries.jsonl")
        if q["id"] in gold
    ]
    chunks = [chunk for document in _lines(folder / "corpus.jsonl") for chunk in _chunks(document, embedder)]
    return Collection(name, chunks, queries)


def _lines(path: Path) -> Iterator[dict]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _group(query: dict) -> str:
    return str(query.get("group") or query.get("company") or query.get("conv") or "")


def _history(turns: Sequence) -> tuple[HistoryTurn, ...]:
    """Pairs of role (`user`, `agent`) and text."""
    roles = {"user": "user", "agent": "assistant"}
    return tuple(HistoryTurn(roles[role], text) for role, text in turns)


def _chunks(document: dict, embedder: EmbeddedE5) -> Iterator[Chunk]:
    title = document.get("title") or ""
    for part in _windows(document["text"], embedder):
        yield Chunk(document["id"], document["lang"], f"{title}\n{part}" if title else part, title)


def _windows(text: str, embedder: EmbeddedE5) -> Iterator[str]:
    if len(text) < SPLIT_ABOVE_TOKENS or embedder.count_tokens([text])[0] <= SPLIT_ABOVE_TOKENS:
        yield text
        return
    words = text.split()
    sizes = embedder.count_tokens(words)
    part: list[str] = []
    size = 0
    for word, tokens in zip(words, sizes, strict=True):
        if part and size + tokens > WINDOW_TOKENS:
            yield " ".join(part)
            part, size = [], 0
        part.append(word)
        size += tokens
    if part:
        yield " ".join(part)


class VectorCache:
    """Vectors by model and text hash, outside the repository."""

    def __init__(self, embedder: EmbeddedE5) -> None:
        self._embedder = embedder
        self._db = sqlite3.connect(cache_folder() / "vectors.db", timeout=60)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=normal")
        self._db.execute("create table if not exists v (k text primary key, vector blob) without rowid")

    def passages(self, texts: Sequence[str]) -> Vectors:
        return self._get([f"passage: {text}" for text in texts], batch=64)

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self._get([f"query: {text}" for text in texts], batch=1)

    def _get(self, texts: Sequence[str], batch: int) -> Vectors:
        keys = [sha256(f"{self._embedder.model_id}\0{text}".encode()).hexdigest() for text in texts]
        missing = [i for i, key in enumerate(keys) if not self._find(key)]
        for start in range(0, len(missing), batch):
            places = missing[start : start + batch]
            vectors = asyncio.run(self._embed([texts[i] for i in places]))
            rows = [(keys[i], v.astype("<f4").tobytes()) for i, v in zip(places, vectors, strict=True)]
            self._db.executemany("insert or replace into v values (?, ?)", rows)
            self._db.commit()
        return np.stack([np.frombuffer(self._find(key) or b"", "<f4") for key in keys])

    def _find(self, key: str) -> bytes | None:
        row = self._db.execute("select vector from v where k = ?", (key,)).fetchone()
        return row[0] if row else None

    async def _embed(self, texts: Sequence[str]) -> Vectors:
        if len(texts) == 1 and texts[0].startswith("query: "):
            return (await self._embedder.embed_query(texts[0].removeprefix("query: ")))[None]
        return await self._embedder.embed_passages([text.removeprefix("passage: ") for text in texts])
