"""kill -9 at random moments of answering: what was returned is kept with its events, and no money is forgotten."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from countersign.app.founding import found
from countersign.app.house import open_house
from countersign.domain.workspace import BudgetRules, ModelSettings, Money, Price, ResidencyRule, Workspace
from countersign.storage.tables import answer, budget, event, reservation
from countersign.testing.scripted_model import ScriptedModel
from tests.journeys.parts import AheadClock, run_child
from tests.workspaces import assistant, opened, person, workspace, write_files

pytestmark = pytest.mark.anyio

FILES = {"sim.md": "# SIM cards\n\nReplacing a SIM card costs 500 tenge. It takes ten minutes in any branch."}
ROWS = [{"file": "sim.md", "acl": ["group:staff"]}]
ROUNDS = 4


def settings_of(root: Path, base_url: str) -> Workspace:
    main = ModelSettings(
        name="main", dialect="openai", base_url=base_url, model="scripted", region="kz",
        price=Price(currency="USD", input_per_million=1.0, output_per_million=4.0), timeout_s=20.0,
    )  # fmt: skip
    rules = BudgetRules(per_month=Money(1000.0, "USD"), per_user_per_day=Money(1000.0, "USD"))
    return workspace(
        root,
        models={"main": main},
        assistants={"staff-help": assistant(models=("main",), budget=rules)},
        residency=(ResidencyRule("kz", ("kz",)),),
    )


async def killed_after(child: subprocess.Popen[str], seconds: float) -> list[str]:
    """What it had printed when it died; it gets to its first answer before the clock starts."""
    assert child.stdout is not None
    first = await asyncio.to_thread(child.stdout.readline)
    await asyncio.sleep(seconds)
    os.killpg(child.pid, signal.SIGKILL)
    rest, _ = await asyncio.to_thread(child.communicate, None, 60)
    return [first.strip(), *rest.split("\n")[:-1]]


async def test_every_returned_answer_is_kept_and_every_reservation_settles(tmp_path: Path) -> None:
    write_files(tmp_path / "files", FILES, ROWS)
    chance = random.Random(11)
    async with ScriptedModel(event_delay_s=0.004) as model:
        settings = settings_of(tmp_path, model.base_url)
        async with opened(settings, tmp_path / "cache") as house:
            await person(house, "clerk", ["staff"])
        returned: list[str] = []
        for _ in range(ROUNDS):
            child = run_child("answer_forever", tmp_path, model.base_url)
            returned += await killed_after(child, chance.uniform(0.05, 0.6))
        assert len(returned) >= ROUNDS
        assert all(" delivered main" in line for line in returned)

        found(settings)
        clock = AheadClock(timedelta(minutes=20))
        house = await open_house(settings, model_cache=tmp_path / "cache", owner=True, clock=clock)
        try:
            auditor = await person(house, "auditor", ["staff"], ["auditor"])
            for line in returned:
                story = await house.ledger.story(auditor, line.split()[0])
                assert story.events[0].kind == "answer.asked"
                assert [e.kind for e in story.events].count("answer.decided") == 1
                assert "500 tenge" in story.stored.answer.text
                assert story.stored.answer.cost is not None
            before = await house.database.read(accounts)
            assert before["answers"] == before["decided"], "an answer and its events commit together"
            assert before["left_reserved"] == before["left_in_accounts"]
            await house.start()
            async with asyncio.timeout(60):
                while (after := await house.database.read(accounts))["left_reserved"]:
                    await asyncio.sleep(0.05)
            assert after["left_in_accounts"] == 0
            assert after["spent"] == before["spent"] + before["left_reserved"], (
                "in full: the calls may have been made"
            )
        finally:
            await house.close()
        house = await open_house(settings, model_cache=tmp_path / "cache", owner=True, clock=clock)
        try:
            verified = await house.ledger.verify(auditor)
            assert verified.ok
            assert verified.unanchored <= 1, "the checkpoint was continued when the house closed"
            again = await house.asking.ask(await person(house, "clerk", ["staff"]), _question())
            assert "500 tenge" in again.text
        finally:
            await house.close()


def _question() -> Any:
    from countersign.domain.answers import Question

    return Question("staff-help", "How much is replacing a SIM card?")


def accounts(connection: Connection) -> dict[str, int]:
    """Sums over one scope, for every scope is charged alike."""
    month = budget.c.scope.contains("/month/")
    reserved, spent = connection.execute(
        select(
            func.coalesce(func.sum(budget.c.reserved), 0), func.coalesce(func.sum(budget.c.spent), 0)
        ).where(month)
    ).one()
    decided = select(func.count()).where(event.c.kind == "answer.decided")
    return {
        "left_in_accounts": int(reserved),
        "spent": int(spent),
        "left_reserved": int(
            connection.execute(select(func.coalesce(func.sum(reservation.c.amount), 0))).scalar_one()
        ),
        "answers": connection.execute(select(func.count()).select_from(answer)).scalar_one(),
        "decided": connection.execute(decided).scalar_one(),
    }
