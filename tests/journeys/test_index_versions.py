"""Index versions beside each other: built while the live one answers, fresh, switched to, reverted, given up."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from countersign.access.principal import Principal
from countersign.app.house import House, open_house
from countersign.app.index_versions import ListedVersion
from countersign.app.library import Change
from countersign.domain.answers import AnswerStatus, Question
from countersign.domain.errors import Conflict, NotFound, UsageError
from countersign.domain.events import EventKind
from countersign.domain.workspace import HoldRules, ShadowRules
from countersign.retrieval.fusion import FusionWeights
from countersign.retrieval.settings import RetrievalSettings
from countersign.retrieval.upkeep import compare
from countersign.retrieval.version import Chunking, IndexVersion, Shape
from countersign.storage.index_versions import CUT_JOB, add_version, switch
from countersign.storage.shadow_results import compared
from countersign.storage.tables import (
    answer_passage,
    document_version,
    event,
    job,
    passage,
)
from tests import workspaces
from tests.journeys.parts import MovableClock, ask, mail, push, rows_of, said_in
from tests.workspaces import assistant, person, workspace

pytestmark = pytest.mark.anyio

SMALL, LARGE = Chunking(32, 48), Chunking(600, 800)
LIVE = Chunking().key
SECTIONS = [
    ("Leave", "Annual leave is 30 calendar days. It is granted by the head of the department in writing."),
    ("Roaming", "Roaming in Uzbekistan costs 45 tenge a minute. Data in roaming is billed by the megabyte."),
    (
        "Parking",
        "Parking in the yard costs 700 tenge an hour. The first quarter of an hour is free of charge.",
    ),
    ("Badges", "A lost badge is replaced for 2500 tenge. The security desk on the ground floor issues it."),
]
HANDBOOK = "\n\n".join(f"# {title}\n\n{text} {text.upper()}" for title, text in SECTIONS)
QUESTION = "How much does parking in the yard cost an hour?"


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> dict[str, str]:
    """What a workspace has to be told, so that its facts lie in either database."""
    return {"database": request.getfixturevalue("postgres_url")} if request.param == "postgres" else {}


def version(chunking: Chunking = SMALL, **settings: Any) -> IndexVersion:
    return IndexVersion(chunking, "", replace(RetrievalSettings(), **settings))


@asynccontextmanager
async def bank(root: Path, **changes: Any) -> AsyncGenerator[House]:
    clock = MovableClock()
    settings = workspace(root, sources={"push": workspace(root).sources["push"]}, **changes)
    workspaces.found(settings)
    house = await open_house(settings, model_cache=root / "cache", owner=True, clock=clock)
    try:
        yield house
    finally:
        await house.close()


async def operator_of(house: House) -> Principal:
    return await person(house, "askar", roles=["operator"])


async def finish(house: House) -> None:
    """Until nothing is being built, as the owner's work in the background would."""
    for _ in range(200):
        await house.index_versions.tend()
        await house.worker.drain()
        listed = await house.index_versions.list()
        if all(each.stored.state != "building" or each.stuck for each in listed):
            return
    raise AssertionError("it is never ready")


async def built(house: House, wanted: IndexVersion, name: str = "") -> ListedVersion:
    added = await house.index_versions.build(wanted, name, "askar")
    await finish(house)
    return await house.index_versions.one(added.stored.id)


async def passages(house: House, chunking: str, *, live: bool = True) -> list[Any]:
    def read(connection: Connection) -> list[Any]:
        mine = passage.c.chunking == chunking, passage.c.live.is_(live)
        query = select(passage).where(*mine).order_by(passage.c.document_id, passage.c.ordinal)
        return list(connection.execute(query).mappings())

    return await house.database.read(read)


async def count(house: House, table: Any, *where: Any) -> int:
    def read(connection: Connection) -> int:
        return connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one()

    return await house.database.read(read)


async def events(house: House, kind: EventKind) -> list[Any]:
    def read(connection: Connection) -> list[Any]:
        return list(
            connection.execute(select(event).where(event.c.kind == kind).order_by(event.c.seq)).mappings()
        )

    return await house.database.read(read)


async def in_step(house: House, chunking: str) -> bool:
    """Whether the index of one way of cutting holds exactly what the database says."""
    shape = Shape(chunking)
    await house.shelves.apply(shape)
    store, index = house.shelves.store(shape), await house.shelves.to_write(shape, "bank")
    return (await compare(store, index, "bank")).equal


def folders(house: House) -> int:
    return len(list((house.workspace.state / "index").iterdir()))


async def test_a_workspace_begins_with_one_version_that_answers(tmp_path: Path) -> None:
    async with bank(tmp_path) as house:
        [first] = await house.index_versions.list()
        assert (first.stored.state, first.stored.version) == ("live", IndexVersion())
        assert (first.stored.turn, first.servable) == (1, True)
        serving = await house.shelves.current()
        assert serving.id == first.stored.id == IndexVersion().id
        with pytest.raises(Conflict) as nothing_before:
            await house.index_versions.revert("askar")
        assert nothing_before.value.code == "index_version_none_before"
    async with bank(tmp_path) as again:
        assert len(await again.index_versions.list()) == 1


async def test_one_is_built_beside_and_the_next_question_is_answered_from_it(
    tmp_path: Path, database: dict[str, str]
) -> None:
    async with bank(tmp_path, **database) as house:
        operator, clerk = await operator_of(house), await person(house, "aigerim")
        await push(house, operator, "handbook", HANDBOOK)
        before = await ask(house, clerk, QUESTION)
        assert "700" in before.text
        added = await house.index_versions.build(version(), "small passages", "askar")
        assert added.stored.state == "building"
        with pytest.raises(Conflict) as early:
            await house.index_versions.switch(added.stored.id, "askar")
        assert early.value.code == "index_version_building"
        await finish(house)
        ready = await house.index_versions.one("small passages")
        assert (ready.stored.state, ready.done, ready.failed) == ("ready", 1, 0)
        assert len(await passages(house, SMALL.key)) > len(await passages(house, LIVE))
        assert (await ask(house, clerk, QUESTION)).release == before.release
        await house.index_versions.switch("small passages", "askar")
        after = await ask(house, clerk, QUESTION)
        assert "700" in after.text and after.release != before.release
        shown = await house.desk.answer(clerk, after.answer_id)
        assert shown.answer.release == after.release
        used = {row["id"] for row in await passages(house, SMALL.key)}
        assert {int(row.passage_id) for row in await passages_of(house, after.answer_id)} <= used
        assert await in_step(house, SMALL.key) and await in_step(house, LIVE)
        await house.index_versions.revert("askar")
        assert (await ask(house, clerk, QUESTION)).release == before.release
        await house.index_versions.revert("askar")
        assert (await ask(house, clerk, QUESTION)).release == after.release
        said = [
            (json.loads(each["facts"])["reverted"], each["subject"])
            for each in await events(house, EventKind.INDEX_SWITCHED)
        ]
        small, first = ready.stored.id, IndexVersion().id
        assert said == [(False, small), (True, first), (True, small)]
        assert len(await events(house, EventKind.INDEX_VERSION_READY)) == 1


async def passages_of(house: House, answer_id: str) -> list[Any]:
    def read(connection: Connection) -> list[Any]:
        return list(connection.execute(select(answer_passage).where(answer_passage.c.answer_id == answer_id)))

    return await house.database.read(read)


async def test_other_settings_alone_are_ready_at_once_on_the_same_passages(tmp_path: Path) -> None:
    async with bank(tmp_path) as house:
        operator, clerk = await operator_of(house), await person(house, "aigerim")
        await push(house, operator, "handbook", HANDBOOK)
        first = await ask(house, clerk, QUESTION)
        wanted = version(Chunking(), neighbours=0, weights=FusionWeights(words_share=0.9))
        added = await house.index_versions.build(wanted, "", "askar")
        assert added.stored.state == "ready" and await count(house, job, job.c.kind == CUT_JOB) == 0
        await house.index_versions.switch(added.stored.id, "askar")
        second = await ask(house, clerk, QUESTION)
        assert second.release != first.release and "700" in second.text
        assert house.retriever._settings == wanted.settings  # pyright: ignore[reportPrivateUsage]
        assert folders(house) == 1


async def test_what_comes_in_changes_or_goes_reaches_every_version_in_one_commit(
    tmp_path: Path, database: dict[str, str]
) -> None:
    async with bank(tmp_path, **database) as house:
        operator, clerk = await operator_of(house), await person(house, "aigerim")
        board = await person(house, "dana", ["board"])
        await push(house, operator, "handbook", HANDBOOK)
        small = (await built(house, version())).stored.id
        letter = mail(
            "The gym costs 900 tenge a month.", {"rules.txt": "Towels at the gym are free of charge."}
        )
        await push(house, operator, "letter.eml", letter, mime="message/rfc822")
        await push(house, operator, "handbook", HANDBOOK.replace("700", "800"))
        both = [await passages(house, key) for key in (LIVE, SMALL.key)]
        assert all({row["version"] for row in rows if "800" in row["text"]} == {2} for rows in both)
        assert all(any("Towels" in row["text"] for row in rows) for rows in both)
        assert {row["document_id"] for row in both[0]} == {row["document_id"] for row in both[1]}

        [handbook] = await rows_of(house, "handbook")
        await house.library.change(operator, handbook["id"], Change(any_of=("group:board",)))
        changed = [await passages(house, key) for key in (LIVE, SMALL.key)]
        narrow = [
            {row["rights_id"] for row in rows if row["document_id"] == handbook["id"]} for rows in changed
        ]
        assert narrow[0] == narrow[1] != {handbook["rights_id"]} and len(narrow[0]) == 1
        await house.index_versions.switch(small, "askar")
        assert "800" not in said_in(await ask(house, clerk, QUESTION))
        assert "800" in (await ask(house, board, QUESTION)).text

        await house.library.delete(operator, handbook["id"])
        gone = [await passages(house, key) for key in (LIVE, SMALL.key)]
        assert all(handbook["id"] not in {row["document_id"] for row in rows} for rows in gone)
        assert (await ask(house, board, QUESTION)).status is AnswerStatus.REFUSED
        await house.index_versions.revert("askar")
        assert (await ask(house, board, QUESTION)).status is AnswerStatus.REFUSED
        assert await in_step(house, SMALL.key) and await in_step(house, LIVE)


async def test_every_passage_opens_with_what_its_document_calls_itself(tmp_path: Path) -> None:
    async with bank(tmp_path) as house:
        await push(house, await operator_of(house), "yard", "# Rules of the yard\n\n" + HANDBOOK)
        await built(house, version())
        for chunking in (LIVE, SMALL.key):
            found = await passages(house, chunking)
            assert found
            assert {row["index_text"].split("\n")[0] for row in found} == {"Rules of the yard"}


async def test_a_successor_ends_the_passages_of_every_version(tmp_path: Path) -> None:
    async with bank(tmp_path) as house:
        operator, clerk = await operator_of(house), await person(house, "aigerim")
        await push(house, operator, "fees-old", "# Fees\n\nParking in the yard costs 500 tenge an hour.")
        small = (await built(house, version())).stored.id
        await push(
            house,
            operator,
            "fees-new",
            "# Fees\n\nParking in the yard costs 650 tenge an hour.",
            supersedes="fees-old",
        )
        for _ in range(2):
            answer = await ask(house, clerk, QUESTION)
            assert "650" in answer.text and "500" not in said_in(answer)
            await house.index_versions.switch(small, "askar")


async def test_erasing_reaches_every_version_and_proves_it(tmp_path: Path, database: dict[str, str]) -> None:
    async with bank(tmp_path, **database) as house:
        operator, clerk = await operator_of(house), await person(house, "aigerim")
        received = await push(house, operator, "handbook", HANDBOOK)
        await push(house, operator, "gym", "# Gym\n\nThe gym on the second floor costs 900 tenge a month.")
        large = (await built(house, version(LARGE))).stored.id
        dropped = (await built(house, version())).stored.id
        await house.index_versions.drop(dropped, "askar")
        job_id = await house.library.erase(operator, received.document_id)
        await house.worker.drain()
        done = await house.library.job(operator, job_id)
        assert done.result is not None and done.result["complete"], done.result
        assert await count(house, passage, passage.c.document_id == received.document_id) == 0
        for chosen in (large, IndexVersion().id):
            await house.index_versions.switch(chosen, "askar")
            assert (await ask(house, clerk, QUESTION)).status is AnswerStatus.REFUSED
            assert "900" in (await ask(house, clerk, "What does the gym cost a month?")).text
        assert await in_step(house, LARGE.key) and await in_step(house, LIVE)
        assert folders(house) == 2


async def test_an_old_answer_stays_readable_and_its_review_can_be_decided(
    tmp_path: Path, database: dict[str, str]
) -> None:
    held = assistant(hold_when=HoldRules(everything=True))
    async with bank(tmp_path, assistants={"staff-help": held}, **database) as house:
        operator, clerk = await operator_of(house), await person(house, "aigerim")
        quality = await person(house, "quality", ["quality"], roles=["reviewer"])
        await push(house, operator, "handbook", HANDBOOK)
        small = (await built(house, version())).stored.id
        waiting = [await ask(house, clerk, QUESTION) for _ in range(2)]
        assert all(each.status is AnswerStatus.HELD for each in waiting)
        await house.index_versions.switch(small, "askar")
        await house.index_versions.drop(IndexVersion().id, "askar")
        assert isinstance(house.clock, MovableClock)
        await house.worker.drain()
        assert await passages(house, LIVE)  # questions under way may still need them
        house.clock.ahead = timedelta(minutes=6)
        await house.worker.drain()
        assert await passages(house, LIVE) == [] and folders(house) == 1
        reviews = await house.desk.queue(quality)
        assert len(reviews) == 2
        for review in reviews:
            await house.desk.claim(quality, review.review_id)
            await house.desk.decide(quality, review.review_id, "approve")
        for each in waiting:
            shown = await house.desk.answer(clerk, each.answer_id)
            assert "700" in shown.answer.text and not shown.withheld
            cited = await house.desk.citation(clerk, shown.answer.citations[0].citation_id)
            assert "700" in cited.passage_text


async def test_every_process_answers_from_what_one_of_them_switched_to(tmp_path: Path) -> None:
    async with bank(tmp_path) as owner:
        operator, clerk = await operator_of(owner), await person(owner, "aigerim")
        await push(owner, operator, "handbook", HANDBOOK)
        reader = await open_house(owner.workspace, model_cache=tmp_path / "cache", owner=False)
        try:
            first = await ask(reader, clerk, QUESTION)
            small = (await built(owner, version())).stored.id
            await reader.index_versions.switch(small, "askar")
            for house in (owner, reader):
                answer = await ask(house, clerk, QUESTION)
                assert "700" in answer.text and answer.release != first.release
                assert (await house.shelves.current()).id == small
            await push(
                owner, operator, "gym", "# Gym\n\nThe gym on the second floor costs 900 tenge a month."
            )
            assert "900" in (await ask(reader, clerk, "What does the gym cost a month?")).text
            await owner.index_versions.revert("askar")
            assert (await ask(reader, clerk, QUESTION)).release == first.release
        finally:
            await reader.close()


async def test_a_question_under_way_ends_on_the_version_that_it_began_with(tmp_path: Path) -> None:
    async with bank(tmp_path) as house:
        operator, clerk = await operator_of(house), await person(house, "aigerim")
        await push(house, operator, "handbook", HANDBOOK)
        before = (await ask(house, clerk, QUESTION)).release
        small = (await built(house, version())).stored.id

        def switch_meanwhile(step: str) -> None:
            if step == "retrieve":
                house.database.write_now(switch, small, house.clock.now())

        question = Question("staff-help", QUESTION)
        under_way = await house.asking.ask(clerk, question, switch_meanwhile)
        assert under_way.release == before and "700" in under_way.text
        assert (await ask(house, clerk, QUESTION)).release != before


async def test_what_is_killed_while_it_builds_goes_on_where_it_was(tmp_path: Path) -> None:
    clock = MovableClock()
    settings = workspace(tmp_path, sources={"push": workspace(tmp_path).sources["push"]})
    workspaces.found(settings)
    house = await open_house(settings, model_cache=tmp_path / "cache", owner=True, clock=clock)
    operator = await operator_of(house)
    for number in range(4):
        await push(
            house,
            operator,
            f"page-{number}",
            f"# Page {number}\n\nThe fee number {number} is {number}00 tenge.",
        )
    added = await house.index_versions.build(version(), "", "askar")
    await house.index_versions.tend()
    [claimed] = await house.jobs.claim("dead", 1, 60.0)
    document = claimed.subject.partition(":")[2]
    await house.index_versions.handlers()[CUT_JOB](claimed)  # done, and killed before it could say so
    await house.close()
    assert claimed.kind == CUT_JOB
    clock.ahead = timedelta(minutes=5)  # its lease has run out
    house = await open_house(settings, model_cache=tmp_path / "cache", owner=True, clock=clock)
    try:
        assert {row["document_id"] for row in await passages(house, SMALL.key)} == {document}
        await finish(house)
        ready = await house.index_versions.one(added.stored.id)
        assert (ready.stored.state, ready.stored.documents) == ("ready", 4)
        rows = await passages(house, SMALL.key)
        assert len(rows) == len({(row["document_id"], row["ordinal"]) for row in rows})
        assert len({row["document_id"] for row in rows}) == 4
        assert await count(house, job, job.c.kind == CUT_JOB) == 0
        assert await in_step(house, SMALL.key)
    finally:
        await house.close()


async def test_what_was_being_read_when_a_version_began_is_in_it(tmp_path: Path) -> None:
    async with bank(tmp_path) as house:
        operator = await operator_of(house)
        chunkers, begun = house.shelves.chunkers, False
        of = chunkers.of

        def begins_meanwhile(chunking: str) -> Any:
            nonlocal begun
            if not begun:
                begun = True
                house.database.write_now(add_version, version(), "", "askar", house.clock.now())
            return of(chunking)

        chunkers.of = begins_meanwhile  # type: ignore[method-assign]
        await push(house, operator, "handbook", HANDBOOK)
        assert await passages(house, SMALL.key) and await passages(house, LIVE)
        await finish(house)
        assert (await house.index_versions.one(version().id)).stored.state == "ready"


async def test_what_can_no_longer_be_read_keeps_its_passages(tmp_path: Path) -> None:
    async with bank(tmp_path) as house:
        operator, clerk = await operator_of(house), await person(house, "aigerim")
        await push(house, operator, "handbook", HANDBOOK)
        await house.blobs.delete(await blob_of(house))
        ready = await built(house, version())
        assert ready.stored.state == "ready"
        texts = [[row["text"] for row in await passages(house, key)] for key in (LIVE, SMALL.key)]
        assert texts[0] == texts[1] != []
        await house.index_versions.switch(ready.stored.id, "askar")
        assert "700" in (await ask(house, clerk, QUESTION)).text


async def blob_of(house: House) -> str:
    def read(connection: Connection) -> str:
        return connection.execute(select(document_version.c.blob)).scalar_one()

    return await house.database.read(read)


async def test_what_fails_is_said_and_tried_again_when_it_is_asked_for_again(tmp_path: Path) -> None:
    async with bank(tmp_path) as house:
        operator = await operator_of(house)
        await push(house, operator, "handbook", HANDBOOK)
        await push(house, operator, "gym", "# Gym\n\nThe gym on the second floor costs 900 tenge a month.")
        handlers = house.worker._handlers  # pyright: ignore[reportPrivateUsage]
        cut = handlers[CUT_JOB]

        async def fails(_: Any) -> Any:
            raise Conflict("no", code="made_up")

        handlers[CUT_JOB] = fails  # type: ignore[index]
        stuck = await built(house, version())
        assert (stuck.stored.state, stuck.failed, stuck.stuck) == ("building", 2, True)
        handlers[CUT_JOB] = cut  # type: ignore[index]
        ready = await built(house, version())
        assert (ready.stored.state, ready.failed, ready.stuck) == ("ready", 0, False)


async def test_what_was_dropped_leaves_nothing_and_can_be_built_again(tmp_path: Path) -> None:
    async with bank(tmp_path) as house:
        operator = await operator_of(house)
        await push(house, operator, "handbook", HANDBOOK)
        await house.bring_up_to_date()
        first = await built(house, version())
        live = IndexVersion().id
        with pytest.raises(Conflict) as answers:
            await house.index_versions.drop(live, "askar")
        assert answers.value.code == "index_version_live"
        await house.index_versions.drop(first.stored.id, "askar")
        with pytest.raises(Conflict) as too_soon:
            await house.index_versions.build(version(), "", "askar")
        assert too_soon.value.code == "index_version_dropping"
        with pytest.raises(Conflict) as gone:
            await house.index_versions.switch(first.stored.id, "askar")
        assert gone.value.code == "index_version_dropped"
        await house.worker.drain()
        assert await passages(house, SMALL.key) == [] and folders(house) == 1
        again = await built(house, version())
        assert again.stored.state == "ready" and await in_step(house, SMALL.key)
        with pytest.raises(NotFound):
            await house.index_versions.switch("idx_none", "askar")
        for wrong in (Chunking(4, 8), Chunking(300, 200), Chunking(100, 90_000)):
            with pytest.raises(UsageError):
                await house.index_versions.build(version(wrong), "", "askar")
        with pytest.raises(Conflict) as other_model:
            await house.index_versions.build(replace(version(), embedder="another"), "", "askar")
        assert other_model.value.code == "index_version_embedder"


async def test_a_candidate_is_compared_on_live_questions_and_only_counts_are_kept(
    tmp_path: Path, database: dict[str, str]
) -> None:
    async with bank(tmp_path, shadow=ShadowRules(share=1.0), **database) as house:
        operator, clerk = await operator_of(house), await person(house, "aigerim")
        await push(house, operator, "handbook", HANDBOOK)
        await push(
            house, operator, "board", "# Board\n\nParking of the board is free.", any_of=("group:board",)
        )
        await ask(house, clerk, QUESTION)
        await house.shadow.drain()
        assert await house.database.read(compared) == []  # nothing is ready beside the live one
        small = (await built(house, version())).stored.id
        for _ in range(30):
            await ask(house, clerk, QUESTION)
        await ask(house, clerk, "What does a helicopter cost?")
        await house.shadow.drain()
        [found] = await house.database.read(compared)
        assert (found.index_version, found.live, found.questions) == (small, IndexVersion().id, 16)
        assert (found.overlap, found.cited, found.cited_found_share, found.cited_mean_rank) == (
            1.0,
            16,
            1.0,
            1.0,
        )
        assert found.live_ms > 0 and found.shadow_ms > 0


async def test_without_the_setting_nothing_is_compared(tmp_path: Path) -> None:
    async with bank(tmp_path) as house:
        operator, clerk = await operator_of(house), await person(house, "aigerim")
        await push(house, operator, "handbook", HANDBOOK)
        await built(house, version())
        await ask(house, clerk, QUESTION)
        await house.shadow.drain()
        assert await house.database.read(compared) == []
