"""Run as a process that a test kills: build what is being built, without end."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from countersign.app.embedders import EmbeddedE5
from countersign.app.house import open_house
from countersign.domain.workspace import EmbeddingSettings
from tests.journeys.test_embedders import ENOUGH_S, settings_of


async def main(root: Path, *addresses: str) -> None:
    EmbeddedE5.available = staticmethod(lambda: "left out")  # type: ignore[method-assign]
    endpoints = [
        EmbeddingSettings(name, address, f"model-{name}", dimension=dimension, timeout_s=ENOUGH_S)
        for name, address, dimension in zip(("one", "two"), addresses, (16, 24), strict=True)
    ]
    house = await open_house(settings_of(root, *endpoints), model_cache=root / "cache", owner=True)
    await house.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
