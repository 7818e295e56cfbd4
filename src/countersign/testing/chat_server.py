"""A model server on loopback that speaks both dialects; what it answers is decided by its subclasses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any, Literal, Self

import orjson

from countersign.testing.prompts import SeenPrompt, WireName, read_prompt

if TYPE_CHECKING:
    from aiohttp import web

_ENDLESS_WHOLE_PIECES = 20_000
"""How much of an endless reply is sent when the client did not ask for a stream."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What to say. `text` may be an endless iterable. Token counts left at None are counted as 4 characters each."""

    text: str | Iterable[str]
    finish: Literal["stop", "length", "filtered"] = "stop"
    input_tokens: int | None = None
    output_tokens: int | None = None
    tool_call: ToolCall | None = None


class ChatServer:
    """`async with Subclass() as server:` then `server.base_url`. `prompts` keeps every prompt that it was sent.

    Each event carries one to three characters; `first_delay_s` and `event_delay_s` slow it down.
    """

    def __init__(self, *, port: int = 0, first_delay_s: float = 0.0, event_delay_s: float = 0.0) -> None:
        self._port = port
        self._first_delay_s = first_delay_s
        self._event_delay_s = event_delay_s
        self._runner: web.AppRunner | None = None
        self.prompts: list[SeenPrompt] = []
        self.calls = 0
        self.running = 0
        """Requests that are being answered at this moment."""

    def reply(self, prompt: SeenPrompt) -> Reply:
        raise NotImplementedError

    # -- life -----------------------------------------------------------------------------------------------------
    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    async def start(self) -> None:
        from aiohttp import web

        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/chat/completions", self._openai)
        app.router.add_post("/v1/messages", self._anthropic)
        app.router.add_get("/v1/models", self._models)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # -- one request ----------------------------------------------------------------------------------------------
    async def _models(self, _: web.Request) -> web.StreamResponse:
        from aiohttp import web

        return web.json_response(
            {"object": "list", "data": [{"id": "scripted", "object": "model", "owned_by": "test"}]}
        )

    async def _openai(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, "openai")

    async def _anthropic(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, "anthropic")

    async def _serve(self, request: web.Request, wire: WireName) -> web.StreamResponse:
        self.calls += 1
        self.running += 1
        try:
            try:
                prompt = read_prompt(wire, orjson.loads(await request.read()))
            except (ValueError, KeyError, TypeError):
                return _bad_request()
            self.prompts.append(prompt)
            return await self.respond(request, prompt)
        finally:
            self.running -= 1

    async def respond(self, request: web.Request, prompt: SeenPrompt) -> web.StreamResponse:
        """The whole HTTP answer; a faulty server overrides this one."""
        from aiohttp import web

        reply = self.reply(prompt)
        if self._first_delay_s:
            await asyncio.sleep(self._first_delay_s)
        if not prompt.stream:
            return web.json_response(whole(prompt, reply))
        response = await self.open_stream(request)
        async for event in self.paced(events(prompt, reply)):
            await response.write(event)
        await response.write_eof()
        return response

    async def open_stream(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        )
        await response.prepare(request)
        return response

    async def paced(self, stream: Iterable[bytes]) -> AsyncGenerator[bytes, None]:
        for event in stream:
            yield event
            if self._event_delay_s:
                await asyncio.sleep(self._event_delay_s)


def _bad_request() -> web.StreamResponse:
    from aiohttp import web

    error = {"message": "this is no chat request", "type": "invalid_request_error"}
    return web.json_response({"type": "error", "error": error}, status=400)


# -- what goes over the wire ----------------------------------------------------------------------------------------
def pieces(text: str | Iterable[str]) -> Iterator[str]:
    """One to three characters at a time."""
    sizes = cycle((1, 2, 3))
    for part in [text] if isinstance(text, str) else text:
        start = 0
        while start < len(part):
            end = start + next(sizes)
            yield part[start:end]
            start = end


def events(prompt: SeenPrompt, reply: Reply) -> Iterator[bytes]:
    return _openai_events(prompt, reply) if prompt.wire == "openai" else _anthropic_events(prompt, reply)


def whole(prompt: SeenPrompt, reply: Reply) -> dict[str, Any]:
    text = "".join(piece for _, piece in zip(range(_ENDLESS_WHOLE_PIECES), pieces(reply.text), strict=False))
    return (
        _openai_whole(prompt, reply, text)
        if prompt.wire == "openai"
        else _anthropic_whole(prompt, reply, text)
    )


def usage(prompt: SeenPrompt, reply: Reply, characters: int) -> tuple[int, int]:
    read = len(prompt.text) // 4 + 1 if reply.input_tokens is None else reply.input_tokens
    return read, characters // 4 + 1 if reply.output_tokens is None else reply.output_tokens


def sse(data: Any, name: str = "") -> bytes:
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + (data if isinstance(data, bytes) else orjson.dumps(data)) + b"\n\n"


def _openai_finish(reply: Reply) -> str:
    if reply.tool_call is not None:
        return "tool_calls"
    return {"stop": "stop", "length": "length", "filtered": "content_filter"}[reply.finish]


def _openai_tool(call: ToolCall) -> list[dict[str, Any]]:
    return [
        {
            "index": 0,
            "id": "call_1",
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
    ]


def _openai_usage(counts: tuple[int, int]) -> dict[str, int]:
    return {"prompt_tokens": counts[0], "completion_tokens": counts[1], "total_tokens": sum(counts)}


def _openai_events(prompt: SeenPrompt, reply: Reply) -> Iterator[bytes]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": prompt.model}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        return sse({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    yield chunk({"role": "assistant", "content": ""})
    characters = 0
    for piece in pieces(reply.text):
        characters += len(piece)
        yield chunk({"content": piece})
    if reply.tool_call is not None:
        yield chunk({"tool_calls": _openai_tool(reply.tool_call)})
    yield chunk({}, _openai_finish(reply))
    yield sse({**head, "choices": [], "usage": _openai_usage(usage(prompt, reply, characters))})
    yield sse(b"[DONE]")


def _openai_whole(prompt: SeenPrompt, reply: Reply, text: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if reply.tool_call is not None:
        message["tool_calls"] = _openai_tool(reply.tool_call)
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": prompt.model,
        "choices": [{"index": 0, "message": message, "finish_reason": _openai_finish(reply)}],
        "usage": _openai_usage(usage(prompt, reply, len(text))),
    }


def _anthropic_stop(reply: Reply) -> str:
    if reply.tool_call is not None:
        return "tool_use"
    return {"stop": "end_turn", "length": "max_tokens", "filtered": "refusal"}[reply.finish]


def _anthropic_message(prompt: SeenPrompt, counts: tuple[int, int]) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": prompt.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": counts[0], "output_tokens": counts[1]},
    }


def _anthropic_events(prompt: SeenPrompt, reply: Reply) -> Iterator[bytes]:
    def event(kind: str, **fields: Any) -> bytes:
        return sse({"type": kind, **fields}, kind)

    read, _ = usage(prompt, reply, 0)
    yield event("message_start", message=_anthropic_message(prompt, (read, 1)))
    yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    yield event("ping")
    characters = 0
    for piece in pieces(reply.text):
        characters += len(piece)
        yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
    yield event("content_block_stop", index=0)
    if reply.tool_call is not None:
        block = {"type": "tool_use", "id": "toolu_1", "name": reply.tool_call.name, "input": {}}
        yield event("content_block_start", index=1, content_block=block)
        arguments = {"type": "input_json_delta", "partial_json": reply.tool_call.arguments}
        yield event("content_block_delta", index=1, delta=arguments)
        yield event("content_block_stop", index=1)
    written = usage(prompt, reply, characters)[1]
    yield event(
        "message_delta",
        delta={"stop_reason": _anthropic_stop(reply), "stop_sequence": None},
        usage={"output_tokens": written},
    )
    yield event("message_stop")


def _anthropic_whole(prompt: SeenPrompt, reply: Reply, text: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": text}]
    if (call := reply.tool_call) is not None:
        content.append(
            {"type": "tool_use", "id": "toolu_1", "name": call.name, "input": orjson.loads(call.arguments)}
        )
    message = _anthropic_message(prompt, usage(prompt, reply, len(text)))
    return {**message, "content": content, "stop_reason": _anthropic_stop(reply)}
