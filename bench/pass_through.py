"""The least that a gateway must do, to compare with: FastAPI and aiohttp, validated, and nothing governed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
import orjson
import uvicorn
import uvloop
from fastapi import FastAPI, Response
from pydantic import BaseModel


class Message(BaseModel):
    role: str
    content: str


class Request(BaseModel):
    model: str
    messages: list[Message]
    stream: bool = False


def serve_reference(pipe: Connection, upstream_port: int) -> None:
    """Serve until terminated; the port goes through `pipe`."""
    uvloop.run(_serve(pipe, f"http://127.0.0.1:{upstream_port}/v1/chat/completions"))


async def _serve(pipe: Connection, url: str) -> None:
    app = FastAPI()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def complete(request: Request) -> Response:
            text, usage = await _ask(session, url, request)
            return Response(orjson.dumps(completion(text, usage)), media_type="application/json")

        app.add_api_route("/v1/chat/completions", complete, methods=["POST"], response_model=None)
        add_cpu(app)
        await until_ended(app, pipe, lambda port: port)


async def _ask(session: aiohttp.ClientSession, url: str, request: Request) -> tuple[str, dict[str, int]]:
    sent = {**request.model_dump(), "stream": True, "stream_options": {"include_usage": True}}
    pieces: list[str] = []
    usage: dict[str, int] = {}
    headers = {"Content-Type": "application/json"}
    async with session.post(url, data=orjson.dumps(sent), headers=headers) as response:
        async for line in response.content:
            if line.startswith(b"data: ") and not line.startswith(b"data: [DONE]"):
                event = orjson.loads(line[6:])
                usage = event.get("usage") or usage
                pieces += [choice["delta"].get("content", "") for choice in event["choices"]]
    return "".join(pieces), usage


def completion(text: str, usage: dict[str, int]) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}


def add_cpu(app: FastAPI) -> None:
    """`/bench/cpu`: the seconds of CPU time that this process has used, all threads together."""

    async def cpu() -> Response:
        return Response(str(time.process_time()))

    app.add_api_route("/bench/cpu", cpu, methods=["GET"], response_model=None)


async def until_ended(app: FastAPI, pipe: Connection, told: Callable[[int], Any]) -> None:
    """Serve `app` on a free port of loopback, and send what `told` makes of the port."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="error", access_log=False, lifespan="off"
    )
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    pipe.send(told(server.servers[0].sockets[0].getsockname()[1]))
    await serving
