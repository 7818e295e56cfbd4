"""Run as a process that kills itself in the middle of an erasure: the argument names the step during which it dies."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from countersign.app.house import open_house
from countersign.record.ledger import ErasureLedger
from countersign.storage import erasure
from countersign.storage.blobs import LocalBlobs
from tests.journeys.parts import adopt_database
from tests.workspaces import workspace


def die(*_: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(step: str) -> None:
    if step == "ledger":
        ErasureLedger.add = die
    elif step == "files":
        LocalBlobs._delete = die
    elif step == "compaction":
        erasure.compact = die
    elif step == "proof":
        erasure.scan = die


async def main(root: Path, step: str, document_id: str) -> None:
    adopt_database()
    house = await open_house(workspace(root), model_cache=root / "cache", owner=True)
    if step == "index":
        house.erasing.rebuild_index = die
        house.erasing._erasure._rebuild_index = die
    arm(step)
    operator = await house.people.impersonate("operator")
    print(await house.library.erase(operator, document_id), flush=True)
    await house.worker.drain()
    print("survived", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
