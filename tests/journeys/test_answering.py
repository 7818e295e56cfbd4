"""The main job, whole: real files, real database, real index; what each person gets and what the record says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from countersign.access.principal import Principal, Role
from countersign.app.house import House
from countersign.domain.answers import Answer, AnswerStatus, Question, RefusalReason
from countersign.domain.errors import NotFound, NotPermitted
from countersign.domain.workspace import HoldRules
from tests.workspaces import assistant, opened, person, workspace, write_files

pytestmark = pytest.mark.anyio

TARIFF = """# Card tariffs

The monthly service fee of the Gold card is 990 tenge. The fee is charged on the first working day of the month.

## Cash withdrawal

Cash withdrawal in other banks costs 1.5 percent, at least 300 tenge.
"""
MINUTES = """# Minutes of the board, 12 March 2025

The board decided to raise the monthly service fee of the Gold card to 1,290 tenge from 1 October 2025.
"""
KAZAKH = """# Кредитті мерзімінен бұрын өтеу

Кредитті мерзімінен бұрын өтеу үшін комиссия алынбайды. Өтініш 3 жұмыс күні ішінде қаралады.
"""
FILES = {
    "tariff.md": TARIFF,
    "minutes.md": MINUTES,
    "kk.md": KAZAKH,
    "secret.txt": "The vault code word is heron.",
}
ROWS = [
    {"file": "tariff.md", "acl": ["tenant:*"], "modified": "2025-05-01"},
    {"file": "minutes.md", "acl": ["group:board"], "classification": "board", "modified": "2025-03-12"},
    {"file": "kk.md", "acl": ["group:staff"], "modified": "2025-02-01"},
]
FEE = "What is the monthly service fee of the Gold card?"


@pytest.fixture
async def house(tmp_path: Path):
    write_files(tmp_path / "files", FILES, ROWS)
    holding = assistant(hold_when=HoldRules(classification=("board",)))
    async with opened(workspace(tmp_path, assistants={"staff-help": holding}), tmp_path / "cache") as joined:
        yield joined


async def ask(house: House, principal: Principal, text: str, **more: object) -> Answer:
    return await house.asking.ask(principal, Question("staff-help", text, **more))  # type: ignore[arg-type]


async def test_three_people_get_three_rightly_different_answers(house: House) -> None:
    clerk = await person(house, "aigerim", ["staff"])
    director = await person(house, "daniyar", ["staff", "board"])
    outsider = await person(house, "ruslan", [])

    delivered = await ask(house, clerk, FEE)
    assert delivered.status is AnswerStatus.DELIVERED
    assert "990" in delivered.text
    assert delivered.citations[0].external_id == "tariff.md"
    assert "990 tenge" in delivered.citations[0].quote
    assert all(claim.supported for claim in delivered.claims)
    assert delivered.confidence is not None
    assert not delivered.confidence.calibrated

    held = await ask(house, director, FEE)
    assert held.status is AnswerStatus.HELD
    assert "classification:board" in held.hold_reasons
    assert "1,290" not in held.text

    refused = await ask(house, outsider, "Кредитті мерзімінен бұрын өтеу комиссиясы қандай?")
    assert refused.status is AnswerStatus.REFUSED
    assert refused.refusal is RefusalReason.NO_EVIDENCE
    assert refused.citations == ()


async def test_an_answer_in_kazakh_is_cited_and_verified(house: House) -> None:
    clerk = await person(house, "aigerim", ["staff"])
    answer = await ask(house, clerk, "Кредитті мерзімінен бұрын өтеу өтініші қанша күнде қаралады?")
    assert answer.status is AnswerStatus.DELIVERED
    assert answer.language == "kk"
    assert "3 жұмыс күні" in answer.text
    assert all(claim.support == "literal" for claim in answer.claims)


async def test_a_file_without_rights_is_seen_by_nobody(house: House) -> None:
    everything = await person(house, "zhanar", ["staff", "board"], roles=[role.value for role in Role])
    answer = await ask(house, everything, "What is the vault code word?")
    assert "heron" not in answer.text
    assert all("heron" not in citation.quote for citation in answer.citations)


async def test_a_lost_group_acts_on_the_next_question_and_on_what_was_answered(house: House) -> None:
    clerk = await person(house, "aigerim", ["staff"])
    question = "Кредитті мерзімінен бұрын өтеу өтініші қанша күнде қаралады?"
    before = await ask(house, clerk, question)
    assert before.status is AnswerStatus.DELIVERED

    clerk = await person(house, "aigerim", [])
    after = await ask(house, clerk, question)
    assert after.status is AnswerStatus.REFUSED
    stored = await house.desk.answer(clerk, before.answer_id)
    assert stored.withheld
    assert "3 жұмыс" not in stored.answer.text
    with pytest.raises(NotFound):
        await house.desk.citation(clerk, before.citations[0].citation_id)


async def test_a_reviewer_approves_and_the_asker_reads_it(house: House) -> None:
    director = await person(house, "daniyar", ["staff", "board"])
    reviewer = await person(house, "saule", ["quality", "board"], roles=["reviewer"])
    blind = await person(house, "marat", ["quality"], roles=["reviewer"])
    held = await ask(house, director, FEE)

    assert await house.desk.queue(blind) == []
    [item] = await house.desk.queue(reviewer)
    with pytest.raises(NotFound):
        await house.desk.review(blind, item.review_id)
    with pytest.raises((NotFound, NotPermitted)):
        await house.desk.decide(director, item.review_id, "approve")
    opened_item = await house.desk.review(reviewer, item.review_id)
    assert opened_item.stored.answer.draft
    await house.desk.claim(reviewer, item.review_id)
    await house.desk.decide(reviewer, item.review_id, "approve")

    stored = await house.desk.answer(director, held.answer_id)
    assert stored.answer.status is AnswerStatus.DELIVERED
    assert "tenge" in stored.answer.text
    assert stored.answer.citations


async def test_every_step_is_on_record_and_the_chain_verifies(house: House) -> None:
    clerk = await person(house, "aigerim", ["staff"])
    auditor = await person(house, "erlan", [], roles=["auditor"])
    answer = await ask(house, clerk, FEE)
    story = await house.ledger.story(clerk, answer.answer_id)
    assert [event.kind for event in story.events] == [
        "answer.asked",
        "answer.question_guarded",
        "answer.retrieved",
        "answer.passages_guarded",
        "model.called",
        "answer.output_guarded",
        "answer.verified",
        "answer.decided",
    ]
    await house.checkpointer.sign()
    verification = await house.ledger.verify(auditor)
    assert verification.ok
    assert verification.unanchored == 0


async def test_deleting_the_file_ends_its_answers(house: House) -> None:
    clerk = await person(house, "aigerim", ["staff"])
    assert (await ask(house, clerk, FEE)).status is AnswerStatus.DELIVERED
    (house.workspace.root / "files" / "tariff.md").unlink()
    await house.sync("intranet", lambda step: None)
    assert (await ask(house, clerk, FEE)).status is AnswerStatus.REFUSED


async def test_a_question_in_the_past_finds_what_was_in_force(tmp_path: Path) -> None:
    files = {
        "old.md": "# Transfer fees\n\nThe fee for a transfer abroad is 0.5 percent.",
        "new.md": "# Transfer fees\n\nThe fee for a transfer abroad is 0.8 percent.",
    }
    rows = [
        {"file": "old.md", "acl": ["tenant:*"], "valid_from": "2023-01-01"},
        {"file": "new.md", "acl": ["tenant:*"], "valid_from": "2025-06-01", "supersedes": "old.md"},
    ]
    write_files(tmp_path / "files", files, rows)
    async with opened(workspace(tmp_path), tmp_path / "cache") as house:
        clerk = await person(house, "aigerim")
        question = "What is the fee for a transfer abroad?"
        now = await ask(house, clerk, question)
        assert "0.8" in now.text
        assert "0.5" not in now.text
        then = await ask(house, clerk, question, as_of=replace_year(now, 2024))
        assert "0.5" in then.text


def replace_year(answer: Answer, year: int):
    return replace(answer, created=answer.created.replace(year=year, day=1)).created
