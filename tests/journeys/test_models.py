"""The line with a model behind it: verified, held, degraded, refused for money or place, discarded when rights change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from countersign.app.house import House
from countersign.domain.answers import AnswerStatus, Question, RefusalReason
from countersign.domain.workspace import (
    BudgetRules,
    HoldRules,
    ModelSettings,
    Money,
    Price,
    ResidencyRule,
    Secret,
)
from countersign.testing.faulty_model import Fault, FaultyModel
from countersign.testing.prompts import SeenPrompt
from countersign.testing.scripted_model import ScriptedModel
from tests.journeys.parts import without_ids
from tests.workspaces import EXTRACTIVE, assistant, opened, person, workspace, write_files

pytestmark = pytest.mark.anyio

FILES = {
    "sim.md": "# SIM replacement\n\nReplacing a SIM card costs 500 tenge. The new card works within 2 hours.",
    "abroad.md": "# Roaming\n\nRoaming in Turkey costs 45 tenge a minute.",
    "person.md": "# Application\n\nThe applicant is Aset Zhuman, ИИН 880514300121, phone +7 701 555 01 02.",
}
ROWS = [
    {"file": "sim.md", "acl": ["group:staff"], "residency": "kz"},
    {"file": "abroad.md", "acl": ["group:staff"]},
    {"file": "person.md", "acl": ["group:staff"]},
]
SIM = "What does replacing a SIM card cost?"
PRICE = Price(currency="USD", input_per_million=1.0, output_per_million=4.0)


def model(base_url: str, **changes: object) -> ModelSettings:
    values: dict[str, object] = {
        "name": "main",
        "dialect": "openai",
        "base_url": base_url,
        "model": "scripted",
        "key": Secret("${env:MAIN_KEY}", "sk-planted-8f2c71d09b"),
        "region": "kz",
        "price": PRICE,
        "timeout_s": 5.0,
        "first_byte_timeout_s": 0.5,
    } | changes
    return ModelSettings(**values)  # type: ignore[arg-type]


@asynccontextmanager
async def house_with(root: Path, settings: ModelSettings, **changes: object) -> AsyncIterator[House]:
    write_files(root / "files", FILES, ROWS)
    ladder = assistant(models=("main", "extractive"), **changes)
    space = workspace(
        root,
        models={"main": settings, "extractive": EXTRACTIVE},
        assistants={
            "staff-help": ladder,
            "no-fallback": assistant("no-fallback", models=("main",), **changes),
        },
        residency=(ResidencyRule("kz", ("kz",)),),
    )
    async with opened(space, root / "cache") as house:
        yield house


async def test_a_model_answers_with_verified_citations_cost_and_release(tmp_path: Path) -> None:
    async with ScriptedModel() as server, house_with(tmp_path, model(server.base_url)) as house:
        clerk = await person(house, "aigerim", ["staff"])
        answer = await house.asking.ask(clerk, Question("staff-help", SIM))
        assert answer.status is AnswerStatus.DELIVERED
        assert "500 tenge" in answer.text
        assert answer.model == "main"
        assert all(claim.supported for claim in answer.claims)
        assert answer.cost is not None
        assert answer.cost.amount is not None
        assert answer.cost.amount > 0
        assert answer.usage.reported
        assert answer.release.startswith("rel_")
        assert "sk-planted" not in str(server.prompts)


async def test_an_invented_figure_is_marked_and_held(tmp_path: Path) -> None:
    script = [("SIM", "Replacing a SIM card costs 700 tenge [1]. It is free for pensioners [9].")]
    rules = HoldRules(unsupported_claims=True)
    async with (
        ScriptedModel(script) as server,
        house_with(tmp_path, model(server.base_url), hold_when=rules) as house,
    ):
        clerk = await person(house, "aigerim", ["staff"])
        held = await house.asking.ask(clerk, Question("staff-help", SIM))
        assert held.status is AnswerStatus.HELD
        assert "unsupported_claims" in held.hold_reasons
        assert "700" not in without_ids(held.text)
        assert "invented_citation" in held.warnings
        reviewer = await person(house, "timur", ["staff", "quality"], roles=["reviewer"])
        [item] = await house.desk.queue(reviewer)
        claims = (await house.desk.review(reviewer, item.review_id)).stored.answer.claims
        assert [claim.supported for claim in claims] == [False, False]
        assert any("700" in reason for reason in claims[0].reasons)


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.HANG, Fault.CUT_STREAM, Fault.GARBAGE])
async def test_a_broken_provider_degrades_to_quotations_and_says_so(tmp_path: Path, fault: Fault) -> None:
    async with FaultyModel(fault) as server, house_with(tmp_path, model(server.base_url)) as house:
        clerk = await person(house, "aigerim", ["staff"])
        answer = await house.asking.ask(clerk, Question("staff-help", SIM))
        assert answer.status is AnswerStatus.DEGRADED
        assert answer.model == "extractive"
        assert answer.degraded_because.startswith("main: ")
        assert "500 tenge" in answer.text
        assert "degraded" in answer.warnings


async def test_residency_removes_the_rung_without_hiding_the_document(tmp_path: Path) -> None:
    async with ScriptedModel() as server, house_with(tmp_path, model(server.base_url, region="eu")) as house:
        clerk = await person(house, "aigerim", ["staff"])
        answer = await house.asking.ask(clerk, Question("staff-help", SIM))
        assert answer.status is AnswerStatus.DELIVERED, "a rung that was never usable does not degrade"
        assert answer.model == "extractive"
        assert "500 tenge" in answer.text
        assert server.prompts == []
        refused = await house.asking.ask(clerk, Question("no-fallback", SIM))
        assert refused.refusal is RefusalReason.NO_MODEL_ALLOWED
        assert server.prompts == []


async def test_a_spent_budget_refuses_before_the_call(tmp_path: Path) -> None:
    rules = BudgetRules(per_user_per_day=Money(0.0000001, "USD"))
    async with ScriptedModel() as server, house_with(tmp_path, model(server.base_url), budget=rules) as house:
        clerk = await person(house, "aigerim", ["staff"])
        degraded = await house.asking.ask(clerk, Question("staff-help", SIM))
        assert degraded.model == "extractive"
        assert "budget_exceeded" in degraded.degraded_because
        refused = await house.asking.ask(clerk, Question("no-fallback", SIM))
        assert refused.refusal is RefusalReason.BUDGET_EXCEEDED
        assert server.prompts == []


async def test_an_unknown_price_under_a_budget_refuses_the_call(tmp_path: Path) -> None:
    rules = BudgetRules(per_month=Money(100.0, "USD"))
    settings = {"price": None}
    async with (
        ScriptedModel() as server,
        house_with(tmp_path, model(server.base_url, **settings), budget=rules) as house,
    ):
        clerk = await person(house, "aigerim", ["staff"])
        answer = await house.asking.ask(clerk, Question("staff-help", SIM))
        assert "price_unknown" in answer.degraded_because
        assert server.prompts == []


async def test_rights_lost_while_the_model_writes_discard_the_draft(tmp_path: Path) -> None:
    house_box: list[House] = []
    revoking: list[asyncio.Task[object]] = []
    loop = asyncio.get_running_loop()

    def revoke_then_answer(prompt: SeenPrompt) -> str:
        revoking.append(loop.create_task(house_box[0].people.set_person("aigerim", tenant="bank", groups=[])))
        return "Replacing a SIM card costs 500 tenge [1]. " * 40

    server = ScriptedModel(revoke_then_answer, event_delay_s=0.002)
    async with server, house_with(tmp_path, model(server.base_url, timeout_s=20.0)) as house:
        house_box.append(house)
        clerk = await person(house, "aigerim", ["staff"])
        answer = await house.asking.ask(clerk, Question("staff-help", SIM))
        assert answer.status is AnswerStatus.REFUSED
        assert "500" not in without_ids(answer.text)
        assert answer.citations == ()


async def test_personal_data_is_redacted_for_those_without_the_right(tmp_path: Path) -> None:
    shown = {"personal_visible_to": ("kyc",)}
    script = [("applicant", "The applicant is Aset Zhuman, ИИН 880514300121 [1].")]
    async with (
        ScriptedModel(script) as server,
        house_with(tmp_path, model(server.base_url), **shown) as house,
    ):
        question = Question("staff-help", "Who is the applicant and what is his ИИН?")
        clerk = await person(house, "aigerim", ["staff"])
        answer = await house.asking.ask(clerk, question)
        everything = answer.text + "".join(c.quote for c in answer.citations)
        assert "880514300121" not in everything
        officer = await person(house, "olga", ["staff", "kyc"])
        assert "880514300121" in (await house.asking.ask(officer, question)).text


async def test_a_model_that_repeats_its_instructions_is_stopped(tmp_path: Path) -> None:
    async with (
        ScriptedModel(lambda prompt: prompt.system) as server,
        house_with(tmp_path, model(server.base_url)) as house,
    ):
        clerk = await person(house, "aigerim", ["staff"])
        answer = await house.asking.ask(clerk, Question("staff-help", SIM))
        assert answer.status is AnswerStatus.REFUSED
        assert answer.refusal is RefusalReason.OUTPUT_BLOCKED


@pytest.mark.parametrize("task", ["summarise", "reply"])
async def test_the_other_task_kinds_ride_the_same_line(tmp_path: Path, task: str) -> None:
    async with ScriptedModel() as server, house_with(tmp_path, model(server.base_url)) as house:
        clerk = await person(house, "aigerim", ["staff"])
        documents = await house.library.list(clerk)
        sim = next(d.document_id for d in documents if d.external_id == "sim.md")
        text = "Summarise" if task == "summarise" else "Hello, how much is it to replace my SIM card?"
        question = Question("staff-help", text, task=task, document_ids=(sim,))  # type: ignore[arg-type]
        answer = await house.asking.ask(clerk, question)
        assert answer.status is AnswerStatus.DELIVERED
        assert {citation.external_id for citation in answer.citations} == {"sim.md"}
        assert "500 tenge" in answer.text


async def test_what_was_written_for_one_reader_is_redacted_for_another(tmp_path: Path) -> None:
    shown = {"personal_visible_to": ("kyc",), "hold_when": HoldRules(everything=True)}
    script = [("applicant", "The applicant is Aset Zhuman, ИИН 880514300121 [1]. The phone is on file [1].")]
    async with (
        ScriptedModel(script) as server,
        house_with(tmp_path, model(server.base_url), **shown) as house,
    ):
        officer = await person(house, "olga", ["staff", "kyc"])
        answer = await house.asking.ask(officer, Question("staff-help", "Who is the applicant? ИИН?"))
        reviewer = await person(house, "timur", ["staff", "quality"], roles=["reviewer"])
        [item] = await house.desk.queue(reviewer)
        stored = (await house.desk.review(reviewer, item.review_id)).stored.answer
        assert "880514300121" not in stored.draft + "".join(c.quote for c in stored.citations)
        assert "[IIN-" in stored.draft
        for claim in stored.claims:
            assert stored.draft[claim.start : claim.end] == claim.text
        cited = await house.desk.citation(reviewer, stored.citations[0].citation_id)
        assert "880514300121" not in cited.passage_text
        kinds = [event.kind for event in (await house.ledger.story(reviewer, answer.answer_id)).events]
        assert kinds.count("answer.read") >= 2, "what others read is on record"
