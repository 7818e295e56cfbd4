"""`/v1`: the same answers in the words of the OpenAI API, for clients that speak nothing else."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, Mapping
from typing import Annotated, Any

import orjson
from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from countersign.api.errors import error_body
from countersign.api.schemas import Asking, Json, Name, Text, the_question, zoned
from countersign.api.security import Me, TheHouse, keyed, request_id_of
from countersign.api.walk import Walk
from countersign.app.shapes import answer_json
from countersign.domain.answers import Answer, HistoryTurn, Question
from countersign.domain.errors import CountersignError, NotFound, UsageError

router = keyed()

_SYSTEM = frozenset({"system", "developer"})
_DELTA = re.compile(r"\s*(?:\S+\s*){1,6}|\s+")
_UNSUPPORTED = {
    "tools": "tools_not_supported",
    "functions": "tools_not_supported",
    "response_format": "response_format_not_supported",
    "logprobs": "logprobs_not_supported",
    "audio": "audio_not_supported",
}


class Message(BaseModel):
    """`content` is a text, or a list of parts of which only text parts are read."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)
    role: Name
    content: Text | list[dict[str, Any]] | None = None


class StreamOptions(BaseModel):
    model_config = ConfigDict(extra="ignore")
    include_usage: bool = False


class ChatBody(BaseModel):
    """What we do not know is ignored, as clients of many versions expect; `user` never selects who is asking."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)
    model: Name
    messages: Annotated[list[Message], Field(min_length=1, max_length=1_000)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: int | None = None
    temperature: Annotated[float | None, Field(ge=0, le=2, allow_inf_nan=False)] = None
    max_tokens: Annotated[int | None, Field(ge=1)] = None
    max_completion_tokens: Annotated[int | None, Field(ge=1)] = None
    tools: Any = None
    functions: Any = None
    response_format: Any = None
    logprobs: Any = None
    audio: Any = None
    countersign: Asking = Asking()


@router.get("/v1/models")
async def models(house: TheHouse, me: Me) -> Response:
    """The assistants that this person may ask."""
    return Json({"object": "list", "data": [_model(a.name) for a in house.asking.assistants(me)]})


@router.get("/v1/models/{model:path}")
async def model(house: TheHouse, me: Me, model: str) -> Response:
    """One assistant."""
    if model not in {assistant.name for assistant in house.asking.assistants(me)}:
        raise NotFound("there is no such assistant", code="assistant_not_found")
    return Json(_model(model))


@router.post("/v1/chat/completions")
async def complete(request: Request, house: TheHouse, me: Me, body: ChatBody) -> Response:
    """Ask an assistant. `model` names it; the `countersign` object carries task, documents, as-of date and language."""
    walk = Walk(house, me, question_of(body), request_id_of(request), speaking=body.stream)
    if body.stream:
        include_usage = bool(body.stream_options and body.stream_options.include_usage)
        return await walk.streamed(_events(walk, include_usage, request))
    return await walk.whole(request, _completion)


# -- in ---------------------------------------------------------------------------------------------------------
def question_of(body: ChatBody) -> Question:
    """The last user message is the question; everything else, whatever its role says, is untrusted history."""
    _refuse_unsupported(body)
    texts = [(message.role, _text(message)) for message in body.messages]
    last = max((i for i, (role, _) in enumerate(texts) if role == "user"), default=-1)
    if last < 0 or any(role not in _SYSTEM for role, _ in texts[last + 1 :]):
        raise UsageError(
            "the last message is not the user's",
            code="question_missing",
            hint="End `messages` with the question, in the role `user`.",
        )
    extras = body.countersign
    history = [HistoryTurn(role, text) for i, (role, text) in enumerate(texts) if i != last]
    return Question(
        assistant=body.model,
        text=the_question(texts[last][1], extras.task),
        task=extras.task,
        document_ids=tuple(extras.document_ids),
        history=tuple(history),
        as_of=zoned(extras.as_of),
        language=extras.language,
        max_output_tokens=body.max_completion_tokens or body.max_tokens,
        temperature=body.temperature,
    )


def _refuse_unsupported(body: ChatBody) -> None:
    if body.n is not None and body.n != 1:
        raise UsageError(
            "only one answer is given", code="n_not_supported", hint="Leave out `n`, or set it to 1."
        )
    for field, code in _UNSUPPORTED.items():
        value = getattr(body, field)
        if value and value != {"type": "text"}:
            raise UsageError(f"`{field}` is not supported", code=code, hint=f"Leave out `{field}`.")
    if any(message.role in ("tool", "function") for message in body.messages):
        raise UsageError("tools are not supported", code="tools_not_supported", hint="Send text messages.")


def _text(message: Message) -> str:
    content = message.content
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(_part(part) for part in content)


def _part(part: Mapping[str, Any]) -> str:
    kind, text = part.get("type"), part.get("text")
    if kind in ("image_url", "input_image", "image"):
        raise UsageError("images are not read", code="images_not_supported", hint="Send text parts only.")
    if kind != "text" or not isinstance(text, str):
        raise UsageError(
            "a part of a message is not text", code="content_part_not_supported", hint="Send text parts only."
        )
    if "\x00" in text or (not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)):
        raise UsageError("a part of a message is not text", code="body_invalid")
    return text


# -- out --------------------------------------------------------------------------------------------------------
def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "countersign"}


def _usage(answer: Answer) -> dict[str, int]:
    usage = answer.usage
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _finish_reason(answer: Answer) -> str:
    """A refusal is an answer like any other, unless it cut off a text that was leaving already."""
    if "cut_short" in answer.warnings:
        return "content_filter" if answer.refusal else "length"
    return "length" if "cut_at_length" in answer.warnings else "stop"


def _completion(answer: Answer) -> dict[str, Any]:
    message = {"role": "assistant", "content": answer.text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(answer)}
    return {
        "id": answer.answer_id,
        "object": "chat.completion",
        "created": int(answer.created.timestamp()),
        "model": answer.assistant,
        "system_fingerprint": answer.release,
        "choices": [choice],
        "usage": _usage(answer),
        "countersign": answer_json(answer),
    }


async def _events(walk: Walk, include_usage: bool, request: Request) -> AsyncGenerator[bytes, None]:
    """Comments until text may leave, then the text, then the chunk with the reason why it ended."""
    head = _head(walk, include_usage)
    yield b": open\n\n"
    spoken = False
    async for kind, text in walk.happenings():
        if kind == "text":
            deltas: list[dict[str, Any]] = [] if spoken else [{"role": "assistant", "content": ""}]
            spoken = True
            for delta in (*deltas, *({"content": piece} for piece in pieces(text))):
                yield data(head | {"choices": [_choice(delta, None)]})
        elif kind == "wait":
            yield b": wait\n\n"
    outcome = walk.outcome()
    if isinstance(outcome, CountersignError):
        yield data(error_body(outcome, request.url.path, request_id_of(request)))
    else:
        ours = {"countersign": answer_json(outcome)}
        yield data(head | {"choices": [_choice({}, _finish_reason(outcome))]} | ours)
        if include_usage:
            yield data(head | {"choices": [], "usage": _usage(outcome)})
    yield b"data: [DONE]\n\n"


def _head(walk: Walk, include_usage: bool) -> dict[str, Any]:
    head: dict[str, Any] = {
        "id": walk.answer_id,
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": walk.question.assistant,
        "system_fingerprint": walk.release,
    }
    return head | ({"usage": None} if include_usage else {})


def pieces(text: str) -> list[str]:
    """The text in deltas of a few words; joined they are the text."""
    return _DELTA.findall(text)


def _choice(delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def data(value: Any) -> bytes:
    """One server-sent event without a name."""
    return b"data: " + orjson.dumps(value) + b"\n\n"
