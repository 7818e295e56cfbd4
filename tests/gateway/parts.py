"""Small models and settings that the tests of this folder share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

from countersign.domain.answers import Usage
from countersign.domain.workspace import Dialect, ModelSettings, Price, Secret
from countersign.gateway.http import HttpClient
from countersign.gateway.seams import ChatModel, Delta, Done, ModelRequest
from countersign.testing.chat_server import ChatServer

KEY = "sk-planted-4f1c9e7d2b8a6035-unique"


def settings(server: ChatServer | str, dialect: Dialect = "openai", **changes: Any) -> ModelSettings:
    base_url = server if isinstance(server, str) else server.base_url
    fields: dict[str, Any] = {
        "name": "main",
        "dialect": dialect,
        "base_url": base_url,
        "model": "scripted",
        "key": Secret("${env:MAIN_KEY}", KEY),
        "price": Price("USD", 1.0, 4.0),
    }
    return ModelSettings(**{**fields, **changes})


def wire(
    server: ChatServer | str, http: HttpClient, dialect: Dialect = "openai", **changes: Any
) -> ChatModel:
    """The bare dialect, without wrappers."""
    from countersign.gateway import anthropic_dialect, openai_dialect

    build = {"openai": openai_dialect.build, "anthropic": anthropic_dialect.build}[dialect]
    return build(settings(server, dialect, **changes), http)


class FakeModel:
    """Plays `behave(call number)`: text pieces and errors to raise in order, or seconds to wait."""

    def __init__(
        self,
        behave: Callable[[int], list[str | float | Exception]],
        *,
        name: str = "fake",
        region: str = "",
        price: Price | None = None,
        usage: Usage | None = None,
    ) -> None:
        self.name, self.region, self.price = name, region, price
        self._behave = behave
        self._usage = usage
        self.calls = 0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | Done, None]:
        del request
        self.calls += 1
        pieces = 0
        for act in self._behave(self.calls):
            if isinstance(act, Exception):
                raise act
            if isinstance(act, str):
                pieces += 1
                yield Delta(act)
            else:
                await asyncio.sleep(act)
        yield Done("stop", self._usage or Usage(10, pieces, reported=True), "fake-1")
