from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from countersign.domain.errors import ProviderGarbled, ProviderThrottled, ProviderUnavailable, StorageError
from countersign.domain.workspace import Price
from countersign.gateway.budget import Limit
from countersign.gateway.ladder import Ladder, Rung
from countersign.gateway.seams import (
    ChatModel,
    Delta,
    Done,
    Exhausted,
    LadderEvent,
    Restart,
    RungChosen,
    RungSkipped,
)
from countersign.testing.chat_model_suite import REQUEST
from tests.gateway.parts import FakeModel
from tests.gateway.virtual_time import run

pytestmark = pytest.mark.anyio


def model(
    name: str, *acts: str | float | Exception, region: str = "", price: Price | None = None
) -> FakeModel:
    return FakeModel(lambda _: list(acts), name=name, region=region, price=price)


def ladder(*models: ChatModel, home: str = "kz") -> Ladder:
    return Ladder([Rung(one, in_process=one.name == "extractive") for one in models], home_region=home)


async def climb(steps: Ladder, allowed: frozenset[str] | None = None) -> list[LadderEvent]:
    return [event async for event in steps.stream(REQUEST, allowed_regions=allowed)]


async def test_the_best_rung_serves() -> None:
    lower = model("lower", "no")
    events = await climb(ladder(model("main", "a", "b"), lower))
    assert events[:3] == [RungChosen("main", 0), Delta("a"), Delta("b")]
    assert isinstance(events[3], Done)
    assert lower.calls == 0


async def test_failure_before_text_steps_down_with_its_reason() -> None:
    steps = ladder(
        model("a", ProviderThrottled("x")),
        model("b", ProviderUnavailable("x", code="breaker_open")),
        model("c", "ok"),
    )
    events = await climb(steps)
    because = (RungSkipped("a", "provider_throttled"), RungSkipped("b", "breaker_open"))
    assert events[:2] == [RungChosen("c", 2, because), Delta("ok")]


async def test_failure_after_text_voids_it() -> None:
    events = await climb(ladder(model("a", "half an ans", ProviderGarbled("cut")), model("b", "whole")))
    assert events[:-1] == [
        RungChosen("a", 0),
        Delta("half an ans"),
        Restart("a", "provider_garbled"),
        RungChosen("b", 1, (RungSkipped("a", "provider_garbled"),)),
        Delta("whole"),
    ]


async def test_nothing_left_is_a_value_with_every_reason() -> None:
    events = await climb(
        ladder(model("a", "x", ProviderGarbled("cut")), model("b", ProviderUnavailable("x")))
    )
    assert events[-1] == Exhausted(
        (RungSkipped("a", "provider_garbled"), RungSkipped("b", "provider_unavailable"))
    )
    assert events[-1].cause == "provider"


@pytest.mark.parametrize(
    ("allowed", "serves"),
    [
        (None, "cloud"),
        (frozenset({"us"}), "cloud"),
        (frozenset({"kz"}), "local"),
        (frozenset({"ru"}), "extractive"),
        (frozenset[str](), "extractive"),
    ],
)
async def test_residency_removes_rungs_and_never_the_in_process_one(
    allowed: frozenset[str] | None, serves: str
) -> None:
    cloud, local, own = model("cloud", "c", region="us"), model("local", "l"), model("extractive", "e")
    events = await climb(ladder(cloud, local, own), allowed)
    assert isinstance(events[0], RungChosen)
    assert events[0].name == serves
    assert cloud.calls + local.calls + own.calls == 1
    assert all(skipped.reason == "residency_not_allowed" for skipped in events[0].because)


async def test_no_rung_inside_the_region() -> None:
    [event] = await climb(ladder(model("cloud", "c", region="us")), frozenset({"kz"}))
    assert isinstance(event, Exhausted)
    assert event.cause == "residency"


async def test_a_stream_without_its_end_is_a_failure() -> None:
    class Endless(FakeModel):
        async def stream(self, request: object):  # type: ignore[override,no-untyped-def]
            yield Delta("half")

    events = await climb(ladder(Endless(lambda _: []), model("b", "ok")))
    assert Restart("fake", "provider_garbled") in events
    assert isinstance(events[-1], Done)


async def test_what_is_no_model_failure_is_raised() -> None:
    with pytest.raises(StorageError):
        await climb(ladder(model("a", StorageError("disk")), model("b", "ok")))


async def test_unknown_price_is_not_zero() -> None:
    [*_, unknown] = await climb(ladder(model("a", "x")))
    [*_, known] = await climb(ladder(model("a", "x", price=Price("KZT", 500.0, 2000.0))))
    assert isinstance(unknown, Done) and unknown.cost and unknown.cost.amount is None
    assert isinstance(known, Done) and known.cost
    assert (known.cost.amount, known.cost.currency) == (pytest.approx((10 * 500 + 2000) / 1e6), "KZT")


async def test_limits_without_an_account_are_a_configuration_error() -> None:
    from countersign.domain.errors import ConfigError

    with pytest.raises(ConfigError):
        _ = [e async for e in ladder(model("a", "x")).stream(REQUEST, limits=(Limit("s", 1, "USD"),))]


def test_time_spent_above_is_not_given_again() -> None:
    seen: list[float] = []

    class Watch(FakeModel):
        async def stream(self, request):  # type: ignore[override,no-untyped-def]
            seen.append(request.deadline_s)
            async for value in super().stream(request):
                yield value

    async def scenario() -> None:
        down = ProviderUnavailable("x")
        steps = ladder(Watch(lambda _: [2.0, down]), Watch(lambda _: [9.0, down]), Watch(lambda _: ["ok"]))
        _ = [event async for event in steps.stream(replace(REQUEST, deadline_s=10.0))]
        assert asyncio.get_running_loop().time() == 11.0

    run(scenario())
    assert seen == [10.0, 8.0, 5.0]
