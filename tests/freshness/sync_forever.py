"""Run as a process that a test kills: own the workspace and let its schedule read the source, until killed."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from countersign.app.founding import found
from countersign.app.house import open_house
from countersign.domain.schedule import parse_schedule
from countersign.domain.workspace import Workspace
from tests.journeys.parts import adopt_database
from tests.workspaces import workspace


def scheduled(root: Path) -> Workspace:
    plain = workspace(root)
    source = replace(plain.sources["intranet"], schedule=parse_schedule("every 10s"))
    return replace(plain, sources={"intranet": source}, assistants=plain.assistants)


async def main(root: Path) -> None:
    adopt_database()
    settings = scheduled(root)
    found(settings)
    house = await open_house(settings, model_cache=root / "cache", owner=True)
    await house.start()
    while True:
        [one] = await house.freshness.everywhere()
        if one.last is not None:
            print(one.last.outcome, one.last.listed, one.indexed, flush=True)
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
