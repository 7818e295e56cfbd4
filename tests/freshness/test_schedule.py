"""When a source is read again: what may be written, what follows from it, and what one process decides for all."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.app.schedule import AT_ONCE, backoff, due_at
from countersign.domain.clock import iso
from countersign.domain.errors import NotFound, NotPermitted, SourceError, UsageError
from countersign.domain.jobs import SYNC_JOB
from countersign.domain.schedule import parse_schedule
from countersign.domain.workspace import SourceSettings
from countersign.storage.source_state import StateRow
from countersign.testing.scripted_source import ScriptedSource, scripted_settings
from tests.freshness.parts import SOURCE, joined, operator, state
from tests.journeys.parts import MovableClock
from tests.workspaces import person, workspace, write_files

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)  # a Sunday
ALMATY = timezone(timedelta(hours=5))
anyio = pytest.mark.anyio


@pytest.mark.parametrize(
    ("written", "next_"),
    [
        ("every 15m", NOON + timedelta(minutes=15)),
        ("every 90s", NOON + timedelta(seconds=90)),
        ("at 02:30", datetime(2026, 11, 23, 2, 30, tzinfo=UTC)),
        ("at 23:05", datetime(2026, 11, 22, 23, 5, tzinfo=UTC)),
        ("0 2 * * 1-5", datetime(2026, 11, 23, 2, 0, tzinfo=UTC)),
        ("*/20 9-17 * * mon,wed", datetime(2026, 11, 23, 9, 0, tzinfo=UTC)),
        ("30 6 1 jan *", datetime(2027, 1, 1, 6, 30, tzinfo=UTC)),
        ("0 0 29 2 *", datetime(2028, 2, 29, 0, 0, tzinfo=UTC)),
        ("0 0 13 * fri", datetime(2026, 11, 27, 0, 0, tzinfo=UTC)),  # either day, as cron has it
        ("5 12 * * 7", datetime(2026, 11, 22, 12, 5, tzinfo=UTC)),
        ("0 12 * * *", datetime(2026, 11, 23, 12, 0, tzinfo=UTC)),  # strictly later
    ],
)
def test_what_may_be_written(written: str, next_: datetime) -> None:
    assert parse_schedule(written).after(NOON, UTC) == next_


def test_times_are_those_of_the_zone() -> None:
    assert parse_schedule("at 02:30").after(NOON, ALMATY) == datetime(2026, 11, 22, 21, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    ["", "every", "every 5s", "every 2y", "at 25:00", "at 7", "* * * *", "60 * * * *", "0 0 31 2 *", "a b c d e",
     "1-0 * * * *", "*/0 * * * *", "0 0 0 * *", "* * * * * *", "every 999999999999999999d"],
)  # fmt: skip
def test_what_may_not(written: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_schedule(written)


@given(
    st.integers(0, 59),
    st.integers(0, 23),
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001
)
def test_every_day_comes_once_a_day(minute: int, hour: int, moment: datetime) -> None:
    now = moment.replace(tzinfo=UTC)
    due = parse_schedule(f"{minute} {hour} * * *").after(now, ALMATY)
    assert now < due <= now + timedelta(days=1)
    assert (due.astimezone(ALMATY).hour, due.astimezone(ALMATY).minute) == (hour, minute)


def known(**more: object) -> StateRow:
    return StateRow("bank", SOURCE, since=iso(NOON), **more)  # type: ignore[arg-type]


def test_what_is_due_when() -> None:
    by_hand, every = scripted_settings(SOURCE), scripted_settings(SOURCE, schedule=parse_schedule("every 1h"))
    push = SourceSettings("push", "push", schedule=parse_schedule("every 1h"))
    hour = timedelta(hours=1)
    assert due_at(by_hand, known()) is None
    assert due_at(push, known()) is None
    assert due_at(every, known()) == NOON, "the first pass is due at once"
    assert due_at(every, known(attempted=iso(NOON))) == NOON + hour
    assert (
        due_at(by_hand, known(attempted=iso(NOON), asked=iso(NOON + hour), asked_by="asked")) == NOON + hour
    )
    assert due_at(by_hand, known(attempted=iso(NOON + hour), asked=iso(NOON), asked_by="asked")) is None
    failed = {"attempted": iso(NOON), "ended": iso(NOON), "pass_number": 3}
    waits = [backoff(known(failures=n, **failed)) for n in range(1, 12)]
    assert timedelta(seconds=20) < waits[0] < timedelta(seconds=40)
    assert all(a <= b for a, b in pairwise(waits))
    assert waits[-1] <= timedelta(minutes=75)
    often = scripted_settings(SOURCE, schedule=parse_schedule("every 10s"))
    assert due_at(often, known(failures=4, **failed)) == NOON + waits[3], (
        "a schedule does not outrun the wait"
    )
    assert due_at(by_hand, known(failures=1, **failed)) is None
    asked = {"asked": iso(NOON - hour), "asked_by": "asked"}
    assert due_at(by_hand, known(failures=1, **failed, **asked)) == NOON + waits[0]
    assert (
        due_at(by_hand, known(failures=9, **failed, asked=iso(NOON + hour), asked_by="asked")) == NOON + hour
    )
    assert (
        due_at(often, known(failures=9, **failed, asked=iso(NOON + hour), asked_by="watch"))
        == NOON + waits[8]
    )


@anyio
async def test_the_owner_reads_by_the_schedule_and_waits_after_failures(tmp_path: Path) -> None:
    source, clock = ScriptedSource(SOURCE), MovableClock()
    source.put("a", "The code of the note is 1.", "staff")
    async with joined(
        tmp_path, source, clock=clock, described={"schedule": parse_schedule("every 1h")}
    ) as house:

        async def look() -> int:
            queued = await house.scheduler.tick()
            await house.worker.drain()
            return queued

        assert [await look() for _ in range(3)] == [1, 0, 0]
        assert (await state(house)).last.trigger == "schedule"  # type: ignore[union-attr]
        clock.ahead += timedelta(minutes=61)
        source.die_after = 0
        assert [await look(), await look()] == [1, 0]
        found = await state(house)
        assert (found.status, found.failures) == ("failing", 1)
        assert found.next_due is not None and found.next_due - clock.now() < timedelta(minutes=1)
        clock.ahead += timedelta(minutes=1)
        source.die_after = None
        assert await look() == 1
        assert (await state(house)).status == "fresh"


@anyio
async def test_only_a_few_are_read_together(tmp_path: Path) -> None:
    sources = [ScriptedSource(f"s{number}") for number in range(5)]
    async with joined(tmp_path, *sources, described={"schedule": parse_schedule("every 1h")}) as house:
        assert await house.scheduler.tick() == AT_ONCE
        assert await house.scheduler.tick() == 0
        rounds = 0
        while await house.worker.drain() or await house.scheduler.tick():
            rounds += 1
            assert rounds < 10
        assert {one.status for one in await house.freshness.everywhere()} == {"fresh"}


@anyio
async def test_whoever_may_asks_for_a_pass(tmp_path: Path) -> None:
    source = ScriptedSource(SOURCE)
    async with joined(tmp_path, source, described={"publisher_groups": ("editors",)}) as house:
        publisher = await person(house, "editor", ["editors"], roles=["publisher"])
        for who in (await operator(house), publisher):
            asked = await house.freshness.ask(who, SOURCE)
            await house.worker.drain()
            job = await house.jobs.get(asked.job_id)
            assert job is not None and (job.kind, job.state) == (SYNC_JOB, "done")
        assert (await state(house)).last.trigger == "asked"  # type: ignore[union-attr]
        stranger = await person(house, "stranger", roles=["publisher"])
        with pytest.raises(NotPermitted):
            await house.freshness.ask(stranger, SOURCE)
        with pytest.raises(NotPermitted):
            await house.freshness.ask(publisher, SOURCE, accept_removals=True)
        with pytest.raises(UsageError):
            await house.freshness.ask(await operator(house), SOURCE, accept_removals=True)
        with pytest.raises(NotFound):
            await house.freshness.ask(publisher, "nothing")


@anyio
async def test_what_is_asked_during_a_pass_is_read_after_it(tmp_path: Path) -> None:
    source = ScriptedSource(SOURCE)
    source.put("a", "The code of the note is 1.", "staff")
    async with joined(tmp_path, source) as house:
        who, loop = await operator(house), asyncio.get_running_loop()

        def ask_again(number: int) -> None:
            source.before_entry = lambda number: None
            asyncio.run_coroutine_threadsafe(house.freshness.ask(who, SOURCE), loop).result(30)

        source.before_entry = ask_again
        await house.freshness.ask(who, SOURCE)
        await house.worker.drain()
        assert await house.scheduler.tick() == 1
        await house.worker.drain()
        assert len(await house.freshness.passes(who, SOURCE)) == 2
        assert await house.scheduler.tick() == 0


@anyio
async def test_a_pass_of_another_process_is_left_to_end(tmp_path: Path) -> None:
    """A command reads beside the server: its pass is not a job, and the schedule must not overtake it."""
    source, clock = ScriptedSource(SOURCE), MovableClock()
    source.put("a", "The code of the note is 1.", "staff")
    async with joined(
        tmp_path, source, clock=clock, described={"schedule": parse_schedule("every 10s")}
    ) as house:
        loop, queued = asyncio.get_running_loop(), list[int]()

        def look(number: int) -> None:
            clock.ahead += timedelta(minutes=1)
            queued.append(asyncio.run_coroutine_threadsafe(house.scheduler.tick(), loop).result(30))
            clock.ahead += timedelta(minutes=10)  # it told nothing for so long: it is taken for dead
            queued.append(asyncio.run_coroutine_threadsafe(house.scheduler.tick(), loop).result(30))

        source.before_entry = look
        await house.sync(SOURCE, lambda step: None)
        assert queued == [0, 1]


@anyio
async def test_a_change_in_a_watched_folder_begins_a_pass(tmp_path: Path) -> None:
    from countersign.app.founding import found
    from countersign.app.house import open_house

    settings = workspace(
        tmp_path,
        sources={
            "intranet": SourceSettings(
                "intranet", "files", "files", rights_sidecar="manifest.jsonl", watch=True
            )
        },
    )
    write_files(
        tmp_path / "files", {"a.md": "The code of the note is 1."}, [{"file": "a.md", "acl": ["tenant:*"]}]
    )
    found(settings)
    house = await open_house(settings, model_cache=tmp_path / "cache", owner=True)
    try:
        await house.start()

        async def seen(count: int, trigger: str) -> bool:
            now = await state(house, "intranet")
            return now.indexed == count and now.last is not None and trigger in ("", now.last.trigger)

        async with asyncio.timeout(240):
            while not await seen(1, ""):
                await asyncio.sleep(0.1)
            while not await seen(2, "watch"):  # until the watch has begun, changes go unseen
                write_files(
                    tmp_path / "files",
                    {"b.md": "The code of the other is 2."},
                    [{"file": name, "acl": ["tenant:*"]} for name in ("a.md", "b.md")],
                )
                await asyncio.sleep(0.3)
    finally:
        await house.close()


@anyio
async def test_a_source_whose_connector_cannot_be_opened_fails_and_waits(tmp_path: Path) -> None:
    class Broken(ScriptedSource):
        def list(self):
            raise SourceError("no", code="source_unavailable", hint="Look.")

    clock = MovableClock()
    async with joined(
        tmp_path, Broken(SOURCE), clock=clock, described={"schedule": parse_schedule("every 10s")}
    ) as house:
        for _ in range(5):
            await house.scheduler.tick()
            await house.worker.drain()
        assert (await state(house)).failures == 1, "it is not tried at every look"
