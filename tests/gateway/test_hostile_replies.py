"""Whatever a server sends, the outcome is text with a `Done` or a typed error."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.errors import ProviderError, ProviderGarbled
from countersign.gateway.anthropic_dialect import AnthropicDialect
from countersign.gateway.http import HttpClient
from countersign.gateway.openai_dialect import OpenAIDialect
from countersign.gateway.sse import SseEvent
from countersign.gateway.wire import Malformed, Piece
from countersign.testing.chat_model_suite import REQUEST, collect
from tests.gateway.parts import wire

KEYS = [
    "choices",
    "delta",
    "message",
    "content",
    "finish_reason",
    "usage",
    "prompt_tokens",
    "completion_tokens",
    "error",
    "code",
    "type",
    "index",
    "model",
    "reasoning_content",
    "refusal",
    "text",
    "thinking",
    "stop_reason",
    "output_tokens",
    "input_tokens",
    "content_block",
]
KINDS = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "message_delta",
    "message_stop",
    "error",
    "ping",
]
scalars = (
    st.none() | st.booleans() | st.integers(-5, 2**63) | st.floats(allow_nan=False) | st.text(max_size=5)
    | st.sampled_from(["stop", "length", "end_turn", *KINDS])
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=20,
)


@pytest.mark.parametrize("dialect", [OpenAIDialect(), AnthropicDialect()])
@given(st.lists(values, max_size=4))
def test_readers_survive_any_json(dialect: Any, documents: list[Any]) -> None:
    for whole in (False, True):
        reader = dialect.reader()
        with contextlib.suppress(Malformed, ProviderError):
            for document in documents:
                piece = (
                    reader.whole(document) if whole else reader.event(SseEvent("", orjson.dumps(document)))
                )
                assert isinstance(piece, Piece)
        assert reader.usage.input_tokens >= 0
        assert reader.usage.output_tokens >= 0
        assert reader.finish in {None, "stop", "length", "filtered"}


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\x00\x01\x02 not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 400000\r\n\r\n"
        + b"[" * 400_000,
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\nnull",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
    ],
)
@pytest.mark.anyio
async def test_raw_nonsense_is_a_typed_error(reply: bytes, http: HttpClient) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ProviderError) as caught:
            await collect(wire(f"http://127.0.0.1:{port}/v1", http), replace(REQUEST, deadline_s=30.0))
    assert "'main'" in caught.value.message
    assert caught.value.hint


@pytest.mark.anyio
async def test_infinite_headers_end_at_the_deadline_or_before(http: HttpClient) -> None:
    left = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"X-More: and more\r\n")
                await writer.drain()
                await asyncio.sleep(0.005)
        writer.close()
        left.set()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ProviderError):
            await collect(wire(f"http://127.0.0.1:{port}/v1", http), replace(REQUEST, deadline_s=0.5))
        async with asyncio.timeout(30):
            await left.wait()


@pytest.mark.anyio
async def test_a_key_never_follows_a_redirect(http: HttpClient) -> None:
    seen: list[bytes] = []

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(
            f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{port}/v1/elsewhere\r\nContent-Length: 0\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(redirect, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ProviderError):
            await collect(wire(f"http://127.0.0.1:{port}/v1", http))
    assert len(seen) == 1


def test_errors_of_a_reader_get_the_name_of_the_model() -> None:
    from countersign.gateway.wire import replace_model

    error = replace_model(ProviderGarbled("reported an error", hint="h"), "main")
    assert (type(error), error.message, error.hint) == (
        ProviderGarbled,
        "model 'main' reported an error",
        "h",
    )
