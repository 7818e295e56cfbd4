"""An embeddings endpoint on loopback whose vectors a test can foresee: the words of a text, each in a direction of its own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from aiohttp import web

_WORD = re.compile(r"\w+")


class EmbeddingServer:
    """`async with EmbeddingServer(24) as server:` then `server.base_url`. `same` maps a word to the one whose direction it
    shares. `texts` keeps every text in the order in which it was answered. While `is_down` it answers with 503;
    `hold_after` so many requests it answers no more until `let_go` is set."""

    def __init__(self, dimension: int, *, same: Mapping[str, str] | None = None) -> None:
        self.dimension = dimension
        self.texts: list[str] = []
        self.is_down = False
        self.hold_after: int | None = None
        self.holding = asyncio.Event()
        self.let_go = asyncio.Event()
        self._same = dict(same or {})
        self._requests = 0
        self._port = 0
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def vector(self, text: str) -> list[float]:
        """Never zero: what has no words has a direction of its own."""
        found: list[str] = _WORD.findall(text.lower())
        words = [self._same.get(word, word) for word in found] or [""]
        total = np.sum([self._direction(word) for word in words], axis=0)
        return [float(each) for each in total / max(float(np.linalg.norm(total)), 1e-9)]

    def _direction(self, word: str) -> Any:
        seed = int.from_bytes(sha256(f"{self.dimension}/{word}".encode()).digest()[:8], "big")
        return np.random.default_rng(seed).standard_normal(self.dimension)

    async def _embeddings(self, request: web.Request) -> web.Response:
        from aiohttp import web

        if self.is_down:
            return web.json_response({}, status=503)
        if self.hold_after is not None and self._requests >= self.hold_after:
            self.holding.set()
            await self.let_go.wait()
        self._requests += 1
        asked: Sequence[str] = (await request.json())["input"]
        self.texts += asked
        data = [{"index": place, "embedding": self.vector(text)} for place, text in enumerate(asked)]
        return web.json_response({"data": data})

    async def __aenter__(self) -> Self:
        from aiohttp import web

        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/embeddings", self._embeddings)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.let_go.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
