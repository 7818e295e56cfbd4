"""The question page, and the walk of a question shown step by step."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from countersign.access.decide import Action, Denial, may
from countersign.access.principal import Principal
from countersign.app.ledger import sees_record
from countersign.domain.answers import Answer, HistoryTurn, Question, Task
from countersign.domain.clock import from_iso
from countersign.domain.errors import CountersignError, NotFound, UsageError
from countersign.domain.workspace import Assistant
from countersign.web.rendering import HEADERS, Web, problem_code, redirect, request_id
from countersign.web.routing import SignedIn, TheWeb, pages
from countersign.web.visitor import Form, read_signed_form

router = pages()

_KEEP_ALIVE_S = 1.0
_OVER = "over"
_RECENT = 6
_TASKS: dict[str, Task] = {"answer": "answer", "summarise": "summarise", "reply": "reply"}


@router.get("/")
async def ask_page(
    request: Request,
    web: TheWeb,
    visitor: SignedIn,
    question: str = "",
    assistant: str = "",
    document: str = "",
    after: str = "",
) -> Response:
    house = web.house
    if isinstance(may(visitor.me, Action.ASK), Denial):
        return redirect("/record" if sees_record(visitor.me) else "/documents")
    recent = await house.desk.my_answers(visitor.me, _RECENT)
    assistants = house.asking.assistants(visitor.me)
    used = recent[0]["assistant"] if recent else ""
    chosen = await house.library.get(visitor.me, document) if document else None
    earlier = await house.desk.answer(visitor.me, after) if after else None
    return web.page(
        request,
        "ask.html",
        visitor,
        assistants=assistants,
        chosen_assistant=_first_known(
            assistants, assistant, earlier.answer.assistant if earlier else "", used
        ),
        question=question[:8000],
        document=chosen,
        earlier=earlier,
        recent=recent,
    )


def _first_known(assistants: Sequence[Assistant], *wanted: str) -> str:
    names = [assistant.name for assistant in assistants]
    return next((name for name in wanted if name in names), names[0] if names else "")


@router.post("/ask")
async def ask(request: Request, web: TheWeb, visitor: SignedIn) -> Response:
    """A browser with scripts reads the steps as server-sent events; one without waits and is led to the answer."""
    form = await read_signed_form(request, visitor)
    question = await _question(web, visitor.me, form)
    if "text/event-stream" in request.headers.get("accept", ""):
        events = _walk(request, web, visitor.me, question)
        return StreamingResponse(events, media_type="text/event-stream", headers=dict(HEADERS))
    answer = await web.house.asking.ask(visitor.me, question, request_id=request_id(request))
    return redirect(f"/answers/{answer.answer_id}")


async def _question(web: Web, me: Principal, form: Form) -> Question:
    text = form.text("question")
    document = form.text("document")
    task = _TASKS.get(form.text("task"), "answer")
    if task == "summarise" and not document:
        raise UsageError("a summary needs a document", code="document_missing")
    if not text:
        raise UsageError("there is no question", code="question_missing")
    return Question(
        assistant=form.text("assistant"),
        text=text,
        task=task,
        document_ids=(document,) if document else (),
        history=await _history(web, me, form.text("after")),
        as_of=_date(form.text("as_of")),
        language=form.text("language")[:8],
    )


async def _history(web: Web, me: Principal, after: str) -> tuple[HistoryTurn, ...]:
    """The earlier exchange of a follow-up, as this person may read it now; what is gone is not spoken of."""
    if not after:
        return ()
    with contextlib.suppress(NotFound):
        earlier = await web.house.desk.answer(me, after)
        if earlier.answer.user == me.name and earlier.answer.text:
            return (HistoryTurn("user", earlier.question), HistoryTurn("assistant", earlier.answer.text))
    return ()


def _date(text: str) -> datetime | None:
    try:
        return from_iso(text) if text else None
    except ValueError:
        raise UsageError("the date cannot be read", code="date_invalid") from None


async def _walk(request: Request, web: Web, me: Principal, question: Question) -> AsyncIterator[str]:
    """`step` events as the line reaches them, then `done` with the answer's address or `problem` with words."""
    steps: asyncio.Queue[str] = asyncio.Queue()
    asking = asyncio.create_task(web.house.asking.ask(me, question, steps.put_nowait, request_id(request)))
    asking.add_done_callback(lambda _: steps.put_nowait(_OVER))
    try:
        yield ": open\n\n"
        while (step := await _next(steps)) != _OVER:
            yield f"event: step\ndata: {step}\n\n" if step else ": wait\n\n"
        yield _end(request, web, asking)
    finally:
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError, CountersignError):
            await asking


async def _next(steps: asyncio.Queue[str]) -> str:
    """The next step, or nothing when it is time for a sign of life."""
    try:
        return await asyncio.wait_for(steps.get(), _KEEP_ALIVE_S)
    except TimeoutError:
        return ""


def _end(request: Request, web: Web, asking: asyncio.Task[Answer]) -> str:
    error = asking.exception()
    if error is None:
        return f"event: done\ndata: /answers/{asking.result().answer_id}\n\n"
    if not isinstance(error, CountersignError):
        raise error
    return f"event: problem\ndata: {web.words(request, 'problem', problem_code(error))}\n\n"
