"""Run as a process that a test kills: ask questions without end, and print each answer's id once it was returned."""

from __future__ import annotations

import asyncio
import itertools
import sys
from pathlib import Path

from countersign.app.house import open_house
from countersign.domain.answers import Question
from tests.journeys.parts import adopt_database
from tests.journeys.test_kill_while_answering import settings_of

_AT_ONCE = 3


async def main(root: Path, base_url: str) -> None:
    adopt_database()
    house = await open_house(settings_of(root, base_url), model_cache=root / "cache", owner=True)
    await house.start()
    clerk = await house.people.impersonate("clerk")
    numbers = itertools.count()

    async def one_after_another() -> None:
        for number in numbers:
            question = Question("staff-help", f"How much is replacing a SIM card in branch {number}?")
            answer = await house.asking.ask(clerk, question)
            print(answer.answer_id, answer.status.value, answer.model, flush=True)

    await asyncio.gather(*(one_after_another() for _ in range(_AT_ONCE)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
