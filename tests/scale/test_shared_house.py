"""One house over object storage: it answers, erases with a proof from the objects themselves, and lets another lead."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from countersign.app.founding import found
from countersign.app.house import open_house
from countersign.domain.answers import AnswerStatus
from countersign.domain.documents import Rights, SourceDocument
from countersign.domain.errors import Conflict, StorageError
from countersign.domain.workspace import Workspace
from countersign.retrieval.version import Chunking, IndexVersion
from countersign.storage.shared_place import ObjectPlace
from tests.journeys.parts import ask, push
from tests.storage.lance_parts import keep_versions, s3_server, settings_for
from tests.workspaces import person, workspace

pytestmark = pytest.mark.anyio
pytest.importorskip("lancedb")

CODEWORD = "zanzibarcodeword"
TEXT = f"The {CODEWORD} of the vault in Karaganda is 417250 and is changed in spring."
QUESTION = f"What is the {CODEWORD} of the vault in Karaganda?"


@pytest.fixture
def s3() -> Iterator[str]:
    with s3_server() as address:
        yield address


def shared(root: Path, address: str) -> Workspace:
    settings = workspace(
        root,
        storage=f"s3://shared/{root.name}",
        object_storage=settings_for(address),
        index="lance",
        sources={"push": workspace(root).sources["push"]},
    )
    found(settings)
    return settings


def objects_with(settings: Workspace, word: str) -> list[str]:
    place = ObjectPlace(settings.storage, settings.object_storage)
    names = place.names()
    assert names
    return [name for name in names if word.encode() in (place.read(name) or (b"", ""))[0]]


async def erased(settings: Workspace, cache: Path) -> dict[str, Any]:
    """Push, ask, erase; the proof."""
    house = await open_house(settings, model_cache=cache)
    try:
        assert house.is_owner and house.leader is not None and house.leader.leads
        clerk = await person(house, "aigerim")
        operator = await person(house, "askar", roles=["operator"])
        received = await push(house, operator, "vault", TEXT)
        await push(
            house, operator, "lounge", "The lounge at Almaty airport is free for holders of a Platinum card."
        )
        assert "417250" in (await ask(house, clerk, QUESTION)).text
        await house.bring_up_to_date()
        assert "417250" in (await ask(house, clerk, QUESTION)).text
        assert objects_with(settings, CODEWORD)
        job_id = await house.library.erase(operator, received.document_id)
        await house.worker.drain()
        job = await house.library.job(operator, job_id)
        assert job.state == "done"
        assert (await ask(house, clerk, QUESTION)).status is AnswerStatus.REFUSED
        index = house.leader.of("bank")
        assert len(index.passage_ids()) == 1
        return dict(job.result or {})
    finally:
        await house.close()


async def test_an_erasure_is_proved_from_the_objects(tmp_path: Path, s3: str) -> None:
    settings = shared(tmp_path, s3)
    proof = await erased(settings, tmp_path / "cache")
    assert proof["complete"], proof
    assert objects_with(settings, CODEWORD) == []
    assert proof["scan"]["files"] > 3


async def test_a_bucket_that_keeps_versions_is_no_proof(tmp_path: Path, s3: str) -> None:
    keep_versions(s3)
    proof = await erased(shared(tmp_path, s3), tmp_path / "cache")
    assert not proof["complete"]
    assert any("lifecycle" in note for note in proof["remains"])


async def test_another_leads_as_soon_as_one_steps_down(tmp_path: Path, s3: str) -> None:
    settings = shared(tmp_path, s3)
    one = await open_house(settings, model_cache=tmp_path / "cache")
    two = await open_house(settings, model_cache=tmp_path / "cache")
    try:
        assert one.leader is not None and two.leader is not None
        assert one.is_owner and not two.is_owner
        with pytest.raises(StorageError) as refused:
            two.leader.of("bank")
        assert refused.value.code == "not_leading"
        assert two.leader.not_mine()
        await one.leader.step_down()
        assert await asyncio.wait_for(two.leader.take(), 30)
        assert not two.leader.not_mine()
    finally:
        await one.close()
        await two.close()


async def test_what_one_machine_erased_and_signed_every_machine_knows(tmp_path: Path, s3: str) -> None:
    here = shared(tmp_path / "here", s3)
    proof = await erased(here, tmp_path / "cache")
    assert proof["complete"], proof
    there = replace(here, root=tmp_path / "there", state=tmp_path / "there" / "state")
    shutil.copytree(here.state / "keys", there.state / "keys")
    house = await open_house(there, model_cache=tmp_path / "cache")
    try:
        again = SourceDocument(
            source="push",
            external_id="vault",
            tenant="bank",
            title="",
            filename="vault.md",
            mime="",
            rights=Rights(),
            rights_origin="",
        )
        assert house.erasing.was_erased()(again)
        auditor = await person(house, "dana", roles=["auditor"])
        checked = await house.ledger.verify(auditor)
        assert checked.ok
        assert checked.anchored_seq > 0
    finally:
        await house.close()


async def test_index_versions_lie_beside_each_other_on_the_storage(tmp_path: Path, s3: str) -> None:
    settings = shared(tmp_path, s3)
    one = await open_house(settings, model_cache=tmp_path / "cache")
    two = await open_house(settings, model_cache=tmp_path / "cache")
    try:
        assert one.leader is not None and one.leader.leads and not two.is_owner
        clerk, operator = await person(one, "aigerim"), await person(one, "askar", roles=["operator"])
        await push(one, operator, "vault", TEXT)
        before = (await ask(two, clerk, QUESTION)).release
        wanted = IndexVersion(Chunking(32, 48))
        await two.index_versions.build(wanted, "", "askar")
        for _ in range(50):
            await one.index_versions.tend()
            await two.worker.drain()
            if (await two.index_versions.one(wanted.id)).stored.state == "ready":
                break
        await two.index_versions.switch(wanted.id, "askar")
        for house in (one, two):
            answer = await ask(house, clerk, QUESTION)
            assert "417250" in answer.text and answer.release != before
        await push(
            two, operator, "lounge", "The lounge at Almaty airport is free for holders of a Platinum card."
        )
        await one.bring_up_to_date()
        for shape in (IndexVersion().shape, wanted.shape):
            assert len(one.leader.of("bank", shape).passage_ids()) == 2
        await one.index_versions.revert("askar")
        assert (await ask(two, clerk, QUESTION)).release == before
        await one.index_versions.drop(wanted.id, "askar")
        job_id = await one.library.erase(
            operator, (await push(one, operator, "gym", "A gym is in Astana.")).document_id
        )
        await one.worker.drain()
        job = await one.library.job(operator, job_id)
        assert job.result is not None and job.result["complete"], job.result
        with pytest.raises(Conflict):
            await one.index_versions.switch(wanted.id, "askar")
        place = ObjectPlace(f"{settings.storage}/index", settings.object_storage)
        assert len({name.partition("/")[0] for name in place.names()}) == 1
    finally:
        await one.close()
        await two.close()
