"""Two embedding models side by side: a version for another one is built, switched to and reverted while the first answers."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from countersign.access.principal import Principal
from countersign.app import embedders
from countersign.app.founding import found
from countersign.app.house import House, open_house
from countersign.app.index_versions import ListedVersion
from countersign.app.version_building import wanted_version
from countersign.domain.answers import AnswerStatus
from countersign.domain.clock import Clock
from countersign.domain.errors import Conflict, UsageError
from countersign.domain.workspace import EmbeddingSettings, ResidencyRule, Workspace
from countersign.retrieval.upkeep import compare
from countersign.storage.index_versions import CUT_JOB
from countersign.storage.tables import embedding, job, passage
from countersign.testing.embedding_server import EmbeddingServer
from tests.journeys.parts import AheadClock, MovableClock, ask, push, run_child
from tests.workspaces import person, workspace

pytestmark = pytest.mark.anyio

PAGES = {
    "parking": "# Parking\n\nParking in the yard costs 700 tenge an hour.",
    "badges": "# Badges\n\nA lost badge is replaced for 2500 tenge at the security desk.",
    "gym": "# Gym\n\nThe gym on the second floor costs 900 tenge a month.",
}
QUESTION = "How much does parking in the yard cost an hour?"
ENOUGH_S = 30.0


@pytest.fixture(autouse=True)
def only_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model that comes along is left out, so that no test converts it."""
    monkeypatch.setattr(embedders.EmbeddedE5, "available", staticmethod(lambda: "left out"))


@pytest.fixture
async def one() -> AsyncIterator[EmbeddingServer]:
    async with EmbeddingServer(16) as server:
        yield server


@pytest.fixture
async def two() -> AsyncIterator[EmbeddingServer]:
    async with EmbeddingServer(24) as server:
        yield server


def endpoint(name: str, server: EmbeddingServer, **more: Any) -> EmbeddingSettings:
    return EmbeddingSettings(
        name, server.base_url, f"model-{name}", dimension=server.dimension, timeout_s=ENOUGH_S, **more
    )


def settings_of(
    root: Path, first: EmbeddingSettings, *others: EmbeddingSettings, **changes: Any
) -> Workspace:
    plain = workspace(root)
    only_push = {"push": plain.sources["push"]}
    return replace(plain, sources=only_push, embeddings=first, other_embeddings=others, **changes)


@asynccontextmanager
async def bank(settings: Workspace, clock: Clock | None = None) -> AsyncGenerator[House]:
    found(settings)
    cache = settings.root / "cache"
    house = await open_house(settings, model_cache=cache, owner=True, clock=clock or MovableClock())
    try:
        yield house
    finally:
        await house.close()


async def people_of(house: House) -> tuple[Principal, Principal]:
    return await person(house, "askar", roles=["operator"]), await person(house, "aigerim")


async def filled(house: House) -> tuple[Principal, Principal]:
    operator, clerk = await people_of(house)
    for name, text in PAGES.items():
        await push(house, operator, name, text)
    return operator, clerk


async def begun(house: House, name: str) -> ListedVersion:
    live = (await house.shelves.current()).version
    return await house.index_versions.build(
        wanted_version(house.embedders, live, embedder=name), name, "askar"
    )


async def finish(house: House, *, ahead: Callable[[], None] = lambda: None) -> None:
    """Until nothing is being built, as the owner's work in the background would; `ahead` moves the clock between tries."""
    for _ in range(100):
        await house.index_versions.tend()
        await house.worker.drain()
        listed = await house.index_versions.list()
        if all(each.stored.state != "building" or each.stuck for each in listed):
            return
        ahead()
    raise AssertionError("it is never ready")


async def built(house: House, name: str, *, ahead: Callable[[], None] = lambda: None) -> ListedVersion:
    added = await begun(house, name)
    await finish(house, ahead=ahead)
    return await house.index_versions.one(added.stored.id)


async def vectors(house: House) -> dict[str, set[int]]:
    """Model → lengths of its vectors."""

    def read(connection: Connection) -> dict[str, set[int]]:
        lengths: dict[str, set[int]] = {}
        for row in connection.execute(select(embedding)):
            lengths.setdefault(row.model, set()).add(len(row.vector) // 4)
        return lengths

    return await house.database.read(read)


async def count(house: House, table: Any, *where: Any) -> int:
    def read(connection: Connection) -> int:
        return connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one()

    return await house.database.read(read)


async def in_step(house: House) -> bool:
    """Whether every index holds exactly what the database says."""
    for shape, store in (await house.shelves.stores()).items():
        await house.shelves.apply(shape)
        index = await house.shelves.to_write(shape, "bank")
        if not (await compare(store, index, "bank")).equal:
            return False
    return True


def kept_by(settings: Workspace) -> int:
    """Vectors of the second model that another process has written."""
    with closing(sqlite3.connect(settings.state / "countersign.db", timeout=ENOUGH_S)) as file:
        found = file.execute("SELECT count(*) FROM embedding WHERE model LIKE 'model-two/%'").fetchone()
        return int(found[0])


async def answered(house: House, clerk: Principal) -> tuple[str, tuple[str, ...]]:
    """The release and the warnings of an answer that is right."""
    answer = await ask(house, clerk, QUESTION)
    assert "700" in answer.text
    return answer.release, answer.warnings


async def test_another_model_is_built_beside_switched_to_and_reverted(
    tmp_path: Path, one: EmbeddingServer, two: EmbeddingServer
) -> None:
    settings = settings_of(tmp_path, endpoint("one", one), endpoint("two", two))
    async with bank(settings) as house:
        _, clerk = await filled(house)
        first = (await house.shelves.current()).id
        before = await answered(house, clerk)
        assert await vectors(house) == {"model-one/16@endpoint": {16}} and two.texts == []
        passages = await count(house, passage)

        added = await begun(house, "two")
        assert (added.stored.state, added.embedder) == ("building", "two")
        assert added.stored.version.manifest["dimension"] == 24
        assert await answered(house, clerk) == before
        await finish(house)
        assert await answered(house, clerk) == before
        ready = await house.index_versions.one("two")
        assert (ready.stored.state, ready.done, ready.failed) == ("ready", len(PAGES), 0)
        assert await count(house, passage) == passages, "only vectors were made"
        assert set((await vectors(house))["model-two/24@endpoint"]) == {24}
        assert QUESTION not in two.texts

        await house.index_versions.switch("two", "askar")
        after = await answered(house, clerk)
        assert after[0] != before[0] and "lexical_only" not in after[1]
        assert QUESTION in two.texts, "a question is embedded by the model of the version that answers it"
        assert await in_step(house)
        asked = len(one.texts)
        await answered(house, clerk)
        assert len(one.texts) == asked
        await house.index_versions.revert("askar")
        assert (await house.shelves.current()).id == first
        assert await answered(house, clerk) == before


async def test_what_comes_in_meanwhile_is_embedded_for_both(
    tmp_path: Path, one: EmbeddingServer, two: EmbeddingServer
) -> None:
    settings = settings_of(tmp_path, endpoint("one", one), endpoint("two", two))
    async with bank(settings) as house:
        operator, clerk = await filled(house)
        await begun(house, "two")
        await push(house, operator, "pool", "# Pool\n\nThe pool costs 1200 tenge an hour.")
        await finish(house)
        texts = len(two.texts)
        await push(house, operator, "pool", "# Pool\n\nThe pool costs 1300 tenge an hour.")
        assert len(two.texts) > texts, "a version that is ready stays fresh"
        assert await count(house, job, job.c.kind == CUT_JOB) == 0
        for _ in range(2):
            assert "1300" in (await ask(house, clerk, "How much does the pool cost an hour?")).text
            assert await in_step(house)
            await house.index_versions.switch("two", "askar")


async def test_a_changed_configuration_never_changes_what_answers(
    tmp_path: Path, one: EmbeddingServer, two: EmbeddingServer
) -> None:
    first, second = endpoint("one", one), endpoint("two", two)
    async with bank(settings_of(tmp_path, first)) as house:
        _, clerk = await filled(house)
        before = await answered(house, clerk)
        live = (await house.shelves.current()).id
        assert (await house.health.ready()).degraded == (
            "the index and the embedding model are still warming up",
        )

    async with bank(settings_of(tmp_path, second, first)) as house:  # the other one is preferred now
        assert (await house.shelves.current()).id == live
        assert await answered(house, clerk) == before
        said = " ".join((await house.health.ready()).degraded)
        assert "countersign index build --embedder two" in said and "only words" not in said

    async with bank(settings_of(tmp_path, second)) as house:  # its own is gone
        assert (await house.shelves.current()).id == live
        _, warnings = await answered(house, clerk)
        assert "lexical_only" in warnings
        said = " ".join((await house.health.ready()).degraded)
        assert live in said and "only words are searched" in said and "countersign index build" in said
        operator = await person(house, "askar", roles=["operator"])
        await push(house, operator, "pool", "# Pool\n\nThe pool costs 1200 tenge an hour.")
        assert "1200" in (await ask(house, clerk, "How much does the pool cost an hour?")).text
        [listed] = await house.index_versions.list()
        assert not listed.servable
        await built(house, "two")
        with pytest.raises(Conflict) as not_here:
            await house.index_versions.build((await house.shelves.current()).version, "", "askar")
        assert not_here.value.code == "index_version_embedder"

    async with bank(settings_of(tmp_path, first, second)) as house:  # it is back, and gets what it missed
        lacking = len(one.texts)
        await house.index_versions.tend()
        await house.worker.drain()
        assert any("1200" in text for text in one.texts[lacking:])
        await house.index_versions.tend()
        assert await in_step(house)
        await house.index_versions.switch("two", "askar")
        assert "lexical_only" not in (await answered(house, clerk))[1]


async def test_an_empty_workspace_follows_its_configuration(
    tmp_path: Path, one: EmbeddingServer, two: EmbeddingServer
) -> None:
    async with bank(settings_of(tmp_path, endpoint("one", one))) as house:
        assert house.shelves.newest.version.embedder == "model-one/16@endpoint"
    async with bank(settings_of(tmp_path, endpoint("two", two))) as house:
        _, clerk = await filled(house)
        assert house.shelves.newest.version.embedder == "model-two/24@endpoint"
        assert (await answered(house, clerk))[1] == () and one.texts == []


async def test_an_endpoint_that_is_down_leaves_what_answers_as_it_is(
    tmp_path: Path, one: EmbeddingServer, two: EmbeddingServer
) -> None:
    settings, clock = settings_of(tmp_path, endpoint("one", one), endpoint("two", two)), MovableClock()

    def later() -> None:
        clock.ahead += timedelta(minutes=10)

    async with bank(settings, clock) as house:
        operator, clerk = await filled(house)
        before = await answered(house, clerk)
        two.is_down = True
        added = await begun(house, "two")
        await finish(house, ahead=later)
        stuck = await house.index_versions.one(added.stored.id)
        assert (stuck.stored.state, stuck.failed, stuck.stuck) == ("building", len(PAGES), True)
        assert await answered(house, clerk) == before
        assert any("could not be cut or embedded" in said for said in (await house.health.ready()).degraded)
        await push(house, operator, "pool", "# Pool\n\nThe pool costs 1200 tenge an hour.")
        assert "1200" in (await ask(house, clerk, "How much does the pool cost an hour?")).text

        two.is_down = False
        ready = await built(house, "two", ahead=later)
        assert (ready.stored.state, ready.failed) == ("ready", 0)
        assert any("1200" in text for text in two.texts)

        two.is_down = True
        await push(house, operator, "sauna", "# Sauna\n\nThe sauna costs 3000 tenge an hour.")
        assert "3000" in (await ask(house, clerk, "How much does the sauna cost an hour?")).text
        two.is_down = False
        later()
        await house.worker.drain()
        assert any("3000" in text for text in two.texts)
        await house.index_versions.switch("two", "askar")
        assert "3000" in (await ask(house, clerk, "How much does the sauna cost an hour?")).text
        assert await in_step(house)


async def test_a_build_that_is_killed_goes_on_where_it_was(
    tmp_path: Path, one: EmbeddingServer, two: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests import workspaces

    monkeypatch.setattr(workspaces, "POSTGRES", [])  # one file, and one owner after the other
    settings = settings_of(tmp_path, endpoint("one", one), endpoint("two", two))
    pages = {f"page-{number}": f"# Page {number}\n\nFee {number} is {number}00 tenge." for number in range(6)}
    async with bank(settings, AheadClock(timedelta())) as house:
        operator, clerk = await filled(house)
        for name, text in pages.items():
            await push(house, operator, name, text)
        added = await begun(house, "two")
    two.hold_after = 3
    child = run_child("build_forever", tmp_path, one.base_url, two.base_url)
    try:
        async with asyncio.timeout(ENOUGH_S):
            await two.holding.wait()
            while not kept_by(settings):
                await asyncio.sleep(0.05)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        await asyncio.to_thread(child.communicate, None, 60)
    two.hold_after = None
    two.let_go.set()
    async with bank(settings, AheadClock(timedelta(minutes=5))) as house:  # its leases have run out
        kept = await count(house, embedding, embedding.c.model == "model-two/24@endpoint")
        assert 0 < kept < len(PAGES) + len(pages)
        sent = len(two.texts)
        assert (await answered(house, clerk))[1] == ()
        await finish(house)
        ready = await house.index_versions.one(added.stored.id)
        assert (ready.stored.state, ready.failed) == ("ready", 0)
        assert len(two.texts) - sent == len(PAGES) + len(pages) - kept, "what was kept is not asked for again"
        await house.index_versions.switch("two", "askar")
        assert (await answered(house, clerk))[1] == ()
        assert await in_step(house)


async def test_text_goes_to_an_endpoint_only_where_its_residency_allows(
    tmp_path: Path, one: EmbeddingServer, two: EmbeddingServer
) -> None:
    settings = settings_of(
        tmp_path,
        endpoint("one", one, region="kz"),
        endpoint("two", two, region="eu"),
        region="kz",
        residency=(ResidencyRule("home", ("kz",)),),
    )
    async with bank(settings) as house:
        operator, clerk = await filled(house)
        await push(house, operator, "vault", "# Vault\n\nThe vault opens at 9.", residency="home")
        ready = await built(house, "two")
        assert (ready.stored.state, ready.stored.documents) == ("ready", len(PAGES))
        await house.index_versions.switch("two", "askar")
        answer = await ask(house, clerk, "When does the vault open?")
        assert "9" in answer.text and answer.status is AnswerStatus.DELIVERED
        assert any("vault" in text.lower() for text in one.texts)
        assert not any("The vault opens" in text for text in two.texts)
        assert (await house.health.ready()).degraded == (
            "the index and the embedding model are still warming up",
        )


async def test_the_same_model_with_other_vectors_is_another_model(
    tmp_path: Path, one: EmbeddingServer
) -> None:
    async with EmbeddingServer(32) as longer:
        short = endpoint("one", one)
        long = replace(endpoint("long", longer), model=short.model)
        async with bank(settings_of(tmp_path, short)) as house:
            _, clerk = await filled(house)
        async with bank(settings_of(tmp_path, long, short)) as house:
            await built(house, "long")
            await house.index_versions.switch("long", "askar")
            assert (await answered(house, clerk))[1] == ()
            lengths = await vectors(house)
            assert lengths == {"model-one/16@endpoint": {16}, "model-one/32@endpoint": {32}}


async def test_erasing_removes_the_vectors_of_every_model(
    tmp_path: Path, one: EmbeddingServer, two: EmbeddingServer
) -> None:
    settings = settings_of(tmp_path, endpoint("one", one), endpoint("two", two))
    async with bank(settings) as house:
        operator, clerk = await people_of(house)
        received = await push(house, operator, "parking", PAGES["parking"])
        await built(house, "two")
        assert await count(house, embedding) == 2
        job_id = await house.library.erase(operator, received.document_id)
        await house.worker.drain()
        done = await house.library.job(operator, job_id)
        assert done.result is not None and done.result["complete"], done.result
        assert await count(house, embedding) == 0
        for name in ("two", "one"):
            assert (await ask(house, clerk, QUESTION)).status is AnswerStatus.REFUSED, name
            await house.index_versions.switch("two", "askar")


async def test_dropping_a_version_removes_the_vectors_of_its_model(
    tmp_path: Path, one: EmbeddingServer, two: EmbeddingServer
) -> None:
    settings = settings_of(tmp_path, endpoint("one", one), endpoint("two", two))
    async with bank(settings) as house:
        _, clerk = await filled(house)
        ready = await built(house, "two")
        await house.index_versions.drop(ready.stored.id, "askar")
        with pytest.raises(Conflict) as too_soon:
            await begun(house, "two")
        assert too_soon.value.code == "index_version_dropping"
        await house.worker.drain()
        assert set(await vectors(house)) == {"model-one/16@endpoint"}
        assert len(list((house.workspace.state / "index").iterdir())) <= 1
        assert (await built(house, "two")).stored.state == "ready"
        assert (await answered(house, clerk))[1] == ()


async def test_words_only_is_a_version_too(tmp_path: Path, one: EmbeddingServer) -> None:
    async with bank(settings_of(tmp_path, endpoint("one", one))) as house:
        _, clerk = await filled(house)
        ready = await built(house, "none")
        assert (ready.stored.state, ready.stored.version.embedder, ready.embedder) == ("ready", "", "none")
        await house.index_versions.switch("none", "askar")
        asked = len(one.texts)
        assert (await answered(house, clerk))[1] == () and len(one.texts) == asked
        with pytest.raises(UsageError) as unknown:
            await begun(house, "three")
        assert unknown.value.code == "embedder_unknown" and "one, none" in unknown.value.hint
