"""`max_age`: told once when it is breached and once when it is kept again, said in answers, shown everywhere."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from countersign.app.founding import found
from countersign.app.house import open_house
from countersign.app.library import Submission
from countersign.domain.answers import AnswerStatus, RefusalReason
from countersign.domain.errors import SourceError
from countersign.domain.workspace import MailSettings, RefuseRules, Secret, SourceSettings, WebhookSettings
from countersign.testing.notifiers import WebhookReceiver
from countersign.testing.scripted_source import ScriptedSource
from tests.freshness.parts import FEE, SOURCE, answer, fee, joined, operator, state, sync
from tests.freshness.smtp import MailSink
from tests.journeys.parts import MovableClock
from tests.workspaces import person, workspace

pytestmark = pytest.mark.anyio
DAY = timedelta(hours=24)
SECRET = "a-shared-secret-of-some-length"


def library() -> ScriptedSource:
    source = ScriptedSource(SOURCE)
    source.put("fee", fee(990), "staff")
    return source


async def test_a_breach_is_told_once_and_its_end_once(tmp_path: Path) -> None:
    source, clock = library(), MovableClock()
    async with WebhookReceiver(SECRET) as hook, MailSink() as sink:
        webhook = WebhookSettings(hook.url, Secret("${env:HOOK}", SECRET), timeout_s=20)
        mail = MailSettings(
            "127.0.0.1", "house@bank.test", ("ops@bank.test",), sink.port, "none", timeout_s=20
        )
        told = {"webhook": webhook, "mail": mail}
        async with joined(tmp_path, source, clock=clock, described={"max_age": DAY}, **told) as house:

            async def look() -> list[str]:
                for _ in range(3):
                    await house.scheduler.tick()
                    await house.worker.drain()
                events = [body["event"] for body in hook.bodies]
                assert [str(m["Subject"]).split(" ")[0] for m in sink.messages] == ["[tolkyn]"] * len(events)
                return events

            await sync(house)
            assert await look() == []
            clock.ahead += DAY + timedelta(minutes=1)
            assert await look() == ["source.stale"]
            found = await state(house)
            assert (found.status, found.is_late) == ("stale", True)
            source.die_after = 0
            with pytest.raises(SourceError):
                await house.sync(SOURCE, lambda step: None)
            assert await look() == ["source.stale"], "a failed pass is no recovery"
            source.die_after = None
            await sync(house)
            assert await look() == ["source.stale", "source.recovered"]
            clock.ahead += DAY + timedelta(minutes=1)
            assert await look() == ["source.stale", "source.recovered", "source.stale"]
            assert hook.bodies[0] | {"notice_id": "", "occurred": "", "synced": ""} == {
                "notice_id": "", "event": "source.stale", "occurred": "", "tenant": "bank", "source": SOURCE,
                "synced": "", "error": "",
            }  # fmt: skip
            auditor = await person(house, "auditor", roles=["auditor"])
            kinds = [event.kind for event in await house.ledger.events(auditor)]
            assert sorted(k for k in kinds if k in ("source.stale", "source.recovered")) == [
                "source.recovered", "source.stale", "source.stale",
            ]  # fmt: skip


async def test_a_source_that_was_never_read_is_late_from_when_it_was_first_known(tmp_path: Path) -> None:
    clock = MovableClock()
    async with joined(tmp_path, library(), clock=clock, described={"max_age": DAY}) as house:
        await house.scheduler.tick()
        assert ((await state(house)).status, (await state(house)).is_late) == ("never_read", False)
        clock.ahead += 2 * DAY
        found = await state(house)
        assert (found.status, found.is_late, found.lag_s) == ("never_read", True, None)


async def test_an_answer_says_how_old_its_source_is_or_is_refused(tmp_path: Path) -> None:
    source, clock = library(), MovableClock()
    rules = {"refuse_when": RefuseRules(source_older_than=3 * DAY)}
    async with joined(tmp_path, source, clock=clock, described={"max_age": DAY}, helper=rules) as house:
        await sync(house)
        confirmed = (await state(house)).synced
        fresh = await answer(house, FEE, "staff")
        assert confirmed is not None
        assert (fresh.warnings, confirmed - fresh.as_of < timedelta(minutes=1)) == ((), True)
        clock.ahead += timedelta(hours=26)
        late = await answer(house, FEE, "staff")
        assert (late.status, late.warnings) == (AnswerStatus.DELIVERED, (f"source_stale:{SOURCE}, 26 h",))
        assert late.as_of == fresh.as_of
        clock.ahead += 2 * DAY
        refused = await answer(house, FEE, "staff")
        assert refused.refusal is RefusalReason.SOURCE_TOO_OLD
        await sync(house)
        assert (await answer(house, FEE, "staff")).warnings == ()


async def test_a_document_that_could_not_be_read_is_as_old_as_its_content(tmp_path: Path) -> None:
    source, clock = library(), MovableClock()
    async with joined(tmp_path, source, clock=clock, described={"max_age": DAY}) as house:
        await sync(house)
        clock.ahead += timedelta(days=5)
        source.put("fee", fee(1500), "staff")
        source.unreadable.add("fee")
        await sync(house)
        assert (await state(house)).is_late is False, "the source itself was read"
        late = await answer(house, FEE, "staff")
        assert ("990" in late.text, late.warnings) == (True, (f"source_stale:{SOURCE}, 5 d",))


async def test_figures_are_of_one_tenant_and_for_those_who_run_it(tmp_path: Path) -> None:
    source = library()
    source.put("other", fee(5), "staff", tenant="telecom")
    source.put("odd.pdf", b"%PDF-1.4", "staff")
    async with joined(tmp_path, source, tenants=("bank", "telecom"), described={"max_age": DAY}) as house:
        await sync(house)
        bank, telecom = await state(house), await state(house, tenant="telecom")
        assert (bank.documents, bank.indexed, bank.failed, bank.coverage) == (2, 1, 1, 0.5)
        assert (telecom.documents, telecom.coverage) == (1, 1.0)
        assert bank.last is not None and telecom.last is not None
        assert (bank.last.listed, telecom.last.listed) == (2, 1)
        who = await operator(house)
        assert [one.tenant for one in await house.freshness.sources(who)] == ["bank"]
        assert house.freshness.may_ask(who, SOURCE)
        assert not house.freshness.may_ask(await person(house, "clerk"), SOURCE)


async def test_a_source_that_is_pushed_to_is_late_when_nothing_was_pushed(tmp_path: Path) -> None:
    clock = MovableClock()
    push = SourceSettings(name="push", connector="push", max_age=DAY)
    async with WebhookReceiver(SECRET) as hook:
        webhook = WebhookSettings(hook.url, Secret("${env:HOOK}", SECRET), timeout_s=20)
        settings = workspace(tmp_path, sources={"push": push}, webhook=webhook)
        found(settings)
        house = await open_house(settings, model_cache=tmp_path / "cache", owner=True, clock=clock)
        try:
            who = await operator(house)

            async def look() -> tuple[str, list[str]]:
                for _ in range(3):
                    await house.scheduler.tick()
                    await house.worker.drain()
                return (await state(house, "push")).status, [body["event"] for body in hook.bodies]

            async def put(text: str) -> None:
                said = Submission(filename="fee.md", any_of=("tenant:*",))
                await house.library.put(who, "push", "fee.md", text.encode(), said)

            assert await look() == ("pushed", [])
            clock.ahead += DAY + timedelta(minutes=1)
            assert await look() == ("silent", ["source.stale"]), "nothing was ever pushed"
            await put(fee(990))
            told = ["source.stale", "source.recovered"]
            assert await look() == ("pushed", told)
            clock.ahead += DAY / 2
            await put(fee(990))  # the same again: whoever pushes it is alive
            clock.ahead += DAY / 2 + timedelta(minutes=5)
            assert await look() == ("pushed", told)
            clock.ahead += DAY / 2
            assert await look() == ("silent", [*told, "source.stale"])
        finally:
            await house.close()
