"""An index version: everything that decides which passages there are and in what order a question finds them.

Two versions that cut and embed alike share passages and index, and differ only in how they order what is found.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from countersign.retrieval.settings import RetrievalSettings, settings_from_json, settings_to_json

_ID_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Chunking:
    """Sizes in tokens of the embedding model; see `corpus.chunk.StructureChunker`."""

    target_tokens: int = 220
    max_tokens: int = 300

    @property
    def key(self) -> str:
        """Names the passages that were cut like this; `of` reads it again."""
        return f"{self.target_tokens}/{self.max_tokens}"

    @classmethod
    def of(cls, key: str) -> Chunking:
        target, _, most = key.partition("/")
        return cls(int(target), int(most))


@dataclass(frozen=True, slots=True)
class Shape:
    """What an index holds: the passages of one way of cutting (`Chunking.key`), with the vectors of one model. `embedder`
    is empty and `dimension` 0 where only words are searched."""

    chunking: str
    embedder: str = ""
    dimension: int = 0


@dataclass(frozen=True, slots=True)
class IndexVersion:
    """`embedder` is its `model_id`, empty when only words are searched; `dimension` is the length of its vectors.
    Immutable: another value is another version."""

    chunking: Chunking = Chunking()
    embedder: str = ""
    settings: RetrievalSettings = field(default_factory=RetrievalSettings)
    dimension: int = 0

    @property
    def shape(self) -> Shape:
        """Versions of one shape share passages, vectors and index."""
        return Shape(self.chunking.key, self.embedder, self.dimension)

    @property
    def id(self) -> str:
        """The same value has the same id everywhere."""
        canonical = json.dumps(self.manifest, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return f"idx_{sha256(canonical.encode()).hexdigest()[:_ID_DIGITS]}"

    @property
    def manifest(self) -> dict[str, Any]:
        return {
            "format": 1,
            "chunking": {
                "target_tokens": self.chunking.target_tokens,
                "max_tokens": self.chunking.max_tokens,
            },
            "embedder": self.embedder,
            "dimension": self.dimension,
            "settings": settings_to_json(self.settings),
        }

    def for_embedder(self, embedder: str, dimension: int) -> IndexVersion:
        """The same for another embedder; what was learned from the vectors of this one says nothing about its."""
        if embedder == self.embedder:
            return self
        settings = replace(self.settings, query_means={}, reranker=None)
        return replace(self, embedder=embedder, dimension=dimension, settings=settings)

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> IndexVersion:
        settings = settings_from_json(manifest["settings"])
        chunking = Chunking(**manifest["chunking"])
        return cls(chunking, manifest["embedder"], settings, int(manifest.get("dimension", 0)))
