from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from countersign.domain.errors import ConfigError
from countersign.domain.workspace import ModelSettings
from countersign.gateway.build import build_model, build_rung, dialects
from countersign.gateway.http import HttpClient
from countersign.gateway.ladder import Ladder
from countersign.gateway.seams import ChatModel, Done, Exhausted, RungChosen
from countersign.testing.chat_model_suite import REQUEST, ChatModelSuite, collect
from countersign.testing.faulty_model import Fault, FaultyModel
from countersign.testing.scripted_model import ScriptedModel
from tests.gateway.parts import FakeModel, settings

pytestmark = pytest.mark.anyio

FOREIGN = """
from countersign.domain.answers import Usage
from countersign.gateway.seams import Delta, Done

class Foreign:
    region, price = "", None
    def __init__(self, settings):
        self.name = settings.name
    async def stream(self, request):
        yield Delta("from elsewhere")
        yield Done("stop", Usage(1, 1, reported=True))

def make(settings, http):
    return Foreign(settings)
"""


class TestExtractive(ChatModelSuite):
    def healthy(self) -> Any:
        @asynccontextmanager
        async def opened() -> AsyncGenerator[ChatModel, None]:
            yield build_model(ModelSettings("extractive", "extractive"), HttpClient())

        return opened()


@pytest.fixture
def foreign_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed distribution that brings a dialect of its own, and tries to replace one of ours."""
    (tmp_path / "foreign_dialect.py").write_text(FOREIGN)
    info = tmp_path / "foreign_dialect-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign-dialect\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[countersign.chat_models]\nforeign = foreign_dialect:make\nopenai = foreign_dialect:make\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "foreign_dialect", raising=False)


@pytest.mark.usefixtures("foreign_package")
async def test_a_foreign_dialect_comes_in_and_ours_stay(http: HttpClient) -> None:
    foreign: Any = "foreign"
    text, _, _ = await collect(build_model(ModelSettings("theirs", foreign), http))
    assert text == "from elsewhere"
    assert dialects()["openai"].value.startswith("countersign.")


async def test_an_unknown_dialect_names_the_known_ones(http: HttpClient) -> None:
    unknown: Any = "smoke-signals"
    with pytest.raises(ConfigError) as caught:
        build_model(ModelSettings("main", unknown), http)
    assert "openai" in caught.value.hint


async def test_a_broken_model_behind_all_wrappers_is_left_alone_and_found_again(http: HttpClient) -> None:
    async with FaultyModel(Fault.UNAVAILABLE) as server:
        rung = build_rung(settings(server), http)
        own = build_rung(ModelSettings("extractive", "extractive"), http)
        ladder = Ladder([rung, own], home_region="kz")
        reasons: list[str] = []
        for _ in range(12):
            chosen, *_ = [event async for event in ladder.stream(REQUEST)]
            assert isinstance(chosen, RungChosen) and chosen.name == "extractive"
            reasons.append(chosen.because[0].reason)
        assert reasons == ["provider_unavailable"] * 5 + ["breaker_open"] * 7
        assert server.calls == 5
        assert rung.breaker and rung.breaker.view.state == "open"
        assert own.breaker is None


async def test_a_stream_that_breaks_is_restarted_below(http: HttpClient) -> None:
    async with FaultyModel(Fault.CUT_STREAM) as broken, ScriptedModel() as healthy:
        rungs = [
            build_rung(settings(server, name=name), http) for name, server in (("a", broken), ("b", healthy))
        ]
        events = [event async for event in Ladder(rungs, home_region="kz").stream(REQUEST)]
    kinds = [type(event).__name__ for event in events if type(event).__name__ != "Delta"]
    assert kinds == ["RungChosen", "Restart", "RungChosen", "Done"]
    assert isinstance(events[-1], Done) and events[-1].cost


async def test_an_empty_ladder_is_exhausted() -> None:
    [event] = [event async for event in Ladder([], home_region="kz").stream(REQUEST)]
    assert event == Exhausted(())
    assert event.cause == "provider"


def test_fakes_are_chat_models() -> None:
    model: ChatModel = FakeModel(lambda _: [])
    assert model.name
