"""A deadline for the first value of a stream: a model that hangs is left early, one that writes slowly is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from countersign.domain.errors import ProviderTimeout
from countersign.gateway.seams import ChatModel, Delta, Done, ModelRequest
from countersign.gateway.streams import closing
from countersign.gateway.wrapper import Wrapper


class FirstByteDeadline(Wrapper):
    """Raises `ProviderTimeout` when nothing has come after `first_byte_s` seconds. Keep-alive comments do not count."""

    def __init__(self, model: ChatModel, first_byte_s: float) -> None:
        super().__init__(model)
        self._first_byte_s = first_byte_s

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | Done, None]:
        async with closing(self._model.stream(request)) as values:
            try:
                async with asyncio.timeout(self._first_byte_s):
                    first = await anext(values)
            except TimeoutError:
                raise ProviderTimeout(
                    f"model {self.name!r} sent nothing for {self._first_byte_s:g} s",
                    hint="Check its load, or raise `first_byte_timeout_s` for this model.",
                ) from None
            yield first
            async for value in values:
                yield value
