"""A held answer in time: its deadline, what an admin sees then, and whom the webhook tells."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from countersign.app.founding import found
from countersign.app.house import House, open_house
from countersign.domain.answers import Answer, AnswerStatus, Question
from countersign.domain.workspace import HoldRules, Secret, WebhookSettings
from countersign.review.desk import Review
from countersign.testing.jobs_suite import MovableClock
from countersign.testing.notifiers import WebhookReceiver
from tests.workspaces import assistant, person, process, workspace, write_files

pytestmark = pytest.mark.anyio
SECRET = "a-shared-secret-of-some-length"
FEE = "What is the monthly fee of the Gold card?"
HALF_HOUR = 1800.0


@asynccontextmanager
async def opened_at(
    root: Path, clock: MovableClock, webhook: WebhookSettings | None = None
) -> AsyncIterator[House]:
    write_files(
        root / "files",
        {"fee.md": "# Cards\n\nThe monthly fee of the Gold card is 990 tenge."},
        [{"file": "fee.md", "acl": ["group:staff"]}],
    )
    holding = HoldRules(everything=True)
    quick = replace(process(), deadline=timedelta(minutes=10))
    settings = workspace(
        root,
        assistants={
            "staff-help": assistant(hold_when=holding),
            "quick": assistant("quick", hold_when=holding, process=quick),
        },
        webhook=webhook,
    )
    found(settings)
    house = await open_house(settings, model_cache=root / "cache", owner=True, clock=clock)
    try:
        await house.sync("intranet", lambda step: None)
        await house.worker.drain()
        yield house
    finally:
        await house.close()


def now() -> MovableClock:
    """Keys of people are good from this moment on."""
    return MovableClock(datetime.now(UTC))


async def ask(house: House, name: str = "staff-help") -> Answer:
    asker = await person(house, "aigerim", ["staff"])
    return await house.asking.ask(asker, Question(name, FEE))


async def only(
    house: House, reader: str, *groups: str, roles: tuple[str, ...] = ("reviewer",)
) -> list[Review]:
    return await house.desk.queue(await person(house, reader, groups, roles=roles))


async def test_a_deadline_moves_the_item_up_to_the_admins_and_never_delivers(tmp_path: Path) -> None:
    clock = now()
    async with opened_at(tmp_path, clock) as house:
        held = await ask(house)
        assert held.status is AnswerStatus.HELD
        boss = ("reviewer", "admin")
        assert await only(house, "dana", "staff", roles=boss) == []
        saule = await person(house, "saule", ["quality", "staff"], roles=["reviewer"])
        [item] = await house.desk.queue(saule)
        await house.desk.claim(saule, item.review_id)

        clock.advance(HALF_HOUR - 1)
        await house.worker.drain()
        [item] = await house.desk.queue(saule)
        assert (item.state, item.overdue(clock.now())) == ("claimed", False)

        clock.advance(2)
        await house.worker.drain()
        await house.worker.drain()
        [seen] = await only(house, "dana", "staff", roles=boss)
        assert (seen.state, seen.claimed_by, seen.overdue(clock.now())) == ("escalated", "", True)
        asker = await person(house, "aigerim", ["staff"])
        assert (await house.desk.answer(asker, held.answer_id)).answer.status is AnswerStatus.HELD
        story = await house.ledger.story(asker, held.answer_id)
        assert [event.kind for event in story.events].count("review.overdue") == 1

        await house.desk.decide(await person(house, "dana", ["staff"], roles=boss), seen.review_id, "approve")
        assert (await house.desk.answer(asker, held.answer_id)).answer.status is AnswerStatus.DELIVERED
        dana = await person(house, "dana", ["staff"], roles=boss)
        assert [done.decided_by for done in await house.desk.queue(dana, "decided")] == ["dana"]


async def test_what_was_decided_in_time_is_left_alone(tmp_path: Path) -> None:
    clock = now()
    async with opened_at(tmp_path, clock) as house:
        held = await ask(house)
        saule = await person(house, "saule", ["quality", "staff"], roles=["reviewer"])
        [item] = await house.desk.queue(saule)
        await house.desk.decide(saule, item.review_id, "approve")
        clock.advance(HALF_HOUR + 1)
        await house.worker.drain()
        asker = await person(house, "aigerim", ["staff"])
        story = await house.ledger.story(asker, held.answer_id)
        assert "review.overdue" not in [event.kind for event in story.events]
        assert (await house.desk.review(saule, item.review_id)).review.state == "decided"


async def test_a_deadline_survives_the_process(tmp_path: Path) -> None:
    clock = now()
    async with opened_at(tmp_path, clock) as house:
        await ask(house)
    clock.advance(HALF_HOUR + 1)
    async with opened_at(tmp_path, clock) as house:
        [seen] = await only(house, "saule", "quality", "staff")
        assert seen.state == "escalated"


async def test_the_nearest_deadline_stands_in_front_and_pages_follow_it(tmp_path: Path) -> None:
    clock = now()
    async with opened_at(tmp_path, clock) as house:
        slow = [(await ask(house)).answer_id, (await ask(house)).answer_id]
        clock.advance(60)
        quick = (await ask(house, "quick")).answer_id
        saule = await person(house, "saule", ["quality", "staff"], roles=["reviewer"])
        items = await house.desk.queue(saule)
        assert [item.answer_id for item in items] == [quick, *slow]
        paged: list[str] = []
        cursor = ""
        while page := await house.desk.queue(saule, "open", 1, cursor):
            paged.append(page[0].answer_id)
            cursor = page[0].review_id
        assert paged == [quick, *slow]


def hook(url: str, region: str = "kz") -> WebhookSettings:
    return WebhookSettings(url, Secret("${env:HOOK}", SECRET), region, 2.0)


async def test_the_webhook_is_told_of_every_turn_with_ids_only(tmp_path: Path) -> None:
    clock = now()
    async with WebhookReceiver(SECRET) as receiver, opened_at(tmp_path, clock, hook(receiver.url)) as house:
        held = await ask(house)
        await house.worker.drain()
        clock.advance(HALF_HOUR + 1)
        await house.worker.drain()
        await house.worker.drain()
        saule = await person(house, "saule", ["quality", "staff"], roles=["reviewer"])
        [item] = await house.desk.queue(saule)
        await house.desk.decide(saule, item.review_id, "edit", "It is 990 tenge, said Saule.")
        await house.worker.drain()
        told = [(body["event"], body["status"]) for body in receiver.bodies]
        assert told == [
            ("review.opened", "held"),
            ("review.overdue", "held"),
            ("review.decided", "delivered"),
        ]
        assert {body["answer_id"] for body in receiver.bodies} == {held.answer_id}
        assert {body["review_id"] for body in receiver.bodies} == {item.review_id}
        everything = json.dumps(receiver.bodies)
        for text in ("990", "Gold", "aigerim", "saule", "Saule"):
            assert text not in everything


async def test_an_escalation_is_not_a_result(tmp_path: Path) -> None:
    clock = now()
    async with WebhookReceiver(SECRET) as receiver, opened_at(tmp_path, clock, hook(receiver.url)) as house:
        await ask(house)
        saule = await person(house, "saule", ["quality", "staff"], roles=["reviewer"])
        [item] = await house.desk.queue(saule)
        await house.desk.decide(saule, item.review_id, "escalate", reason="I am not sure")
        await house.worker.drain()
        assert [body["event"] for body in receiver.bodies] == ["review.opened"]


async def test_a_receiver_that_is_down_gets_the_same_notice_later(tmp_path: Path) -> None:
    clock = now()
    failing = WebhookReceiver(SECRET, (503, 302, 404, 429, 500, 503, 503))
    async with failing as receiver, opened_at(tmp_path, clock, hook(receiver.url)) as house:
        held = await ask(house)
        for _ in range(9):
            await house.worker.drain()
            clock.advance(20 if receiver.attempts < 3 else 600)
        assert receiver.statuses == []
        assert [b["answer_id"] for b in receiver.bodies if b["event"] == "review.opened"] == [held.answer_id]


async def test_ids_stay_where_their_documents_must_stay(tmp_path: Path) -> None:
    clock = now()
    async with (
        WebhookReceiver(SECRET) as receiver,
        opened_at(tmp_path, clock, hook(receiver.url, region="eu")) as house,
    ):
        await ask(house)
        await house.worker.drain()
        assert receiver.attempts == 0


async def test_without_a_webhook_nothing_is_queued(tmp_path: Path) -> None:
    clock = now()
    async with opened_at(tmp_path, clock) as house:
        await ask(house)
        assert await house.jobs.pending() == 0  # the deadline is only scheduled
        clock.advance(31 * 60)
        assert await house.jobs.pending() == 1
