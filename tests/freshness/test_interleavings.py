"""Random grants, revocations, changes, removals, broken passes and questions: no answer ever rests on what is not permitted.

A few interleavings here; `COUNTERSIGN_INTERLEAVINGS=1000` plays as many, the same ones each time, and `=500:1000` those
from the 500th.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from countersign.app import sync as passes
from countersign.app.house import House
from countersign.domain.documents import Rights
from countersign.domain.errors import SourceError
from countersign.testing.scripted_source import ScriptedSource
from tests.freshness.parts import SOURCE, answer, joined

FIRST, _, LAST = os.environ.get("COUNTERSIGN_INTERLEAVINGS", "12").rpartition(":")
PLAYED = range(int(FIRST or 0), int(LAST))
PER_HOUSE = 20
STEPS = 12
DOCUMENTS = 4
GROUPS = ("red", "blue", "green")
CODE = re.compile(r"\b(\d{4,9})x(\d)\b")


@dataclass
class Model:
    """What the house was told, kept in plain Python beside it: who may see which code of which document now."""

    groups: set[str] = field(default_factory=set)
    allowed: dict[int, dict[int, list[set[str]]]] = field(default_factory=dict)
    """Document → code → groups, of each of which one is enough: all that was said since."""
    settled: dict[int, int] = field(default_factory=dict)
    """Document → the code that must be answered to whoever may see it."""

    def listed(self, number: int, code: int, rights: set[str], *, readable: bool) -> None:
        codes = self.allowed.setdefault(number, {})
        for said in codes.values():
            said.append(set(rights))
        if readable:
            codes[code] = [set(rights)]
        if self.settled.get(number) != code or not readable:
            self.settled.pop(number, None)

    def gone(self, number: int) -> None:
        self.allowed.pop(number, None)
        self.settled.pop(number, None)

    def searchable(self, number: int, code: int) -> None:
        """The newest content was made searchable: nothing older answers."""
        codes = self.allowed.get(number, {})
        self.allowed[number] = {code: codes[code]}
        self.settled[number] = code

    def may_see(self, number: int, code: int) -> bool:
        said = self.allowed.get(number, {}).get(code, [set[str]()])
        return all(groups & self.groups for groups in said)


class Play:
    """One interleaving. `first_code` keeps the codes of different ones apart."""

    def __init__(self, house: House, source: ScriptedSource, chance: random.Random, first_code: int) -> None:
        self.house, self.source, self.chance = house, source, chance
        self.model = Model()
        self.next_code = first_code
        self.code: dict[int, int] = {}
        self.rights: dict[int, set[str]] = {}
        self.told: dict[int, int] = {}
        """Document → the newest code that the house received and has yet to make searchable, or has."""

    async def run(self) -> None:
        for number in range(DOCUMENTS):
            self.write(number, {"red"})
        await self.read(None)
        for _ in range(STEPS):
            await self.step()
            await self.check()

    async def step(self) -> None:
        number = self.chance.randrange(DOCUMENTS)
        match self.chance.choice(
            ("join", "rights", "content", "both", "remove", "unreadable", "read", "die", "work", "race")
        ):
            case "join":
                group = self.chance.choice(GROUPS)
                self.model.groups ^= {group}
            case "rights" if number in self.code:
                self.say(number, self.some_groups())
            case "content":
                self.write(number, self.rights.get(number, {"red"}))
            case "both":
                self.write(number, self.some_groups())
            case "remove" if number in self.code:
                del self.source.documents[self.name(number)], self.code[number]
            case "unreadable":
                self.source.unreadable ^= {self.name(number)}
            case "read":
                await self.read(None)
            case "die":
                await self.read(self.chance.randrange(DOCUMENTS))
            case "work":
                await self.work()
            case "race":
                before = self.snapshot()
                await asyncio.gather(self.read(None), *(self.ask_allowing(before) for _ in range(3)))
            case _:
                pass

    # -- the source ---------------------------------------------------------------------------------------------
    def name(self, number: int) -> str:
        return f"branch-{number}"

    def some_groups(self) -> set[str]:
        return {group for group in GROUPS if self.chance.random() < 0.5}

    def write(self, number: int, rights: set[str]) -> None:
        self.next_code += 1
        self.code[number] = self.next_code
        text = (
            f"# Branch {number}\n\nThe opening code of branch number {number} is {self.next_code}x{number}."
        )
        revision = "auto" if number % 2 else ""
        self.source.put(self.name(number), text, revision=revision)
        self.say(number, rights)

    def say(self, number: int, rights: set[str]) -> None:
        self.rights[number] = set(rights)
        held = self.source.documents[self.name(number)]
        held.rights = Rights.of([f"group:{group}" for group in sorted(rights)])

    # -- the house ----------------------------------------------------------------------------------------------
    async def read(self, die_after: int | None) -> None:
        """A pass, and what it tells the model: only what it listed before it died."""
        self.source.die_after = die_after
        try:
            await self.house.sync(SOURCE, lambda step: None)
        except SourceError:
            assert die_after is not None
        self.source.die_after = None
        order = [int(name[-1]) for name in self.source.documents]
        for number in order if die_after is None else order[:die_after]:
            same = self.told.get(number) == self.code[number]
            known = same and number % 2 == 1  # recognised by its revision: it is not read again
            readable = known or self.name(number) not in self.source.unreadable
            self.model.listed(number, self.code[number], self.rights[number], readable=readable)
            if readable:
                self.told[number] = self.code[number]
        if die_after is None:
            for number in set(self.told) - set(order):
                self.model.gone(number)
                del self.told[number]

    async def work(self) -> None:
        await self.house.worker.drain()
        for number, code in self.told.items():
            self.model.searchable(number, code)

    # -- questions ----------------------------------------------------------------------------------------------
    def snapshot(self) -> set[tuple[int, int]]:
        codes = ((number, code) for number, allowed in self.model.allowed.items() for code in allowed)
        return {(number, code) for number, code in codes if self.model.may_see(number, code)}

    async def ask(self, number: int) -> set[tuple[int, int]]:
        question = f"What is the opening code of branch number {number}?"
        found = await answer(self.house, question, *self.model.groups)
        said = " ".join([found.text, found.draft, *(c.quote for c in found.citations)])
        return {(int(branch), int(code)) for code, branch in CODE.findall(said)}

    async def ask_allowing(self, before: set[tuple[int, int]]) -> None:
        """While a pass runs, what held before it and what holds after it may both be answered."""
        said = await self.ask(self.chance.randrange(DOCUMENTS))
        after = {
            (number, code) for number, code in self.code.items() if self.rights[number] & self.model.groups
        }
        assert said <= before | after

    async def check(self) -> None:
        number = self.chance.randrange(DOCUMENTS)
        said = await self.ask(number)
        assert said <= self.snapshot(), f"answered {said - self.snapshot()}"
        code = self.model.settled.get(number)
        if code is not None and self.model.may_see(number, code):
            assert (number, code) in said, f"{code} of {number} is permitted and not answered"


@pytest.mark.anyio
@pytest.mark.timeout(max(300, len(PLAYED) * 30))
async def test_no_answer_rests_on_what_is_not_permitted_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "BATCH", 2)
    monkeypatch.setattr(passes, "SHRUNK_LEAST", 1_000)
    monkeypatch.setattr(passes, "EMPTIED_LEAST", 1_000)
    for number in PLAYED[::PER_HOUSE]:
        source = ScriptedSource(SOURCE)
        async with joined(tmp_path / str(number), source) as house:
            for seed in range(number, min(number + PER_HOUSE, PLAYED.stop)):
                source.documents.clear()
                source.unreadable.clear()
                await house.sync(SOURCE, lambda step: None)
                try:
                    await Play(house, source, random.Random(seed), 1_000 + seed * 1_000).run()
                    print("played", seed)
                except AssertionError as error:
                    raise AssertionError(f"interleaving {seed}: {error}") from error
