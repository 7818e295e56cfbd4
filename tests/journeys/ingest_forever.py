"""Run as a process that a test kills: open the workspace, read its source, work on its jobs, say when all is done."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from countersign.app.founding import found
from countersign.app.house import open_house
from tests.journeys.parts import adopt_database
from tests.workspaces import workspace


async def main(root: Path) -> None:
    adopt_database()
    settings = workspace(root)
    found(settings)
    house = await open_house(settings, model_cache=root / "cache", owner=True)
    await house.start()
    await house.sync("intranet", lambda step: print("received", step.external_id, flush=True))
    while await house.jobs.pending():
        await asyncio.sleep(0.05)
    await house.close()
    print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
