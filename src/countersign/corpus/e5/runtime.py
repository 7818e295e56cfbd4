"""Token ids to vectors with onnxruntime: batches of similar length, filled to a budget of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from countersign.corpus.e5.graph import GRAPH_FILE
from countersign.corpus.e5.tokens import BEGIN, END, PAD

MAX_TOKENS = 512
_WINDOW = MAX_TOKENS - 2
_BATCH_TOKENS = 2048

Vectors = NDArray[np.float32]


class Session:
    """One loaded model; safe to share between threads. `threads` is how many cores one call may use."""

    def __init__(self, folder: Path, dimension: int, threads: int) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # A waiting thread must not burn the core that everything else runs on.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Texts differ in length: an arena would keep the largest batch's memory for ever.
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        self._session = ort.InferenceSession(
            str(folder / GRAPH_FILE), options, providers=["CPUExecutionProvider"]
        )
        self._dimension = dimension

    def embed(self, tokens: Sequence[Sequence[int]]) -> Vectors:
        """Shape (len(tokens), dimension), unit length. A text longer than the model is the mean of its windows."""
        windows = [(i, part) for i, ids in enumerate(tokens) for part in _windows(ids)]
        out = np.zeros((len(tokens), self._dimension), np.float32)
        for batch in _batches([len(part) for _, part in windows]):
            vectors = self._run([windows[i][1] for i in batch])
            for place, vector in zip(batch, vectors, strict=True):
                owner, part = windows[place]
                out[owner] += vector * len(part)
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)

    def _run(self, texts: Sequence[Sequence[int]]) -> Vectors:
        width = max(map(len, texts))
        ids = np.full((len(texts), width), PAD, np.int64)
        mask = np.zeros((len(texts), width), np.int32)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = text
            mask[row, : len(text)] = 1
        (vectors,) = self._session.run(["vectors"], {"ids": ids, "mask": mask})
        return np.asarray(vectors, np.float32)


def _windows(ids: Sequence[int]) -> Iterator[list[int]]:
    """With begin and end marks; windows of one text are as even as they can be."""
    count = max(1, -(-len(ids) // _WINDOW))
    size = -(-len(ids) // count) or 1
    for start in range(0, max(len(ids), 1), size):
        yield [BEGIN, *ids[start : start + size], END]


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places in order of length, so that little is padded, at most `_BATCH_TOKENS` padded tokens together."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if batch and lengths[place] * (len(batch) + 1) > _BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch
