"""A house over scripted sources, and asking what it says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from countersign.access.principal import Principal
from countersign.app.founding import found
from countersign.app.freshness import SourceFreshness
from countersign.app.house import House, open_house
from countersign.app.sync import SyncReport
from countersign.domain.answers import Answer, Question
from countersign.domain.clock import Clock
from countersign.sources.connector import SourceConnector
from countersign.testing.scripted_source import scripted, scripted_settings
from tests.workspaces import assistant, person, workspace

SOURCE = "library"


@asynccontextmanager
async def joined(
    root: Path,
    *sources: SourceConnector,
    clock: Clock | None = None,
    described: dict[str, Any] | None = None,
    helper: dict[str, Any] | None = None,
    **changes: Any,
) -> AsyncIterator[House]:
    """`described` adds to the settings of each source, `helper` to those of the assistant."""
    names = [str(getattr(source, "name", SOURCE)) for source in sources]
    settings = workspace(
        root,
        sources={name: scripted_settings(name, **(described or {})) for name in names},
        assistants={"staff-help": assistant(sources=tuple(names), **(helper or {}))},
        **changes,
    )
    found(settings)
    house = await open_house(
        settings, model_cache=root / "cache", owner=True, clock=clock, connect=scripted(*sources)
    )
    try:
        yield house
    finally:
        await house.close()


async def sync(house: House, source: str = SOURCE) -> SyncReport:
    """One pass, and everything that it brought forth made searchable."""
    report = await house.sync(source, lambda step: None)
    await house.worker.drain()
    return report


async def answer(house: House, question: str, *groups: str, name: str = "clerk") -> Answer:
    clerk = await person(house, name, sorted(groups))
    return await house.asking.ask(clerk, Question("staff-help", question))


async def state(house: House, source: str = SOURCE, tenant: str = "bank") -> SourceFreshness:
    found = await house.freshness.of_tenant(tenant)
    return next(one for one in found if one.source == source)


async def operator(house: House) -> Principal:
    return await person(house, "operator", roles=["operator"])


def fee(amount: int) -> str:
    return f"# Cards\n\nThe monthly fee of the Gold card is {amount} tenge."


FEE = "What is the monthly fee of the Gold card?"
