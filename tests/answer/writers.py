"""A model that writes what a test says, with a stop between any two pieces in which the test may look or act."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from countersign.domain.answers import Usage
from countersign.domain.workspace import Price
from countersign.gateway.seams import Delta, Done, FinishReason, ModelRequest

Piece = str | Exception | Callable[[ModelRequest], Awaitable[str]]
"""A text, an error to raise, or something to do with the request, whose result is written."""


class Writer:
    """A `ChatModel` in this process."""

    def __init__(self, *pieces: Piece, name: str = "main", finish: FinishReason = "stop") -> None:
        self._pieces = pieces
        self._name = name
        self._finish: FinishReason = finish

    @property
    def name(self) -> str:
        return self._name

    @property
    def region(self) -> str:
        return "kz"

    @property
    def price(self) -> Price | None:
        return Price(unmetered=True)

    async def stream(self, request: ModelRequest) -> AsyncIterator[Delta | Done]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            text = piece if isinstance(piece, str) else await piece(request)
            if text:
                yield Delta(text)
        yield Done(self._finish, Usage(10, 10, reported=True))
