"""A model server that fails in every way we know of, one at a time or in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from enum import StrEnum
from itertools import repeat
from typing import TYPE_CHECKING, Any

from countersign.testing.chat_server import Reply, events, sse, whole
from countersign.testing.prompts import SeenPrompt
from countersign.testing.scripted_model import Script, ScriptedModel

if TYPE_CHECKING:
    from aiohttp import web


class Fault(StrEnum):
    NONE = "none"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    UNAUTHORIZED = "unauthorized"
    BAD_REQUEST = "bad_request"
    REDIRECT = "redirect"
    HANG = "hang"
    KEEP_ALIVE_ONLY = "keep_alive_only"
    SLOW_DRIP = "slow_drip"
    RESET = "reset"
    CUT_STREAM = "cut_stream"
    NO_FINISH = "no_finish"
    NO_USAGE = "no_usage"
    HANG_AFTER_FINISH = "hang_after_finish"
    MALFORMED_CHUNK = "malformed_chunk"
    WRONG_SHAPE = "wrong_shape"
    ERROR_EVENT = "error_event"
    GARBAGE = "garbage"
    HTML = "html"
    EMPTY = "empty"
    HUGE_EVENT = "huge_event"
    HUGE_BODY = "huge_body"
    ENDLESS = "endless"
    UNDERSTATED_USAGE = "understated_usage"
    OVERSTATED_USAGE = "overstated_usage"
    NO_STREAM = "no_stream"
    WANTS_COMPLETION_TOKENS = "wants_completion_tokens"
    ECHOES_KEY = "echoes_key"


_STATUS = {
    Fault.THROTTLED: 429,
    Fault.UNAVAILABLE: 503,
    Fault.UNAUTHORIZED: 401,
    Fault.BAD_REQUEST: 400,
}


class FaultyModel(ScriptedModel):
    """`fault` may be changed at any time; a function of the call's number (1, 2, …) plays them in turn."""

    def __init__(
        self, fault: Fault | Callable[[int], Fault] = Fault.NONE, script: Script = (), *, drip_s: float = 0.2
    ) -> None:
        super().__init__(script)
        self.fault = fault
        self._drip_s = drip_s

    async def respond(self, request: web.Request, prompt: SeenPrompt) -> web.StreamResponse:
        from aiohttp import web

        fault = self.fault(self.calls) if callable(self.fault) else self.fault
        if fault in _STATUS:
            return web.json_response({"error": {"message": "no", "type": str(fault)}}, status=_STATUS[fault])
        if fault is Fault.WANTS_COMPLETION_TOKENS:
            return await self._wants_completion_tokens(request, prompt)
        special: dict[Fault, Callable[[web.Request, SeenPrompt], Coroutine[Any, Any, web.StreamResponse]]] = {
            Fault.REDIRECT: self._redirect,
            Fault.RESET: self._reset,
            Fault.HTML: self._html,
            Fault.HUGE_BODY: self._huge_body,
            Fault.NO_STREAM: self._no_stream,
            Fault.ECHOES_KEY: self._echoes_key,
            Fault.NONE: super().respond,
        }
        if fault in special:
            return await special[fault](request, prompt)
        return await self._broken_stream(request, prompt, fault)

    async def _broken_stream(
        self, request: web.Request, prompt: SeenPrompt, fault: Fault
    ) -> web.StreamResponse:
        if fault is Fault.HANG:
            await asyncio.Event().wait()
        response = await self.open_stream(request)
        if fault is Fault.KEEP_ALIVE_ONLY:
            while True:
                await response.write(b": still here\n\n")
                await asyncio.sleep(0.02)
        for event in self._faulty_events(prompt, fault):
            await response.write(event)
            if fault is Fault.SLOW_DRIP:
                await asyncio.sleep(self._drip_s)
        if fault is Fault.CUT_STREAM and request.transport is not None:
            request.transport.close()
        if fault is Fault.HANG_AFTER_FINISH:
            await asyncio.Event().wait()
        await response.write_eof()
        return response

    def _faulty_events(self, prompt: SeenPrompt, fault: Fault) -> list[bytes] | Any:
        reply = self.reply(prompt)
        if fault is Fault.ENDLESS:
            return events(prompt, Reply(repeat("and so on and on ")))
        if fault is Fault.UNDERSTATED_USAGE:
            return events(prompt, Reply(reply.text, input_tokens=0, output_tokens=0))
        if fault is Fault.OVERSTATED_USAGE:
            return events(prompt, Reply(reply.text, input_tokens=10**9, output_tokens=10**9))
        good = list(events(prompt, reply))
        tail = (
            3 if prompt.wire == "openai" else 2
        )  # the events that end the text, report usage and end the stream
        broken = {
            Fault.CUT_STREAM: good[: len(good) // 2],
            Fault.NO_FINISH: good[:-tail],
            Fault.NO_USAGE: [event for event in good if b'"usage"' not in event or b"message_delta" in event],
            Fault.HANG_AFTER_FINISH: good[: 1 - tail] if tail > 2 else good[:-1],
            Fault.MALFORMED_CHUNK: [*good[:5], b'data: {"choices": [{"delta": \n\n', *good[5:]],
            Fault.WRONG_SHAPE: [*good[:5], sse({"type": 5, "choices": {"delta": "x"}}), *good[5:]],
            Fault.ERROR_EVENT: [
                *good[:5],
                sse(
                    {"type": "error", "error": {"message": prompt.text, "type": "overloaded_error"}}, "error"
                ),
            ],
            Fault.GARBAGE: [bytes(range(256)) * 40],
            Fault.EMPTY: [],
            Fault.HUGE_EVENT: [b"data: " + b"x" * (1 << 20)],
        }
        return broken.get(fault, good)

    async def _redirect(self, request: web.Request, prompt: SeenPrompt) -> web.StreamResponse:
        from aiohttp import web

        del request, prompt
        return web.Response(status=307, headers={"Location": f"{self.base_url}/chat/completions"})

    async def _reset(self, request: web.Request, prompt: SeenPrompt) -> web.StreamResponse:
        from aiohttp import web

        del prompt
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _html(self, request: web.Request, prompt: SeenPrompt) -> web.StreamResponse:
        from aiohttp import web

        del request, prompt
        return web.Response(
            text="<html><title>Sign in to the network</title></html>", content_type="text/html"
        )

    async def _huge_body(self, request: web.Request, prompt: SeenPrompt) -> web.StreamResponse:
        from aiohttp import web

        del prompt
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(b" " * 65_536)

    async def _no_stream(self, request: web.Request, prompt: SeenPrompt) -> web.StreamResponse:
        from aiohttp import web

        del request
        return web.json_response(whole(prompt, self.reply(prompt)))

    async def _echoes_key(self, request: web.Request, prompt: SeenPrompt) -> web.StreamResponse:
        from aiohttp import web

        del prompt
        sent = {name: value for name, value in request.headers.items()}
        return web.json_response({"error": {"message": f"bad key in {sent}"}}, status=401, reason="Bad key")

    async def _wants_completion_tokens(self, request: web.Request, prompt: SeenPrompt) -> web.StreamResponse:
        from aiohttp import web

        if b'"max_tokens"' in await request.read():
            error = {"message": "Use 'max_completion_tokens' instead.", "param": "max_tokens"}
            return web.json_response({"error": error}, status=400)
        return await super().respond(request, prompt)
