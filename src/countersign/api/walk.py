"""A question under way: its steps as they come, its answer, and an end to the work when nobody waits any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, Literal

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from countersign.access.principal import Principal
from countersign.api.errors import known
from countersign.api.schemas import Json
from countersign.app.house import House
from countersign.domain.answers import Answer, Question
from countersign.domain.errors import CountersignError
from countersign.domain.ids import new_id

SIGN_OF_LIFE_S = 1.0
"""How long a stream may be silent."""


Happening = tuple[Literal["step", "text", "wait", "over"], str]
"""A step that begins, a piece of the answer's text that leaves, a second in which nothing happened."""


class Walk:
    """Begins at once, in a task of its own, so that cancelling reaches the work exactly once.

    With `speaking`, the text comes in pieces: after the decision, or before it where the assistant delivers live.
    """

    def __init__(
        self, house: House, principal: Principal, question: Question, request_id: str, *, speaking: bool
    ) -> None:
        self.answer_id = new_id("ans")
        self.release = house.asking.release(question.assistant)
        self.question = question
        self._asking = house.asking
        self._request_id = request_id
        self._happened: asyncio.Queue[Happening] = asyncio.Queue()
        self._begun = asyncio.Event()
        asking = house.asking.ask(
            principal,
            question,
            self._note,
            request_id,
            self.answer_id,
            self._say if speaking else None,
        )
        self._task = asyncio.create_task(asking)
        self._task.add_done_callback(self._over)

    def _note(self, step: str) -> None:
        if not self._begun.is_set():  # an index version may have been switched since the request came in
            self.release = self._asking.release(self.question.assistant)
        self._begun.set()
        self._happened.put_nowait(("step", step))

    def _say(self, text: str) -> None:
        self._happened.put_nowait(("text", text))

    def _over(self, task: asyncio.Task[Answer]) -> None:
        if not task.cancelled():
            task.exception()  # looked at: an abandoned walk's failure is nobody's news
        self._begun.set()
        self._happened.put_nowait(("over", ""))

    async def _opened(self) -> None:
        """Returns when the first step began, or after a moment of waiting for a place.

        Raises what kept the question from being asked at all, so that it can still become an HTTP status.
        """
        try:
            await asyncio.wait_for(self._begun.wait(), SIGN_OF_LIFE_S)
        except TimeoutError:
            return
        if self._task.done():
            self._task.result()

    async def happenings(self) -> AsyncGenerator[Happening, None]:
        """What happens, as it happens, until the outcome is there; never silent for longer than a second."""
        while True:
            try:
                happening = await asyncio.wait_for(self._happened.get(), SIGN_OF_LIFE_S)
            except TimeoutError:
                happening = ("wait", "")
            if happening[0] == "over":
                return
            yield happening

    def outcome(self) -> Answer | CountersignError:
        """Once `happenings` has ended: the answer, or what may be told of the failure."""
        error = self._task.exception()
        return self._task.result() if error is None else known(error, self._request_id)

    async def whole(self, request: Request, shown: Callable[[Answer], dict[str, Any]]) -> Response:
        """The answer when it is there. When the client leaves before, the work is cancelled."""
        leaving = asyncio.ensure_future(_left(request))
        try:
            await asyncio.wait({self._task, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not self._task.done():
                return Response(status_code=499)
            answer = self._task.result()
            return Json(
                shown(answer), headers=self._headers() | {"x-countersign-status": answer.status.value}
            )
        finally:
            leaving.cancel()
            self.abandon()

    async def streamed(self, events: AsyncGenerator[bytes, None]) -> Response:
        """`events` as they come. Raises what kept the question from being asked, while that can still be a status."""
        try:
            await self._opened()
        except BaseException:
            self.abandon()
            raise
        return StreamingResponse(
            self._until_left(events), media_type="text/event-stream", headers=self._headers()
        )

    async def _until_left(self, events: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        try:
            async for event in events:
                yield event
        finally:
            self.abandon()

    def _headers(self) -> dict[str, str]:
        return {"x-countersign-answer-id": self.answer_id, "x-countersign-release": self.release}

    def abandon(self) -> None:
        """Ends the work if it is still going on."""
        self._task.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
