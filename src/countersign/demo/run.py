"""The demo, from an empty folder to a served desk: the whole main job on a small, messy, trilingual collection."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

from countersign.app.doctor import recognition
from countersign.app.founding import found
from countersign.app.house import House, open_house
from countersign.app.shapes import answer_json, jsonable
from countersign.app.taking_in import Pass, take_in
from countersign.cli.command import Run, model_cache
from countersign.cli.failure import DONE, NOT_VERIFIED, SAID_NO
from countersign.cli.serve import serve_house
from countersign.cli.terminal import progress
from countersign.config import load
from countersign.demo import script, showing
from countersign.demo.workspace import (
    EXTRACTIVE,
    MODEL,
    QUESTIONS,
    REVIEWER,
    Cast,
    prepare,
    read_cast,
    settle_people,
)
from countersign.domain.answers import Answer, AnswerStatus, Question
from countersign.testing.scripted_model import ScriptedModel

_MOST_BUDGET_ASKS = 40


@dataclass(frozen=True, slots=True)
class Wanted:
    """How the demo was called."""

    folder: Path
    host: str
    port: int
    once: bool
    keep: bool


@dataclass(slots=True)
class Told:
    """What happened, for the summary and for `--json`."""

    began: float
    times_s: dict[str, float] = field(default_factory=dict[str, float])
    outcomes: list[tuple[str, Answer]] = field(default_factory=list[tuple[str, Answer]])
    as_expected: bool = True

    def mark(self, name: str) -> None:
        """Seconds from the start to now, under `name`."""
        self.times_s[name] = round(time.monotonic() - self.began, 2)

    def expect(self, answer: Answer, status: AnswerStatus) -> None:
        self.as_expected = self.as_expected and answer.status is status


async def demo(run: Run, wanted: Wanted) -> int:
    """Everything; returns the exit code: 0, 3 when an outcome is not the one it shows, 4 when the record does not verify."""
    told = Told(time.monotonic())
    async with ScriptedModel(script.reply) as model:
        config = prepare(wanted.folder, model.base_url, keep=wanted.keep)
        workspace = load(config, {})
        found(workspace)
        house = await open_house(workspace, model_cache=model_cache(), owner=True)
        try:
            return await _show(run, wanted, house, told)
        finally:
            await house.close()


async def _show(run: Run, wanted: Wanted, house: House, told: Told) -> int:
    cast = read_cast()
    run.say(f"A fictional group, Tolkyn Bank and Tolkyn Telecom, in {wanted.folder}")
    _say_degraded(run, house)
    told.mark("set_up")
    people = asyncio.create_task(settle_people(house, cast))
    taken = await _read(run, house)
    passwords = await people
    told.mark("ingested")
    run.say(showing.files_report(taken))
    await _three_people(run, house, cast, told)
    await _model(run, house, told)
    verified = await _verify(run, house)
    told.mark("total")
    _say_times(run, told)
    run.result({
        "workspace": str(wanted.folder),
        "documents": len(taken.files),
        "statuses": taken.statuses,
        "answers": [{"user": user, **answer_json(answer)} for user, answer in told.outcomes],
        "audit": {"ok": verified},
        "as_expected": told.as_expected,
        "seconds": told.times_s,
    })  # fmt: skip
    if not wanted.once:
        await _serve(run, wanted, house, cast, passwords)
    if not verified:
        return NOT_VERIFIED
    return DONE if told.as_expected else SAID_NO


def _say_degraded(run: Run, house: House) -> None:
    for check in recognition(house.workspace):
        if check.level != "ok":
            run.say(f"Degraded: {check.message}. To change that:  {check.fix}")
    if house.embedder is None:
        run.say("Degraded: search by words only, so a question finds documents of its own language.")


async def _read(run: Run, house: House) -> Pass:
    run.say(showing.heading("1. Reading the documents"))
    with progress("reading", wanted=not run.json) as show:
        return await take_in(house, ("collection",), show)


# -- one question, three people ---------------------------------------------------------------------------------
async def _three_people(run: Run, house: House, cast: Cast, told: Told) -> None:
    run.say(showing.heading("2. One question, three people"))
    run.say(f"“{cast.question}”\n")
    expected = (AnswerStatus.DELIVERED, AnswerStatus.HELD, AnswerStatus.REFUSED)
    outcomes: list[showing.Outcome] = []
    for asker, status in zip(cast.askers, expected, strict=True):
        answer = await _ask(house, told, asker.user, EXTRACTIVE, cast.question)
        if not outcomes:
            told.mark("first_cited_answer")
        told.expect(answer, status)
        person = next(person for person in cast.people if person.name == asker.user)
        outcomes.append(showing.Outcome(person, answer, asker.why))
    run.say(showing.side_by_side(outcomes))


async def _ask(house: House, told: Told, user: str, assistant: str, text: str) -> Answer:
    principal = await house.people.impersonate(user)
    answer = await house.asking.ask(principal, Question(assistant, text))
    told.outcomes.append((user, answer))
    return answer


# -- a model that cannot be trusted -----------------------------------------------------------------------------
async def _model(run: Run, house: House, told: Told) -> None:
    run.say(showing.heading("3. The same documents behind a model"))
    run.say("a. a source that gives orders to the model; they stay text, the fact is verified")
    answer = await _ask(house, told, "timur", MODEL, script.QUESTION_INJECTED)
    told.expect(answer, AnswerStatus.DELIVERED)
    run.say(f"{_asked('timur', script.QUESTION_INJECTED)}\n{showing.with_model(answer)}")
    run.say("\nb. a model that repeats personal data; the asker is not in a group that may see it")
    answer = await _ask(house, told, "madina", MODEL, script.QUESTION_PERSONAL)
    run.say(f"{_asked('madina', script.QUESTION_PERSONAL)}\n{showing.with_model(answer)}")
    run.say("\nc. a model that invents a sentence; the answer waits for a reviewer")
    answer = await _ask(house, told, "aigerim", MODEL, script.QUESTION_INVENTS)
    told.expect(answer, AnswerStatus.HELD)
    run.say(f"{_asked('aigerim', script.QUESTION_INVENTS)}\n{showing.with_model(answer)}")
    await _reviewer(run, house, answer)
    run.say("\nd. a budget of 0.02 USD a person and day, reserved before each call")
    await _spend(run, house, told)


def _asked(user: str, question: str) -> str:
    return f"  {user}: “{question}”"


async def _reviewer(run: Run, house: House, held: Answer) -> None:
    """What the reviewer's desk shows of it; deciding is left to whoever looks at the desk."""
    reviewer = await house.people.impersonate(REVIEWER)
    queue = await house.desk.queue(reviewer)
    item = next((review for review in queue if review.answer_id == held.answer_id), None)
    if item is not None:
        opened = await house.desk.review(reviewer, item.review_id)
        run.say(f"  {REVIEWER} sees in the queue of {len(queue)}:\n{showing.draft(opened.stored.answer)}")


async def _spend(run: Run, house: House, told: Told) -> None:
    """Ask until the cap refuses a call before it is made."""
    spent, currency, answered = 0.0, "", 0
    principal = await house.people.impersonate("yerlan")
    for _ in range(_MOST_BUDGET_ASKS):
        answer = await house.asking.ask(principal, Question(MODEL, script.QUESTION_INJECTED))
        if answer.status is not AnswerStatus.DELIVERED:
            break
        answered += 1
        if answer.cost is not None and answer.cost.amount is not None:
            spent, currency = spent + answer.cost.amount, answer.cost.currency
    else:
        told.as_expected = False
        run.say("  the cap was not reached")
        return
    told.expect(answer, AnswerStatus.DEGRADED)
    told.outcomes.append(("yerlan", answer))
    run.say(
        f"  yerlan: {answered} answers for {spent:.4f} {currency}; the next call was refused before it was made\n"
        f"  {answer.status.value.upper()} ({answer.degraded_because}): verbatim sentences instead, at no cost"
    )


# -- the record, the end ----------------------------------------------------------------------------------------
async def _verify(run: Run, house: House) -> bool:
    run.say(showing.heading("4. The record"))
    await house.checkpointer.sign()
    found = [await house.ledger.verify_tenant(tenant) for tenant in house.workspace.tenants]
    for each in found:
        verdict = "verified" if each.ok else "NOT VERIFIED"
        run.say(f"{each.tenant}: {verdict}, {each.events} events, {each.unanchored} not yet signed")
    return all(each.ok for each in found)


def _say_times(run: Run, told: Told) -> None:
    said = jsonable(told.times_s)
    run.say(
        f"\nReady after {said['set_up']:.1f} s, documents searchable after {said['ingested']:.1f} s, first cited answer "
        f"after {said['first_cited_answer']:.1f} s, everything after {said['total']:.1f} s."
    )
    if not told.as_expected:
        run.note("Not every outcome is the one that the demo is meant to show.")


async def _serve(run: Run, wanted: Wanted, house: House, cast: Cast, passwords: dict[str, str]) -> None:
    key = await house.people.create_key("aigerim", label="demo")

    def ready(address: str) -> None:
        run.say(showing.heading("5. The desk"))
        run.say(f"{address}   sign in as any of:\n")
        run.say(showing.people_table(cast, passwords))
        run.say(
            f"\ncurl {address}/v1/chat/completions -H 'Authorization: Bearer {key.token}' "
            f'-H \'Content-Type: application/json\' \\\n  -d \'{{"model": "{EXTRACTIVE}", '
            f'"messages": [{{"role": "user", "content": "{cast.question}"}}]}}\''
        )
        run.say(f"\nMore questions, with what should come of each: {QUESTIONS}\nCtrl-C ends it.")

    await serve_house(house, host=wanted.host, port=wanted.port, ready=ready)
