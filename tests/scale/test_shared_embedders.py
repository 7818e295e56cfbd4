"""On shared storage an index version for another model, of another dimension, is built by whoever leads and served by all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from countersign.app.founding import found
from countersign.app.house import open_house
from countersign.testing.embedding_server import EmbeddingServer
from tests.journeys.parts import ask
from tests.journeys.test_embedders import QUESTION, begun, endpoint, filled, only_endpoints, settings_of

__all__ = ["only_endpoints"]
pytestmark = pytest.mark.anyio
pytest.importorskip("lancedb")


async def test_every_process_follows_to_another_model_and_back(tmp_path: Path) -> None:
    async with EmbeddingServer(16) as small, EmbeddingServer(24) as large:
        settings = settings_of(tmp_path, endpoint("one", small), endpoint("two", large), index="lance")
        settings = replace(settings, storage=str(tmp_path / "shared"))
        found(settings)
        one = await open_house(settings, model_cache=tmp_path / "cache")
        two = await open_house(settings, model_cache=tmp_path / "cache")
        try:
            assert one.leader is not None and one.leader.leads and not two.is_owner
            _, clerk = await filled(one)
            before = (await ask(two, clerk, QUESTION)).release
            added = (await begun(two, "two")).stored.id
            for _ in range(50):
                await one.index_versions.tend()
                await two.worker.drain()
                assert (await ask(two, clerk, QUESTION)).release == before
                if (await two.index_versions.one(added)).stored.state == "ready":
                    break
            await two.index_versions.switch(added, "askar")
            for house in (one, two):
                answer = await ask(house, clerk, QUESTION)
                assert "700" in answer.text and answer.warnings == () and answer.release != before
            await one.index_versions.revert("askar")
            for house in (one, two):
                assert (await ask(house, clerk, QUESTION)).release == before
        finally:
            await two.close()
            await one.close()
