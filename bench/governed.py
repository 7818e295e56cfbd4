"""What governance costs: CPU per request of our server over a minimal validated pass-through, in the same run.

    python -m bench.governed [--quick]

Reference: FastAPI and aiohttp, a pydantic request model, the model's events parsed and re-encoded one by one, usage
checked. Governed: our application with its edge, over a real workspace; authenticate, pick the release, reserve the
budget, call through ladder, deadline, breaker and bulkhead, settle, record three events and wait for their commit; no
retrieval. Both get the same requests and ask the same model server for the same stream. `whole line` is the product's
own `/v1/chat/completions` over one document, with retrieval, guards, citations and verification: shown, not judged.

Fixed counts of requests, 32 in flight, rounds interleaved, medians; CPU time is each server's own `process_time`.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import orjson
import uvloop

from bench.gateway import _serve as serve_upstream
from bench.pass_through import add_cpu, completion, serve_reference, until_ended
from countersign.api.chat import ChatBody, question_of
from countersign.api.security import Me, TheHouse, keyed
from countersign.domain.answers import Question

CONCURRENT = 32
QUESTION = "What does the Gold card cost a year?"
BODY = {
    "model": "staff-help",
    "messages": [
        {"role": "system", "content": "Answer from the passages. " * 10},
        {"role": "user", "content": QUESTION},
    ],
}


def run(quick: bool) -> dict[str, Any]:
    """CPU-ms and wall ms a request by path; `ratio` is governed over reference."""
    requests, rounds = (64, 3) if quick else (480, 5)
    with TemporaryDirectory() as folder:
        upstream, port = _start(serve_upstream)
        reference, reference_port = _start(serve_reference, port)
        governed, governed_told = _start(_serve_governed, port, folder)
        try:
            taken = asyncio.run(_measure(reference_port, governed_told, requests, rounds))
        finally:
            for process in (upstream, reference, governed):
                process.terminate()
                process.join()
    cpu = {name: statistics.median(cpu for cpu, _ in rounds) for name, rounds in taken.items()}
    spread = [cpu for cpu, _ in taken["reference"]]
    return {
        "ratio": round(cpu["governed"] / cpu["reference"], 2),
        "ratio_whole_line": round(cpu["whole line"] / cpu["reference"], 2),
        "cpu_ms": {name: round(value, 3) for name, value in cpu.items()},
        "wall_ms": {
            name: round(statistics.median(w for _, w in rounds), 2) for name, rounds in taken.items()
        },
        "reference_spread": round((max(spread) - min(spread)) / statistics.median(spread), 3),
        "requests": requests,
        "load_average": round(os.getloadavg()[0], 1),
    }


def _start(target: Callable[..., None], *arguments: Any) -> tuple[SpawnProcess, Any]:
    """A process, and the first thing that it says through its pipe."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()  # or a process that dies before it speaks would be waited for
    return process, ours.recv()


# -- the client ---------------------------------------------------------------------------------------------------
async def _measure(
    reference_port: int, governed: tuple[int, str], requests: int, rounds: int
) -> dict[str, list[tuple[float, float]]]:
    governed_port, key = governed
    paths = {
        "reference": f"http://127.0.0.1:{reference_port}/v1/chat/completions",
        "governed": f"http://127.0.0.1:{governed_port}/bench/governed",
        "whole line": f"http://127.0.0.1:{governed_port}/v1/chat/completions",
    }
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in paths}
    connector = aiohttp.TCPConnector(limit=CONCURRENT)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        for url in paths.values():
            await _round(session, url, CONCURRENT * 2)
        for _ in range(rounds):
            for name, url in paths.items():
                taken[name].append(await _round(session, url, requests))
    return taken


async def _round(session: aiohttp.ClientSession, url: str, requests: int) -> tuple[float, float]:
    """(CPU-ms of the server, wall ms) a request."""
    left = iter(range(requests))
    body = orjson.dumps(BODY)

    async def client() -> None:
        for _ in left:
            async with session.post(url, data=body) as response:
                answer = orjson.loads(await response.read())
                assert response.status == 200, answer
                assert answer["choices"][0]["message"]["content"], answer

    cpu = f"{url.split('/', 3)[0]}//{url.split('/', 3)[2]}/bench/cpu"
    before, started = await _cpu(session, cpu), time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CONCURRENT)))
    wall = time.perf_counter() - started
    return (await _cpu(session, cpu) - before) * 1000 / requests, wall * 1000 / requests


async def _cpu(session: aiohttp.ClientSession, url: str) -> float:
    async with session.get(url) as response:
        return float(await response.text())


# -- the servers --------------------------------------------------------------------------------------------------
def _serve_governed(pipe: Connection, upstream_port: int, folder: str) -> None:
    uvloop.run(_governed(pipe, upstream_port, Path(folder)))


async def _governed(pipe: Connection, upstream_port: int, root: Path) -> None:
    from countersign.api.server import create_app
    from countersign.domain.workspace import BudgetRules, ModelSettings, Money, Price
    from tests.workspaces import EXTRACTIVE, assistant, opened, person, workspace, write_files

    text = "# Gold card\n\nThe Gold card costs 12 000 tenge a year.\n"
    write_files(root / "files", {"cards.md": text}, [{"file": "cards.md", "acl": ["tenant:*"]}])
    budget = BudgetRules(Money(1e6, "USD"), Money(1e7, "USD"))
    main = ModelSettings(
        name="main",
        dialect="openai",
        base_url=f"http://127.0.0.1:{upstream_port}/v1",
        model="m",
        price=Price("USD", 1.0, 4.0),
        max_concurrent=64,
    )
    settings = workspace(
        root,
        models={"main": main, "extractive": EXTRACTIVE},
        assistants={"staff-help": assistant(models=("main", "extractive"), budget=budget)},
    )
    async with opened(settings, root / "cache") as house:
        house.asking = type(house.asking)(house.asking.line, at_once=256, at_once_each=256)
        await person(house, "aigerim")
        key = (await house.people.create_key("aigerim")).token
        app = create_app(house)
        router = keyed()

        async def complete(house: TheHouse, me: Me, body: ChatBody) -> Any:
            return await _pass_through(house, me, question_of(body))

        router.add_api_route("/bench/governed", complete, methods=["POST"], response_model=None)
        app.include_router(router)
        routes = app.router.routes
        routes.insert(0, routes.pop())  # first, where the product's own `/v1/chat/completions` stands
        add_cpu(app)
        await until_ended(app, pipe, lambda port: (port, key))


async def _pass_through(house: TheHouse, me: Me, question: Question) -> Any:
    """Everything that the line does around a model call, without documents."""
    from fastapi import Response

    from countersign.domain.events import Event, EventKind
    from countersign.domain.ids import new_id
    from countersign.gateway.budget import limits_of
    from countersign.gateway.seams import Delta, Done, Message, ModelRequest, RungChosen

    line, now = house.asking.line, datetime.now(UTC)
    answer_id, release = new_id("ans"), house.asking.release(question.assistant)
    rules = line.assistants[question.assistant]
    limits = limits_of(rules.budget, tenant=me.tenant, assistant=rules.name, user=me.name, now=now)
    asked = Event(EventKind.ANSWER_ASKED, me.tenant, me.name, answer_id, now, {"release": release})
    await line.answers.append([replace(asked, personal={"question": question.text})])
    request = ModelRequest(messages=(Message("user", question.text),), max_output_tokens=400)
    pieces: list[str] = []
    facts: dict[str, object] = {}
    usage = {}
    async for value in line.ladders[rules.name].stream(request, limits=limits):
        if isinstance(value, Delta):
            pieces.append(value.text)
        elif isinstance(value, RungChosen):
            facts["model"] = value.name
        elif isinstance(value, Done):
            usage = {
                "prompt_tokens": value.usage.input_tokens,
                "completion_tokens": value.usage.output_tokens,
            }
    assert facts["model"] == "main"
    called = replace(asked, kind=EventKind.MODEL_CALLED, facts={**facts, **usage})
    decided = replace(asked, kind=EventKind.ANSWER_DECIDED, facts={"status": "delivered"})
    await line.answers.append([called, decided])
    headers = {"x-countersign-answer-id": answer_id, "x-countersign-release": release}
    body = orjson.dumps(completion("".join(pieces), usage))
    return Response(body, media_type="application/json", headers=headers)


if __name__ == "__main__":
    print(json.dumps(run("--quick" in sys.argv), indent=2, ensure_ascii=False))
