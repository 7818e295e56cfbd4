"""Documents that contradict each other are shown with both sides, and agreement is not taken for a conflict."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from countersign.answer.asked import asked_for
from countersign.answer.conflicts import find_conflicts
from countersign.app.house import House
from countersign.domain.answers import Question
from tests.answer.passages import passage
from tests.workspaces import opened, person, workspace, write_files

pytestmark = pytest.mark.anyio

CONFLICTS = [
    (
        "Who heads the audit committee?",
        "The audit committee of the bank is headed by Aigerim Serik and meets every quarter.",
        "The audit committee of the bank is headed by Daniyar Omarov and meets every quarter.",
        {"Aigerim Serik", "Daniyar Omarov"},
    ),
    (
        "Which ministry registers the contract?",
        "The contract is registered by the ministry of justice within ten days of its signature.",
        "The contract is registered by the ministry of finance within ten days of its signature.",
        {"justice", "finance"},
    ),
    (
        "When was the Almaty branch opened?",
        "The Almaty branch of the bank was opened in 1996 on the main square.",
        "History of the network: the branch in Almaty was opened for the public in 1998.",
        {"1996", "1998"},
    ),
    (
        "Где расположен головной офис?",
        "Головной офис компании расположен в городе Алматы на проспекте Абая и открыт для посетителей.",
        "Головной офис компании расположен в городе Астана на проспекте Абая и открыт для посетителей.",
        {"Алматы", "Астана"},
    ),
    (
        "Когда был открыт филиал в Актобе?",
        "Филиал банка в Актобе был открыт в 2004 году рядом с вокзалом.",
        "В 2007 году в Актобе открыт филиал банка.",
        {"2004", "2007"},
    ),
    (
        "Бас кеңсе қайда орналасқан?",
        "Компанияның бас кеңсесі Алматы қаласында Абай даңғылында орналасқан және келушілерге ашық.",
        "Компанияның бас кеңсесі Астана қаласында Абай даңғылында орналасқан және келушілерге ашық.",
        {"Алматы", "Астана"},
    ),
]
AGREEMENTS = [
    (
        "What is the annual fee of the Gold card?",
        "The annual fee of the Gold card is 500 tenge and is charged in January.",
        "The annual fee of the Silver card is 300 tenge and is charged in January.",
    ),
    (
        "Who heads the audit committee?",
        "The audit committee of the bank is headed by Aigerim Serik and meets every quarter.",
        "The risk committee of the bank is headed by Daniyar Omarov and meets every quarter.",
    ),
    (
        "Who heads the audit committee?",
        "The audit committee of the bank is headed by Aigerim Serik and meets every quarter.",
        "The audit committee of the bank is headed by Serik Aigerim and meets every quarter.",
    ),
    (
        "How do I open an account?",
        "Choose the button Accounts to open an account in the application of the bank.",
        "Choose the button Deposits to open an account in the application of the bank.",
    ),
    (
        "When was the Almaty branch opened?",
        "The Almaty branch of the bank was opened in 1996.",
        "The Astana branch of the bank was opened in 2001.",
    ),
    (
        "Сколько стоит перевод?",
        "Перевод внутри банка для клиента стоит 100 тенге и зачисляется сразу.",
        "Перевод внутри банка для клиента стоит 100,00 тенге и зачисляется сразу.",
    ),
]


@pytest.mark.parametrize(("question", "first", "second", "values"), CONFLICTS)
def test_both_sides_are_found(question: str, first: str, second: str, values: set[str]) -> None:
    language = asked_language(first)
    found = find_conflicts([passage(first, language, key="a"), passage(second, language, key="b")], question)
    assert any(all(any(value in said for said in conflict.values) for value in values) for conflict in found)
    assert {side.passage_id for conflict in found for side in conflict.sides} == {"a", "b"}


@pytest.mark.parametrize(("question", "first", "second"), AGREEMENTS)
def test_agreement_is_no_conflict(question: str, first: str, second: str) -> None:
    language = asked_language(first)
    assert (
        find_conflicts([passage(first, language, key="a"), passage(second, language, key="b")], question)
        == ()
    )


def test_one_document_does_not_contradict_itself() -> None:
    question, first, second, _ = CONFLICTS[0]
    sides = [passage(first, key="a", document_id="d"), passage(second, key="b", document_id="d")]
    assert find_conflicts(sides, question) == ()


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("When was the branch opened?", "time"),
        ("Когда открыт филиал?", "time"),
        ("Филиал қашан ашылды?", "time"),
        ("How much is the fee?", "figure"),
        ("Какая комиссия за перевод?", "figure"),
        ("Комиссия қанша?", "figure"),
        ("Who signs the order?", "name"),
        ("Кто подписывает приказ?", "name"),
        ("Which ministry registers the contract?", "thing"),
        ("How do I open an account?", ""),
        ("Why was it closed?", ""),
    ],
)
def test_what_a_question_asks_for(question: str, kind: str) -> None:
    assert asked_for(question, "en").kind == kind


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    files: dict[str, str | bytes] = {
        "order.md": "# Order\n\nThe fee for a transfer abroad is 500 tenge.\n",
        "memo.md": "# Memo\n\nThe fee for a transfer abroad is 700 tenge.\n",
    }
    write_files(tmp_path / "files", files, [{"file": name, "acl": ["staff"]} for name in files])
    async with opened(workspace(tmp_path), tmp_path / "cache") as joined:
        yield joined


async def test_an_answer_shows_and_cites_both_sides(house: House) -> None:
    clerk = await person(house, "clerk", ["staff"])
    answer = await house.asking.ask(clerk, Question("staff-help", "What is the fee for a transfer abroad?"))
    (note,) = answer.conflicts
    cited = {c.n: c for c in answer.citations}
    sides = {value: cited[n].external_id for value, n in zip(note.values, note.citations, strict=True)}
    assert sides == {"500 tenge": "order.md", "700 tenge": "memo.md"}
    assert all(
        cited[n].quote and value in cited[n].quote
        for value, n in zip(note.values, note.citations, strict=True)
    )
    assert "contradict" in answer.text and "«500 tenge»" in answer.text and "«700 tenge»" in answer.text
    assert "conflicts" in answer.warnings


def asked_language(text: str) -> str:
    kazakh = any(letter in "әғқңөұүһі" for letter in text.lower())
    return "kk" if kazakh else "ru" if any("а" <= letter <= "я" for letter in text.lower()) else "en"
