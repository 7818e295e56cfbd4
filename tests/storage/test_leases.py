"""Who leads: one at a time, another as soon as the first is silent for too long or steps down, each with a higher number."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from countersign.storage.database import Database
from countersign.storage.leases import SqlLease

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'leases.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    database = Database(url)
    database.create_tables()
    yield database
    database.close()


async def test_one_leads_and_the_next_has_a_higher_number(database: Database) -> None:
    one, two = (SqlLease(database, "leader", name, ttl_s=600) for name in ("one", "two"))
    first = await one.take()
    assert first is not None
    assert await two.take() is None
    assert await one.keep(first)
    assert await one.is_held()
    await one.release(first)
    assert not await one.is_held()
    second = await two.take()
    assert second is not None
    assert second > first
    assert not await one.keep(first), "what was followed may not lead on"


async def test_a_holder_that_is_silent_is_followed(database: Database) -> None:
    silent, waiting = (
        SqlLease(database, "leader", "silent", ttl_s=0.01),
        SqlLease(database, "leader", "waiting"),
    )
    first = await silent.take()
    for _ in range(1_000):
        if (second := await waiting.take()) is not None:
            break
        await asyncio.sleep(0.01)
    else:
        pytest.fail("nobody followed")
    assert first is not None
    assert second > first
    assert not await silent.keep(first)


async def test_many_that_ask_at_once_give_one_leader(database: Database) -> None:
    leases = [SqlLease(database, "leader", f"process{n}", ttl_s=600) for n in range(20)]
    epochs = await asyncio.gather(*(lease.take() for lease in leases))
    assert sum(epoch is not None for epoch in epochs) == 1
