"""Erasing a document through the library's door: job, proof, and nothing of it anywhere afterwards, whatever dies meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from countersign.access.principal import Principal
from countersign.app.founding import found
from countersign.app.house import House, open_house
from countersign.domain.answers import AnswerStatus
from countersign.domain.errors import NotFound, NotPermitted
from countersign.domain.workspace import HoldRules
from countersign.storage.byte_scan import scan
from countersign.storage.erased_text import leftovers
from countersign.storage.tables import answer, document, embedding, event_personal, passage, review
from tests.journeys.parts import AheadClock, ask, index_agrees, mail, push, row_of, run_child, said_in
from tests.workspaces import assistant, opened, person, workspace, write_files

pytestmark = pytest.mark.anyio

LETTER = "Aigerim Sadykova owes 417 250 tenge under contract KZ-88317 since the spring of 2026."
ANNEX = "Құпия қосымша: Айгерім Садыкованың төлем кестесі 12 қаңтар 2027 жылы басталады."
OTHER = "# Tariff\n\nThe tariff of a Silver card is 12 tenge."
OWED = "How much is owed under the contract since the spring of 2026?"
PROBES = ["owes 417 250 tenge", "KZ-88317", "төлем кестесі 12 қаңтар", "Sadykova"]


@dataclass(frozen=True, slots=True)
class Case:
    house: House
    operator: Principal
    clerk: Principal
    reviewer: Principal
    document: str
    delivered: str
    held: str
    review: str


async def furnish(house: House) -> Case:
    operator = await person(house, "operator", ["debt"], ["operator", "auditor"])
    clerk = await person(house, "clerk", ["debt"])
    reviewer = await person(house, "reviewer", ["debt", "quality"], ["reviewer"])
    letter = mail(LETTER, {"annex.txt": ANNEX}, subject="Debt of Sadykova")
    said: dict[str, Any] = {"filename": "debt.eml", "mime": "message/rfc822", "any_of": ("group:debt",)}
    received = await push(
        house, operator, "sadykova-debt", letter, **said, title="Debt of Sadykova", owner="Sadykova"
    )
    await push(house, operator, "tariff", OTHER)
    delivered = await ask(house, clerk, "What is owed under the contract?")
    assert "417 250" in delivered.text
    await house.desk.feedback(
        clerk, delivered.answer_id, "wrong", "Aigerim Sadykova owes 417 250 tenge and more"
    )
    held = await house.asking.ask(clerk, _careful(OWED))
    assert held.status is AnswerStatus.HELD
    [item] = await house.desk.queue(reviewer)
    edited = "Aigerim Sadykova owes 417 250 tenge in all."
    await house.desk.decide(reviewer, item.review_id, "edit", edited, "KZ-88317 was left out")
    return Case(
        house,
        operator,
        clerk,
        reviewer,
        received.document_id,
        delivered.answer_id,
        held.answer_id,
        item.review_id,
    )


def _careful(text: str) -> Any:
    from countersign.domain.answers import Question

    return Question("careful", text)


def settings_of(root: Path) -> Any:
    careful = assistant("careful", hold_when=HoldRules(everything=True))
    return workspace(root, assistants={"staff-help": assistant(), "careful": careful})


@pytest.fixture
async def case(tmp_path: Path) -> AsyncIterator[Case]:
    write_files(tmp_path / "files", {}, [])
    async with opened(settings_of(tmp_path), tmp_path / "cache") as house:
        yield await furnish(house)


def files_with(house: House, *probes: str) -> list[str]:
    return list(scan([house.workspace.state], probes or PROBES).found)


async def texts_left(house: House) -> dict[str, int]:
    return dict(await house.database.read(leftovers, PROBES))


async def test_an_erased_document_is_nowhere(case: Case) -> None:
    house = case.house
    if house.database.is_sqlite:
        assert files_with(house), "the search finds it while it is there"
    assert await texts_left(house)
    job_id = await house.library.erase(case.operator, case.document)
    assert (await ask(house, case.clerk, OWED)).status is AnswerStatus.REFUSED, (
        "from this moment, before any job"
    )
    await house.worker.drain()
    job = await house.library.job(case.operator, job_id)
    assert (job.state, job.error) == ("done", "")
    proof: Any = job.result
    assert proof["complete"] is True
    assert len(proof["documents"]) == 2, "the attachment too"
    assert proof["scan"]["probes"] > 0
    assert proof["scan"]["found"] in ([], ())
    assert all(store["clean"] for store in proof["stores"])
    assert files_with(house) == []
    assert await texts_left(house) == {}
    assert [ref async for ref in house.blobs.refs()] == [(await row_blob(house, "tariff"))]

    def rest(connection: Connection) -> None:
        assert {row.document_id for row in connection.execute(select(passage.c.document_id))} == {
            tariff["id"]
        }
        for row in connection.execute(
            select(answer).where(answer.c.id.in_([case.delivered, case.held]))
        ).mappings():
            assert (row["text"], row["draft"], row["body"]["claims"]) == ("", "", [])
        decided = connection.execute(select(review).where(review.c.id == case.review)).mappings().one()
        assert (decided["decision"], decided["decision_text"], decided["decision_reason"]) == ("edit", "", "")
        assert connection.execute(select(embedding)).first() is None
        assert not any("Sadykova" in row.payload for row in connection.execute(select(event_personal)))

    tariff = await row_of(house, "tariff")
    await house.database.read(rest)
    assert await index_agrees(house)
    await house.checkpointer.sign()
    verified = await house.ledger.verify(case.operator)
    assert verified.ok
    assert verified.personal_erased > 0


async def row_blob(house: House, name: str) -> str:
    row = await row_of(house, name)
    return next(
        d.blob for d in await house.library.list(await person(house, "reader")) if d.document_id == row["id"]
    )


async def test_what_readers_find_where_it_was(case: Case) -> None:
    house = case.house
    citation = (await house.desk.answer(case.clerk, case.delivered)).answer.citations[0].citation_id
    await house.library.erase(case.operator, case.document)
    await house.worker.drain()
    for answer_id in (case.delivered, case.held):
        stored = await house.desk.answer(case.clerk, answer_id)
        assert stored.withheld
        assert not any(word in said_in(stored.answer) for word in PROBES)
        story = await house.ledger.story(case.clerk, answer_id)
        assert not any(word in str(event) for event in story.events for word in PROBES)
    with pytest.raises(NotFound):
        await house.desk.citation(case.clerk, citation)
    gravestone = await house.library.get(case.clerk, case.document)
    assert (gravestone.status, gravestone.title, gravestone.filename, gravestone.owner) == (
        "deleted",
        "",
        "",
        "",
    )
    assert not any(word in str(gravestone) for word in PROBES)
    assert await house.desk.queue(case.reviewer, "decided") == []
    assert {d.external_id for d in await house.library.list(case.clerk)} == {"tariff"}
    again = await ask(house, case.clerk, OWED)
    assert again.status is AnswerStatus.REFUSED
    assert "12 tenge" in (await ask(house, case.clerk, "What is the tariff of a Silver card?")).text


async def test_erasing_twice_keeps_the_first_proof(case: Case) -> None:
    house = case.house
    first = await house.library.erase(case.operator, case.document)
    await house.worker.drain()
    proof = (await house.library.job(case.operator, first)).result
    second = await house.library.erase(case.operator, case.document)
    await house.worker.drain()
    assert second == first
    assert (await house.library.job(case.operator, second)).result == proof
    with pytest.raises((NotFound, NotPermitted)):
        await house.library.erase(case.clerk, case.document)
    with pytest.raises((NotFound, NotPermitted)):
        await house.library.job(case.clerk, first)


async def test_the_same_document_pushed_again_is_a_new_one(case: Case) -> None:
    house = case.house
    await house.library.erase(case.operator, case.document)
    await house.worker.drain()
    again = await push(house, case.operator, "sadykova-debt", LETTER, any_of=("group:debt",))
    assert again.document_id != case.document
    assert "417 250" in (await ask(house, case.clerk, OWED)).text
    assert (await house.desk.answer(case.clerk, case.delivered)).withheld


async def test_an_erasure_while_it_is_being_read_in_leaves_nothing(case: Case) -> None:
    """The document's own job is still queued when the erasure is asked for."""
    house = case.house
    operator = case.operator
    from countersign.app.library import Submission

    said = Submission(filename="late.md", mime="text/markdown", any_of=("group:debt",))
    late = await house.library.put(
        operator, "push", "late", b"# Late\n\nThe late letter of Bolat Zhumabekov.", said
    )
    job_id = await house.library.erase(operator, late.document_id)
    await house.worker.drain()
    proof: Any = (await house.library.job(operator, job_id)).result
    assert proof["complete"] is True
    assert files_with(house, "Bolat Zhumabekov") == []
    assert dict(await house.database.read(leftovers, ["Bolat Zhumabekov"])) == {}
    assert "Bolat" not in said_in(
        await ask(house, case.clerk, "What is in the late letter of Bolat Zhumabekov?")
    )


STEPS = ["ledger", "files", "index", "compaction", "proof"]


@pytest.mark.parametrize("step", STEPS)
async def test_an_erasure_that_dies_is_finished_after_the_restart(tmp_path: Path, step: str) -> None:
    write_files(tmp_path / "files", {}, [])
    async with opened(settings_of(tmp_path), tmp_path / "cache") as house:
        case = await furnish(house)
    child = run_child("erase_and_die", tmp_path, step, case.document)
    printed, _ = child.communicate(timeout=240)
    assert child.returncode == -9
    job_id = printed.strip()
    settings = settings_of(tmp_path)
    found(settings)
    house = await open_house(
        settings, model_cache=tmp_path / "cache", owner=True, clock=AheadClock(timedelta(minutes=2))
    )
    try:
        clerk = await person(house, "clerk", ["debt"])
        assert (await ask(house, clerk, OWED)).status is AnswerStatus.REFUSED, "before the job goes on"
        await house.worker.drain()
        job = await house.library.job(case.operator, job_id)
        proof: Any = job.result
        assert (job.state, proof["complete"]) == ("done", True)
        assert files_with(house) == []
        assert await texts_left(house) == {}
        erased = await house.database.read(
            lambda c: c.execute(select(document.c.reason).where(document.c.id == case.document)).scalar()
        )
        assert erased == "erased"
        assert await index_agrees(house)
        await house.checkpointer.sign()
        assert (await house.ledger.verify(case.operator)).ok
    finally:
        await house.close()
