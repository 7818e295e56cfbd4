"""Both dialects against real servers on loopback: the conformance suite, every fault, and the official clients."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import traceback
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from countersign.domain.errors import (
    ConfigError,
    CountersignError,
    ProviderError,
    ProviderGarbled,
    ProviderRejected,
    ProviderThrottled,
    ProviderTimeout,
    ProviderUnavailable,
)
from countersign.domain.workspace import Dialect, Secret
from countersign.gateway.build import build_model
from countersign.gateway.http import HttpClient
from countersign.gateway.seams import ChatModel, Delta, Message
from countersign.gateway.streams import closing
from countersign.gateway.tokens import estimate_tokens
from countersign.testing.chat_model_suite import PASSAGE, QUESTION, REQUEST, ChatModelSuite, collect
from countersign.testing.chat_server import Reply
from countersign.testing.faulty_model import Fault, FaultyModel
from countersign.testing.scripted_model import ScriptedModel
from tests.gateway.parts import KEY, settings, wire

DIALECTS: tuple[Dialect, ...] = ("openai", "anthropic")
both = pytest.mark.parametrize("dialect", DIALECTS)


class WireSuite(ChatModelSuite):
    dialect: Dialect
    wrapped = False

    @asynccontextmanager
    async def _model(self, fault: Fault) -> AsyncGenerator[ChatModel, None]:
        async with HttpClient() as http, FaultyModel(fault) as server:
            yield (
                build_model(settings(server, self.dialect), http)
                if self.wrapped
                else wire(server, http, self.dialect)
            )

    def healthy(self) -> Any:
        return self._model(Fault.NONE)

    def hanging(self) -> Any:
        return self._model(Fault.HANG)

    def failing(self) -> Any:
        return self._model(Fault.UNAVAILABLE)

    def endless(self) -> Any:
        return self._model(Fault.ENDLESS)


class TestOpenAI(WireSuite):
    dialect = "openai"


class TestAnthropic(WireSuite):
    dialect = "anthropic"


class TestOpenAIWrapped(WireSuite):
    dialect = "openai"
    wrapped = True


class TestAnthropicWrapped(WireSuite):
    dialect = "anthropic"
    wrapped = True


EXPECTED: dict[Fault, type[ProviderError]] = {
    Fault.THROTTLED: ProviderThrottled,
    Fault.UNAVAILABLE: ProviderUnavailable,
    Fault.UNAUTHORIZED: ProviderRejected,
    Fault.BAD_REQUEST: ProviderRejected,
    Fault.REDIRECT: ProviderRejected,
    Fault.ECHOES_KEY: ProviderRejected,
    Fault.HANG: ProviderTimeout,
    Fault.KEEP_ALIVE_ONLY: ProviderTimeout,
    Fault.SLOW_DRIP: ProviderTimeout,
    Fault.RESET: ProviderUnavailable,
    Fault.CUT_STREAM: ProviderGarbled,
    Fault.NO_FINISH: ProviderGarbled,
    Fault.MALFORMED_CHUNK: ProviderGarbled,
    Fault.WRONG_SHAPE: ProviderGarbled,
    Fault.ERROR_EVENT: ProviderUnavailable,
    Fault.GARBAGE: ProviderGarbled,
    Fault.HTML: ProviderGarbled,
    Fault.EMPTY: ProviderGarbled,
    Fault.HUGE_EVENT: ProviderGarbled,
    Fault.HUGE_BODY: ProviderGarbled,
}
SILENT = {Fault.HANG, Fault.KEEP_ALIVE_ONLY, Fault.SLOW_DRIP}
"""Only these meet their deadline; every other fault has as long as a slow machine needs to be seen for what it is."""
SURVIVED = {
    Fault.NONE,
    Fault.NO_USAGE,
    Fault.HANG_AFTER_FINISH,
    Fault.UNDERSTATED_USAGE,
    Fault.OVERSTATED_USAGE,
    Fault.NO_STREAM,
    Fault.ENDLESS,
    Fault.WANTS_COMPLETION_TOKENS,
}


def test_every_fault_is_covered() -> None:
    assert set(EXPECTED) | SURVIVED == set(Fault)


@both
@pytest.mark.parametrize("fault", EXPECTED)
@pytest.mark.anyio
async def test_fault_is_named_and_shows_neither_key_nor_body(
    fault: Fault, dialect: Dialect, http: HttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with FaultyModel(fault) as server:
        with pytest.raises(EXPECTED[fault]) as caught:
            deadline_s = 0.5 if fault in SILENT else 60.0
            await collect(wire(server, http, dialect), replace(REQUEST, deadline_s=deadline_s))
        await asyncio.sleep(0.01)
    error = caught.value
    told = "".join([*traceback.format_exception(error), caplog.text, error.message, error.hint, repr(error)])
    assert KEY not in told
    assert PASSAGE.text not in told
    assert type(error) is EXPECTED[fault]
    assert "'main'" in error.message


@both
@pytest.mark.anyio
async def test_reports_usage_and_model(dialect: Dialect, http: HttpClient) -> None:
    async with ScriptedModel(lambda _: Reply("Сәлем [1].", input_tokens=123, output_tokens=7)) as server:
        text, [done], _ = await collect(wire(server, http, dialect))
    assert text == "Сәлем [1]."
    assert (done.usage.input_tokens, done.usage.output_tokens, done.usage.reported) == (123, 7, True)
    assert done.model == "scripted"


@both
@pytest.mark.parametrize("fault", [Fault.NO_USAGE, Fault.HANG_AFTER_FINISH, Fault.NO_STREAM])
@pytest.mark.anyio
async def test_tolerates(fault: Fault, dialect: Dialect, http: HttpClient) -> None:
    async with FaultyModel(fault) as server:
        text, [done], _ = await collect(wire(server, http, dialect))
    assert text.endswith("[1]")
    assert done.finish_reason == "stop"
    assert done.usage.input_tokens > 0
    assert done.usage.output_tokens > 0


@both
@pytest.mark.parametrize("text", ["a" * 10_000, "ж" * 10_000, "字" * 2_000])
@pytest.mark.anyio
async def test_cut_at_the_reservation_in_every_script(text: str, dialect: Dialect, http: HttpClient) -> None:
    async with ScriptedModel(lambda _: Reply(text, output_tokens=1)) as server:
        said, [done], _ = await collect(wire(server, http, dialect), replace(REQUEST, max_output_tokens=50))
    assert estimate_tokens(said) == 50
    assert done.finish_reason == "length"
    assert done.usage.output_tokens == 50
    assert not done.usage.reported


@both
@pytest.mark.anyio
async def test_the_provider_is_left_when_the_stream_is_cut(dialect: Dialect, http: HttpClient) -> None:
    async with FaultyModel(Fault.ENDLESS) as server:
        await collect(wire(server, http, dialect), replace(REQUEST, max_output_tokens=10))
        async with asyncio.timeout(30):
            while server.running:
                await asyncio.sleep(0.01)


@both
@pytest.mark.anyio
async def test_limit_temperature_and_roles_are_sent(dialect: Dialect, http: HttpClient) -> None:
    async with ScriptedModel() as server:
        messages = (
            Message("system", "Be brief."),
            Message("user", "One"),
            Message("assistant", "Two"),
            Message("user", "3"),
        )
        await collect(wire(server, http, dialect), replace(REQUEST, messages=messages, temperature=0.1))
    [prompt] = server.prompts
    assert prompt.max_tokens == REQUEST.max_output_tokens
    assert prompt.messages == (("system", "Be brief."), ("user", "One"), ("assistant", "Two"), ("user", "3"))


@pytest.mark.anyio
async def test_learns_the_newer_limit_field_once(http: HttpClient) -> None:
    async with FaultyModel(Fault.WANTS_COMPLETION_TOKENS) as server:
        model = wire(server, http)
        await collect(model)
        assert server.calls == 2
        await collect(model)
        assert server.calls == 3
    assert server.prompts[-1].max_tokens == REQUEST.max_output_tokens


@pytest.mark.anyio
async def test_filtered_and_tool_calls(http: HttpClient) -> None:
    from countersign.testing.chat_server import ToolCall

    async with ScriptedModel(lambda _: Reply("", finish="filtered")) as server:
        _, [done], _ = await collect(wire(server, http))
        assert done.finish_reason == "filtered"
    async with ScriptedModel(lambda _: Reply("", tool_call=ToolCall("send_mail", "{}"))) as server:
        with pytest.raises(ProviderGarbled):
            await collect(wire(server, http))


@both
@pytest.mark.anyio
async def test_connections_are_reused_and_none_leak(dialect: Dialect, http: HttpClient) -> None:
    async with ScriptedModel() as server:
        model = wire(server, http, dialect)
        for _ in range(5):
            await collect(model)
        connector = http.session.connector
        assert connector is not None
        assert not connector._acquired  # pyright: ignore
        assert sum(len(pool) for pool in connector._conns.values()) == 1  # pyright: ignore
        async with closing(model.stream(REQUEST)) as stream:
            assert isinstance(await anext(stream), Delta)
        assert not connector._acquired  # pyright: ignore


@pytest.mark.anyio
async def test_a_proxy_from_the_environment_is_ignored(
    http: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with ScriptedModel() as server:
        text, _, _ = await collect(wire(server, http))
    assert "500" in text


@pytest.mark.anyio
async def test_unreachable_server(http: HttpClient) -> None:
    async with ScriptedModel() as server:
        gone = server.base_url
    with pytest.raises(ProviderUnavailable):
        await collect(wire(gone, http))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://host/v1",
        "http://",
        "http://user:pw@host/v1",
        "host/v1",
        "http://[::1/v1",
        "http://host:port/v1",
    ],
)
def test_wrong_addresses_are_configuration_errors(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        wire(url, HttpClient())
    assert "pw" not in caught.value.message


@pytest.mark.parametrize("key", ["abc\n", "a b", "ключ"])
def test_wrong_keys_are_configuration_errors_that_do_not_show_them(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        wire("http://127.0.0.1:1/v1", HttpClient(), key=Secret("${env:K}", key))
    assert key not in str(caught.value)


@pytest.mark.anyio
async def test_a_prompt_that_is_not_unicode_is_refused(http: HttpClient) -> None:
    with pytest.raises(ProviderRejected):
        await collect(
            wire("http://127.0.0.1:1/v1", http), replace(REQUEST, messages=(Message("user", "\ud800"),))
        )


def test_a_command_that_asks_no_model_does_not_load_the_http_library() -> None:
    program = """
import asyncio, sys
from countersign.domain.workspace import ModelSettings
from countersign.gateway.build import build_model
from countersign.gateway.http import HttpClient

async def main():
    async with HttpClient() as http:
        for dialect in ("openai", "anthropic", "extractive"):
            build_model(ModelSettings(dialect, dialect, base_url="http://127.0.0.1:1/v1"), http)

asyncio.run(main())
sys.exit("aiohttp" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=120, check=False).returncode == 0


@pytest.mark.anyio
async def test_the_client_must_be_started() -> None:
    with pytest.raises(CountersignError, match="not running"):
        await collect(wire("http://127.0.0.1:1/v1", HttpClient()))


# -- the official clients -------------------------------------------------------------------------------------------
@pytest.mark.anyio
async def test_the_openai_sdk_reads_what_we_read(http: HttpClient) -> None:
    import openai

    async with (
        ScriptedModel() as server,
        openai.AsyncOpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client,
    ):
        ours, [done], _ = await collect(wire(server, http))
        messages: Any = [{"role": m.role, "content": m.content} for m in REQUEST.messages]
        whole = await client.chat.completions.create(model="scripted", messages=messages, max_tokens=200)
        assert whole.choices[0].message.content == ours
        assert whole.usage and whole.usage.completion_tokens == done.usage.output_tokens
        stream = await client.chat.completions.create(
            model="scripted", messages=messages, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == ours
    assert chunks[-1].usage and chunks[-1].usage.completion_tokens == done.usage.output_tokens
    assert chunks[-2].choices[0].finish_reason == "stop"


@pytest.mark.anyio
async def test_the_anthropic_sdk_reads_what_we_read(http: HttpClient) -> None:
    import anthropic

    async with (
        ScriptedModel() as server,
        anthropic.AsyncAnthropic(
            base_url=server.base_url.removesuffix("/v1"), api_key="k", max_retries=0
        ) as client,
    ):
        ours, [done], _ = await collect(wire(server, http, "anthropic"))
        system, user = (message.content for message in REQUEST.messages)
        ask: dict[str, Any] = {
            "model": "scripted",
            "max_tokens": 200,
            "system": system,
            "messages": [{"role": "user", "content": user}],
        }
        whole = await client.messages.create(**ask)
        async with client.messages.stream(**ask) as stream:
            streamed = "".join([text async for text in stream.text_stream])
            final = await stream.get_final_message()
    assert whole.content[0].type == "text" and whole.content[0].text == ours == streamed
    assert final.usage.output_tokens == whole.usage.output_tokens == done.usage.output_tokens
    assert final.stop_reason == "end_turn"
    assert QUESTION
