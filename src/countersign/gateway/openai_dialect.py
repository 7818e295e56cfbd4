"""OpenAI chat completions: also Azure, vLLM, llama.cpp, Ollama, and gateways that speak it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from countersign.domain.answers import Usage
from countersign.domain.errors import ProviderThrottled, ProviderUnavailable
from countersign.domain.workspace import ModelSettings
from countersign.gateway.http import HttpClient
from countersign.gateway.seams import ChatModel, FinishReason, ModelRequest
from countersign.gateway.sse import SseEvent
from countersign.gateway.wire import Malformed, Piece, Reader, WireModel, finish_of, merge_usage

_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "content_filter": "filtered",
}


def build(settings: ModelSettings, http: HttpClient) -> ChatModel:
    return WireModel(settings, http, OpenAIDialect())


class OpenAIDialect:
    def __init__(self) -> None:
        self._limit_field = "max_tokens"

    def url(self, base_url: str) -> str:
        address, mark, query = base_url.partition("?")
        return f"{address.rstrip('/')}/chat/completions{mark}{query}"

    def headers(self, key: str) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {key}"} if key else {}

    def body(self, request: ModelRequest, model: str) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            self._limit_field: request.max_output_tokens,
        }
        if request.temperature is not None:
            body["temperature"] = request.temperature
        return body

    def reader(self) -> Reader:
        return _Reader()

    def adapt(self, error_body: bytes) -> bool:
        """Newer hosted models refuse `max_tokens` and name the field that they want instead."""
        if self._limit_field == "max_tokens" and b"max_completion_tokens" in error_body:
            self._limit_field = "max_completion_tokens"
            return True
        return False


class _Reader:
    def __init__(self) -> None:
        self.finish: FinishReason | None = None
        self.usage = Usage()
        self.model = ""
        self.complete = False

    def event(self, event: SseEvent) -> Piece:
        if event.data == b"[DONE]":
            self.complete = True
            return Piece()
        return self._chunk(orjson.loads(event.data), "delta")

    def whole(self, document: Any) -> Piece:
        piece = self._chunk(document, "message")
        self.complete = True
        return piece

    def _chunk(self, chunk: Any, part: str) -> Piece:
        if not isinstance(chunk, dict):
            raise Malformed
        if error := chunk.get("error"):
            raise _reported(error)
        self._header(chunk)
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            raise Malformed
        pieces = [self._choice(choice, part) for choice in choices if not _is_other(choice)]
        return pieces[0] if pieces else Piece()

    def _header(self, chunk: dict[str, Any]) -> None:
        if isinstance(model := chunk.get("model"), str):
            self.model = model
        if isinstance(usage := chunk.get("usage"), dict):
            self.usage = merge_usage(
                self.usage,
                input_tokens=usage.get("prompt_tokens"),
                output_tokens=usage.get("completion_tokens"),
            )

    def _choice(self, choice: Any, part: str) -> Piece:
        if not isinstance(choice, dict):
            raise Malformed
        if (reason := choice.get("finish_reason")) is not None:
            self.finish = finish_of(reason, _FINISH)
        content = choice.get(part) or {}
        if not isinstance(content, dict):
            raise Malformed
        text, hidden = content.get("content"), content.get("reasoning_content")
        return Piece(_text(text) or _text(content.get("refusal")), _text(hidden))


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Malformed
    return value


def _is_other(choice: Any) -> bool:
    """Only the first of several choices is ours; we never ask for more."""
    return isinstance(choice, dict) and choice.get("index", 0) != 0


def _reported(error: Any) -> ProviderThrottled | ProviderUnavailable:
    marks = (
        {str(error.get(field, "")) for field in ("code", "type")} if isinstance(error, dict) else set[str]()
    )
    if any(mark == "429" or "rate_limit" in mark for mark in marks):
        return ProviderThrottled(
            "reported a rate limit in its reply", hint="Lower `max_concurrent` or the load."
        )
    return ProviderUnavailable("reported an error in its reply", hint="Look into the server's own log.")
