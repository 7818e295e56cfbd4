"""What the gateway room costs: CPU per call of each layer, over the least that any gateway must do.

`run(quick)` starts a model server in a process of its own and measures the CPU time of this one. The floor is a plain
aiohttp call that parses and checks every event. Medians of five rounds, interleaved.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import orjson

from countersign.domain.clock import SystemClock
from countersign.domain.workspace import BudgetRules, ModelSettings, Money, Price
from countersign.gateway.budget import Budget, limits_of
from countersign.gateway.build import build_rung
from countersign.gateway.http import HttpClient
from countersign.gateway.ladder import Ladder
from countersign.gateway.openai_dialect import build
from countersign.gateway.seams import ChatModel, Message, ModelRequest
from countersign.storage.budgets import SqlBudgets
from countersign.storage.database import Database

EVENTS = 35
CONCURRENT = 16
REQUEST = ModelRequest(
    messages=(
        Message("system", "Answer from the passages. " * 20),
        Message("user", "Сколько стоит тариф? " * 60),
    ),
    max_output_tokens=400,
)
Call = Callable[[], Awaitable[Any]]


class _Upstream(asyncio.Protocol):
    """A canned stream over keep-alive connections: it must not be what is measured."""

    body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            self._transport.write(self.body)


def _canned() -> bytes:
    def chunk(**fields: Any) -> bytes:
        return (
            b"data: "
            + orjson.dumps({"id": "c", "object": "chat.completion.chunk", "model": "m", **fields})
            + b"\n\n"
        )

    events = [
        chunk(choices=[{"index": 0, "delta": {"content": "сөз "}, "finish_reason": None}])
        for _ in range(EVENTS)
    ]
    events.append(chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]))
    events.append(chunk(choices=[], usage={"prompt_tokens": 400, "completion_tokens": EVENTS}))
    events.append(b"data: [DONE]\n\n")
    framed = b"".join(f"{len(event):x}\r\n".encode() + event + b"\r\n" for event in events) + b"0\r\n\r\n"
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + framed
    )


def _serve(pipe: Connection) -> None:
    async def forever() -> None:
        _Upstream.body = _canned()
        server = await asyncio.get_running_loop().create_server(_Upstream, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(forever())


async def _floor(session: aiohttp.ClientSession, url: str) -> str:
    body = {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": message.role, "content": message.content} for message in REQUEST.messages],
    }
    text: list[str] = []
    usage: dict[str, int] = {}
    async with session.post(
        url, data=orjson.dumps(body), headers={"Content-Type": "application/json"}
    ) as response:
        async for line in response.content:
            if line.startswith(b"data: ") and not line.startswith(b"data: [DONE]"):
                event = orjson.loads(line[6:])
                usage = event.get("usage") or usage
                for choice in event["choices"]:
                    text.append(choice["delta"].get("content", ""))
    assert usage["completion_tokens"] == EVENTS
    return "".join(text)


async def _drain(model: ChatModel) -> None:
    async for _ in model.stream(REQUEST):
        pass


async def _cpu_ms(call: Call, requests: int) -> float:
    began = time.process_time()
    for _ in range(requests // CONCURRENT):
        await asyncio.gather(*(call() for _ in range(CONCURRENT)))
    return (time.process_time() - began) * 1000 / (requests // CONCURRENT * CONCURRENT)


async def _measure(port: int, requests: int, rounds: int) -> dict[str, float]:
    url = f"http://127.0.0.1:{port}/v1"
    price = Price("USD", 1.0, 4.0)
    settings = ModelSettings("main", "openai", base_url=url, model="m", price=price, max_concurrent=64)
    with TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'bench.db'}")
        database.create_tables()
        budget = Budget(SqlBudgets(database, SystemClock()))
        rules = BudgetRules(Money(1e6, "USD"), Money(1e6, "USD"))
        limits = limits_of(rules, tenant="main", assistant="a", user="u", now=datetime.now(UTC))
        async with HttpClient() as http, aiohttp.ClientSession() as session:
            rung = build_rung(settings, http)
            bare = build(settings, http)
            ladder = Ladder([rung], home_region="kz", budget=budget)

            async def governed() -> None:
                async for _ in ladder.stream(REQUEST, limits=limits):
                    pass

            calls: dict[str, Call] = {
                "floor": lambda: _floor(session, f"{url}/chat/completions"),
                "dialect": lambda: _drain(bare),
                "wrapped": lambda: _drain(rung.model),
                "ladder_and_budget": governed,
            }
            taken: dict[str, list[float]] = {name: [] for name in calls}
            for call in calls.values():
                await _cpu_ms(call, CONCURRENT)
            for _ in range(rounds):
                for name, call in calls.items():
                    taken[name].append(await _cpu_ms(call, requests))
        await budget.close()
        database.close()
    return {name: statistics.median(times) for name, times in taken.items()}


def run(quick: bool = False) -> dict[str, Any]:
    """`cpu_ms` per streamed call of 35 events by layer, and each as a ratio to the floor of the same run."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=_serve, args=(there,), daemon=True)
    server.start()
    try:
        cpu = asyncio.run(_measure(here.recv(), 64 if quick else 480, 3 if quick else 5))
    finally:
        server.terminate()
        server.join()
    return {
        "name": "gateway",
        "events_per_stream": EVENTS,
        "cpu_ms": {name: round(value, 3) for name, value in cpu.items()},
        "ratio_to_floor": {name: round(value / cpu["floor"], 2) for name, value in cpu.items()},
        "load_average": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    print(json.dumps(run("--quick" in sys.argv), indent=2))
