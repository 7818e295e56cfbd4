"""Deadline, bulkhead and breaker, one by one and together in an outage, on a virtual clock."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest

from countersign.domain.answers import Usage
from countersign.domain.errors import (
    CountersignError,
    LimitExceeded,
    ProviderGarbled,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from countersign.domain.workspace import Price
from countersign.gateway.breaker import Breaker
from countersign.gateway.bulkhead import Bulkhead
from countersign.gateway.deadline import FirstByteDeadline
from countersign.gateway.ladder import Ladder, Rung
from countersign.gateway.seams import Delta, Done, ModelRequest, RungChosen
from countersign.gateway.streams import closing
from countersign.testing.chat_model_suite import REQUEST, collect
from tests.gateway.parts import FakeModel
from tests.gateway.virtual_time import run

DOWN = ProviderUnavailable("down")


def now() -> float:
    return asyncio.get_running_loop().time()


async def outcome(model: Breaker | Bulkhead | FirstByteDeadline) -> str:
    try:
        text, _, _ = await collect(model)
    except CountersignError as error:
        return error.code
    return text


def test_first_byte_deadline_leaves_a_silent_model_but_not_a_slow_writer() -> None:
    async def scenario() -> None:
        silent = FirstByteDeadline(FakeModel(lambda _: [60.0, "late"]), 2.0)
        with pytest.raises(ProviderTimeout):
            await collect(silent)
        assert now() == pytest.approx(2.0)
        slow = FirstByteDeadline(FakeModel(lambda _: [1.9, "a", 30.0, "b"]), 2.0)
        assert (await collect(slow))[0] == "ab"

    run(scenario())


def test_bulkhead_limits_running_and_waiting() -> None:
    async def scenario() -> None:
        model = FakeModel(lambda _: [1.5, "done"])
        bulkhead = Bulkhead(model, 2, max_waiting=3, max_wait_s=2.0)
        results = await asyncio.gather(*(outcome(bulkhead) for _ in range(7)))
        # Two at once, two more after 1.5 s; the fifth waited in vain for 2 s; the last two found the queue full.
        assert results == ["done"] * 4 + ["model_busy"] * 3
        assert model.calls == 4
        assert (bulkhead.running, bulkhead.waiting) == (0, 0)
        assert await outcome(bulkhead) == "done"

    run(scenario())


def test_bulkhead_frees_its_place_however_a_stream_ends() -> None:
    async def scenario() -> None:
        bulkhead = Bulkhead(
            FakeModel(lambda n: ["a", 9.0] if n < 3 else [DOWN] if n == 3 else ["ok"]), 1, max_wait_s=0.1
        )
        async with closing(bulkhead.stream(REQUEST)) as stream:
            await anext(stream)
        cancelled = asyncio.ensure_future(collect(bulkhead))
        await asyncio.sleep(0.01)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        with pytest.raises(ProviderUnavailable):
            await collect(bulkhead)
        assert await outcome(bulkhead) == "ok"

    run(scenario())


def test_breaker_opens_probes_once_and_closes() -> None:
    async def scenario() -> None:
        healthy_after = 8.0
        model = FakeModel(lambda _: ["ok"] if now() >= healthy_after else [0.1, DOWN])
        breaker = Breaker(model, failures=3, open_s=1.0, max_open_s=4.0, monotonic=now)
        assert [await outcome(breaker) for _ in range(4)] == ["provider_unavailable"] * 3 + ["breaker_open"]
        assert breaker.view.state == "open"
        assert breaker.view.retry_in_s == pytest.approx(1.0)
        assert breaker.view.last_reason == "provider_unavailable"
        await asyncio.sleep(1.0)
        assert breaker.view.state == "half_open"
        together = await asyncio.gather(*(outcome(breaker) for _ in range(10)))
        assert sorted(together) == ["breaker_open"] * 9 + ["provider_unavailable"]
        assert breaker.view.retry_in_s == pytest.approx(2.0)
        await asyncio.sleep(8.0)
        assert await outcome(breaker) == "ok"
        assert (breaker.view.state, breaker.view.consecutive_failures) == ("closed", 0)

    run(scenario())


def test_a_probe_that_is_left_does_not_block_the_next_one() -> None:
    async def scenario() -> None:
        model = FakeModel(lambda n: [DOWN] if n == 1 else [5.0, "ok"])
        breaker = Breaker(model, failures=1, open_s=1.0, monotonic=now)
        assert await outcome(breaker) == "provider_unavailable"
        await asyncio.sleep(1.0)
        probe = asyncio.ensure_future(collect(breaker))
        await asyncio.sleep(0.1)
        probe.cancel()
        await asyncio.wait([probe])
        assert breaker.view.state == "half_open"
        assert await outcome(breaker) == "ok"

    run(scenario())


def test_a_refused_request_does_not_open_the_breaker_and_a_success_resets_the_count() -> None:
    async def scenario() -> None:
        acts = {
            1: ProviderGarbled("x"),
            2: ProviderGarbled("x"),
            4: ProviderGarbled("x"),
            5: ProviderRejected("no"),
        }
        breaker = Breaker(FakeModel(lambda n: [acts[n]] if n in acts else ["ok"]), failures=3, monotonic=now)
        for _ in range(8):
            await outcome(breaker)
        assert breaker.view.state == "closed"

    run(scenario())


# -- an outage ------------------------------------------------------------------------------------------------------
@dataclass
class Provider:
    """50 ms, but dead from second 2 to second 8: hanging or refusing at once."""

    hangs: bool
    name: str = "primary"
    region: str = ""
    price: Price | None = None
    calls_in_outage: int = 0
    latency: list[float] = field(default_factory=list[float])

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | Done, None]:
        del request
        if 2.0 <= now() < 8.0:
            self.calls_in_outage += 1
            if not self.hangs:
                raise DOWN
            await asyncio.sleep(3600)
        await asyncio.sleep(0.05)
        yield Delta("answer")
        yield Done("stop", Usage(1, 1, reported=True))


@pytest.mark.parametrize("hangs", [True, False])
def test_a_dead_provider_sees_a_tenth_of_the_arrivals_at_most(hangs: bool) -> None:
    provider = Provider(hangs)
    breaker = Breaker(FirstByteDeadline(provider, 1.0), monotonic=lambda: asyncio.get_running_loop().time())
    fallback = FakeModel(lambda _: [0.08, "fallback"], name="fallback")
    ladder = Ladder(
        [Rung(Bulkhead(breaker, 16, max_wait_s=0.5), breaker=breaker), Rung(fallback)], home_region="kz"
    )
    arrivals = 0
    served: list[tuple[float, str, float]] = []

    async def ask() -> None:
        began = now()
        values = [value async for value in ladder.stream(REQUEST)]
        assert isinstance(values[0], RungChosen) and isinstance(values[-1], Done)
        served.append((began, values[0].name, now() - began))

    async def scenario() -> None:
        nonlocal arrivals
        chance = random.Random(7)
        asked: list[asyncio.Task[None]] = []
        while now() < 16.0:
            await asyncio.sleep(chance.expovariate(60))
            arrivals += 2.0 <= now() < 8.0
            asked.append(asyncio.ensure_future(ask()))
        await asyncio.gather(*asked)

    run(scenario())
    assert arrivals > 300
    assert provider.calls_in_outage <= arrivals / 10
    assert all(seconds < 2.2 for _, _, seconds in served)
    # After the outage the probe finds the way back.
    assert {name for began, name, _ in served if began > 14.0} == {"primary"}
    print(f"hangs={hangs}: {provider.calls_in_outage} calls of {arrivals} arrivals")


def test_busy_is_not_a_failure_of_the_model() -> None:
    assert not issubclass(LimitExceeded, ProviderUnavailable)
