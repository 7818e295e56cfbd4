"""The converted model in the cache folder: made once, swapped in atomically, checked against golden vectors."""

from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import numpy as np

from countersign.corpus.e5.graph import Kind, write_graph
from countersign.corpus.e5.runtime import Session
from countersign.corpus.e5.tokens import Tokens, write_tokenizer
from countersign.corpus.e5.weights import Weights
from countersign.domain.errors import IntegrityError

CONVERTER_VERSION = "1"
DIMENSION = 384
MIN_COSINE = 0.99
"""Against the golden vectors, each of them; below, int8 has gone wrong on this processor."""

_KINDS: tuple[Kind, ...] = ("int8", "nb4")
_LIST = "files.json"


def load(cache: Path, weights_file: Path, threads: int) -> tuple[Tokens, Session, Kind]:
    """Convert if needed and open the first kind that agrees with the golden vectors."""
    worst: dict[str, float] = {}
    for kind in _KINDS:
        folder = _converted(cache, weights_file, kind)
        tokens, session = Tokens(folder), Session(folder, DIMENSION, threads)
        worst[kind] = golden_agreement(tokens, session)
        if worst[kind] >= MIN_COSINE:
            return tokens, session, kind
    raise IntegrityError(
        f"the embedded model disagrees with its golden vectors: {worst}",
        code="embedder_self_test",
        hint="Remove the model cache; if it stays, use an embeddings endpoint or search by words only.",
    )


def load_tokens(cache: Path, weights_file: Path) -> Tokens:
    """The tokenizer alone; every kind of graph has the same."""
    return Tokens(_converted(cache, weights_file, _KINDS[0]))


def golden_agreement(tokens: Tokens, session: Session) -> float:
    """The lowest cosine between this machine's vectors and the stored ones."""
    golden = json.loads(files("countersign.corpus.e5").joinpath("golden.json").read_text(encoding="utf-8"))
    texts = [entry["text"] for entry in golden]
    expected = np.stack([np.frombuffer(base64.b64decode(entry["vector"]), "<f2") for entry in golden])
    actual = np.concatenate([session.embed(tokens.encode([text])) for text in texts])
    return float((actual * expected.astype(np.float32)).sum(axis=1).min())


def _converted(cache: Path, weights_file: Path, kind: Kind) -> Path:
    size = weights_file.stat().st_size
    folder = cache / f"e5-small-{size:x}-v{CONVERTER_VERSION}-{kind}"
    if _whole(folder):
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(cache):
        if not _whole(folder):
            _convert(weights_file, folder, kind)
    return folder


def _convert(weights_file: Path, folder: Path, kind: Kind) -> None:
    scratch = Path(tempfile.mkdtemp(prefix=".converting-", dir=folder.parent))
    try:
        weights = Weights(weights_file)
        write_tokenizer(weights, scratch)
        write_graph(weights, scratch, kind)
        sizes = {path.name: path.stat().st_size for path in scratch.iterdir()}
        (scratch / _LIST).write_text(json.dumps(sizes), encoding="utf-8")
        for path in scratch.iterdir():
            _sync(path)
        shutil.rmtree(folder, ignore_errors=True)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _whole(folder: Path) -> bool:
    """Every file is there in its full size."""
    try:
        sizes = json.loads((folder / _LIST).read_text(encoding="utf-8"))
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (FileNotFoundError, ValueError):
        return False


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def _one_at_a_time(cache: Path) -> Generator[None]:
    """Another process that converts is waited for; its result is then found."""
    import fcntl

    with (cache / "convert.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
