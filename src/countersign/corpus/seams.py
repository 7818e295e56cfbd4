"""Seams of the corpus room: how files become text, text becomes chunks, and chunks become vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from countersign.domain.documents import Chunk, ParsedDocument

Vectors = NDArray[np.float32]


class Parser(Protocol):
    """Turns an untrusted file into typed elements, outside this process. Never raises for what the file contains."""

    async def parse(self, path: Path, filename: str, mime: str) -> ParsedDocument: ...

    async def render_page(self, path: Path, page: int, width_px: int) -> bytes:
        """One page (1-based) as PNG. Raises `NotFound` when there is no such page or the file has no pages."""
        ...


class Chunker(Protocol):
    @property
    def settings_id(self) -> str:
        """Short text naming method and settings; part of the index version."""
        ...

    def chunk(self, document: ParsedDocument, title: str) -> tuple[Chunk, ...]: ...


class Embedder(Protocol):
    """Vectors are float32, L2 norm 1. Raises `ProviderError` kinds when it cannot embed."""

    @property
    def model_id(self) -> str:
        """Model, weights and engine; part of the index version."""
        ...

    @property
    def dimension(self) -> int: ...

    @property
    def region(self) -> str: ...

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Shape (len(texts), dimension)."""
        ...

    async def embed_query(self, text: str) -> Vectors:
        """Shape (dimension,)."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]: ...


class Embedders(Protocol):
    """The embedding models that this process can reach, by their `model_id`."""

    def of(self, model: str) -> Embedder | None:
        """None when it is not configured here."""
        ...

    def may_embed(self, model: str, residency: str) -> bool:
        """Whether text with that label may go where the model is."""
        ...
