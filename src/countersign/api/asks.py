"""`POST /api/ask` in our own words: JSON, or the line's progress as server-sent events and then the answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import orjson
from fastapi import Request
from starlette.responses import Response

from countersign.api.errors import error_body
from countersign.api.schemas import AskBody, Json, the_question, zoned
from countersign.api.security import Me, TheHouse, keyed, request_id_of
from countersign.api.walk import Walk
from countersign.app.shapes import answer_json
from countersign.domain.answers import HistoryTurn, Question
from countersign.domain.errors import CountersignError

router = keyed()


@router.get("/api/assistants")
async def assistants(house: TheHouse, me: Me) -> Response:
    """The assistants that this person may ask, each with the process it serves."""
    items = [
        {
            "assistant": assistant.name,
            "asks": assistant.process.asks,
            "decides": assistant.process.decides,
            "risk": assistant.process.risk,
            "tasks": list(assistant.tasks),
            "languages": list(assistant.languages),
            "release": house.asking.release(assistant.name),
        }
        for assistant in house.asking.assistants(me)
    ]
    return Json({"items": items, "next_cursor": None})


@router.post("/api/ask")
async def ask(request: Request, house: TheHouse, me: Me, body: AskBody) -> Response:
    """Ask an assistant. With `Accept: text/event-stream`: `step` and `text` events, then one `answer` or `error`."""
    streaming = "text/event-stream" in request.headers.get("accept", "")
    walk = Walk(house, me, question_of(body), request_id_of(request), speaking=streaming)
    if streaming:
        return await walk.streamed(_events(walk, request))
    return await walk.whole(request, answer_json)


def question_of(body: AskBody) -> Question:
    return Question(
        assistant=body.assistant,
        text=the_question(body.question, body.task),
        task=body.task,
        document_ids=tuple(body.document_ids),
        history=tuple(HistoryTurn(turn.role, turn.content) for turn in body.history),
        as_of=zoned(body.as_of),
        language=body.language,
    )


async def _events(walk: Walk, request: Request) -> AsyncGenerator[bytes, None]:
    yield event("open", {"answer_id": walk.answer_id})
    async for kind, text in walk.happenings():
        yield b": wait\n\n" if kind == "wait" else event(kind, {kind: text})
    outcome = walk.outcome()
    if isinstance(outcome, CountersignError):
        yield event("error", error_body(outcome, request.url.path, request_id_of(request)))
    else:
        yield event("answer", answer_json(outcome))


def event(name: str, value: object) -> bytes:
    """One named server-sent event."""
    return f"event: {name}\ndata: ".encode() + orjson.dumps(value) + b"\n\n"
