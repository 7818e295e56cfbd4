"""Several owners on one Postgres: every pass is begun once and done by one of them, and a breach is told once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from countersign.app.founding import found
from countersign.app.house import House, open_house
from countersign.domain.schedule import parse_schedule
from countersign.domain.workspace import Secret, WebhookSettings
from countersign.testing.notifiers import WebhookReceiver
from countersign.testing.scripted_source import ScriptedSource, scripted, scripted_settings
from tests.freshness.parts import SOURCE, operator, state
from tests.journeys.parts import MovableClock
from tests.postgres import postgres_server, postgres_url
from tests.workspaces import assistant, workspace

__all__ = ["postgres_server", "postgres_url"]
pytestmark = pytest.mark.anyio
SECRET = "a-shared-secret-of-some-length"


@pytest.fixture
async def hook() -> AsyncIterator[WebhookReceiver]:
    async with WebhookReceiver(SECRET) as receiver:
        yield receiver


async def test_one_of_several_reads_and_tells(
    tmp_path: Path, postgres_url: str, hook: WebhookReceiver
) -> None:
    clock = MovableClock()
    sources = [ScriptedSource(SOURCE) for _ in range(2)]
    houses: list[House] = []
    try:
        for number, source in enumerate(sources):
            source.put("a", "The code of the note is 1.", "staff")
            root = tmp_path / f"machine-{number}"
            described = {"schedule": parse_schedule("every 1h"), "max_age": timedelta(hours=3)}
            settings = replace(
                workspace(root),
                database=postgres_url.replace("postgresql://", "postgresql+psycopg://"),
                sources={SOURCE: scripted_settings(SOURCE, **described)},
                assistants={"staff-help": assistant(sources=(SOURCE,))},
                webhook=WebhookSettings(hook.url, Secret("${env:HOOK}", SECRET), timeout_s=20),
            )
            found(settings)
            houses.append(
                await open_house(
                    settings, model_cache=root / "cache", owner=True, clock=clock, connect=scripted(source)
                )
            )
        for _ in range(4):
            queued = await asyncio.gather(*(house.scheduler.tick() for house in houses for _ in range(3)))
            assert sum(queued) == 1
            await asyncio.gather(*(house.worker.drain() for house in houses))
            clock.ahead += timedelta(minutes=61)
        who = await operator(houses[0])
        passes = await houses[1].freshness.passes(who, SOURCE)
        assert [one.outcome for one in passes] == ["complete"] * 4
        assert len([name for source in sources for name in source.reads]) == 1
        for source in sources:
            source.die_after = 0
        for _ in range(6):
            clock.ahead += timedelta(hours=1)
            await asyncio.gather(*(house.scheduler.tick() for house in houses))
            await asyncio.gather(*(house.worker.drain() for house in houses))
        assert [body["event"] for body in hook.bodies] == ["source.stale"]
        assert (await state(houses[0])).failures >= 4
    finally:
        for house in houses:
            await house.close()
