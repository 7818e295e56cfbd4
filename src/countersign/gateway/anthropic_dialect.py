"""Anthropic messages."""

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

_VERSION = "2023-06-01"
_FINISH: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "filtered",
}


def build(settings: ModelSettings, http: HttpClient) -> ChatModel:
    return WireModel(settings, http, AnthropicDialect())


class AnthropicDialect:
    def url(self, base_url: str) -> str:
        """The address with or without its `/v1`: both are customary."""
        address, mark, query = base_url.partition("?")
        address = address.rstrip("/")
        return f"{address}{'' if address.endswith('/v1') else '/v1'}/messages{mark}{query}"

    def headers(self, key: str) -> Mapping[str, str]:
        return {"anthropic-version": _VERSION, **({"x-api-key": key} if key else {})}

    def body(self, request: ModelRequest, model: str) -> dict[str, Any]:
        system = [message.content for message in request.messages if message.role == "system"]
        body: dict[str, Any] = {
            "model": model,
            "messages": [
                {"role": message.role, "content": message.content}
                for message in request.messages
                if message.role != "system"
            ],
            "stream": True,
            "max_tokens": request.max_output_tokens,
        }
        if system:
            body["system"] = "\n\n".join(system)
        if request.temperature is not None:
            body["temperature"] = request.temperature
        return body

    def reader(self) -> Reader:
        return _Reader()

    def adapt(self, error_body: bytes) -> bool:
        del error_body
        return False


class _Reader:
    def __init__(self) -> None:
        self.finish: FinishReason | None = None
        self.usage = Usage()
        self.model = ""
        self.complete = False

    def event(self, event: SseEvent) -> Piece:
        data = orjson.loads(event.data)
        if not isinstance(data, dict):
            raise Malformed
        kind = data.get("type")
        if kind == "content_block_delta":
            return _block(data.get("delta"))
        if kind == "content_block_start":
            return _block(data.get("content_block"))
        if kind == "error":
            raise _reported(data.get("error"))
        if kind == "message_start":
            self._message(data.get("message"))
        elif kind == "message_delta":
            self._end(data)
        elif kind == "message_stop":
            self.complete = True
        elif not isinstance(kind, str):
            raise Malformed
        return Piece()  # other kinds (ping, content_block_stop, and ones yet to come) carry nothing for us

    def whole(self, document: Any) -> Piece:
        if not isinstance(document, dict):
            raise Malformed
        if document.get("type") == "error":
            raise _reported(document.get("error"))
        blocks = document.get("content")
        if not isinstance(blocks, list):
            raise Malformed
        self._message(document)
        self._end({"delta": document, "usage": document.get("usage")})
        self.complete = True
        pieces = [_block(block) for block in blocks]
        return Piece("".join(piece.text for piece in pieces), "".join(piece.hidden for piece in pieces))

    def _message(self, message: Any) -> None:
        if not isinstance(message, dict):
            raise Malformed
        if isinstance(model := message.get("model"), str):
            self.model = model
        if isinstance(usage := message.get("usage"), dict):
            # Written to and read from the provider's cache is prompt as well; it is counted apart from `input_tokens`.
            counts = [
                usage.get(f"{kind}input_tokens") or 0 for kind in ("", "cache_creation_", "cache_read_")
            ]
            if all(isinstance(count, int) for count in counts):
                self.usage = merge_usage(self.usage, input_tokens=sum(counts))

    def _end(self, data: dict[str, Any]) -> None:
        delta, usage = data.get("delta"), data.get("usage")
        if not isinstance(delta, dict):
            raise Malformed
        if (reason := delta.get("stop_reason")) is not None:
            self.finish = finish_of(reason, _FINISH)
        if isinstance(usage, dict):
            self.usage = merge_usage(self.usage, output_tokens=usage.get("output_tokens"))


def _block(block: Any) -> Piece:
    """A content block or a delta of one: text, or thinking that is paid for but never shown."""
    if not isinstance(block, dict):
        raise Malformed
    text, hidden = block.get("text", ""), block.get("thinking", "")
    if not isinstance(text, str) or not isinstance(hidden, str):
        raise Malformed
    return Piece(text, hidden)


def _reported(error: Any) -> ProviderThrottled | ProviderUnavailable:
    if isinstance(error, dict) and error.get("type") == "rate_limit_error":
        return ProviderThrottled(
            "reported a rate limit in its reply", hint="Lower `max_concurrent` or the load."
        )
    return ProviderUnavailable("reported an error in its reply", hint="Look into the server's own log.")
