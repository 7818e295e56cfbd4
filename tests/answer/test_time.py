"""The time a question speaks of: the version in force then answers, and what has ended is named, never used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.access.principal import Principal
from countersign.answer.period import asks_before_change, period_of
from countersign.app.founding import found
from countersign.app.house import House, open_house
from countersign.domain.answers import Answer, AnswerStatus, Question, RefusalReason
from tests.answer.time_questions import ASKED, BEGINS, NOW, SECOND, STAYS, TEXTS, THIRD
from tests.journeys.parts import MovableClock
from tests.workspaces import assistant, person, workspace, write_files

pytestmark = pytest.mark.anyio

ONLY_ONCE = "# Parking\n\nParking at the head office costs 900 tenge a day.\n"

UNDATED: dict[str, str | bytes] = {
    "badge-1.md": "# Badges\n\nA lost badge costs its owner 1700 tenge.\n",
    "badge-2.md": "# Badges\n\nA lost badge costs its owner 1900 tenge.\n",
}


def library() -> tuple[dict[str, str | bytes], list[dict[str, Any]]]:
    """Three versions of every text in every language, each superseding the one before."""
    files: dict[str, str | bytes] = {"parking.md": ONLY_ONCE, **UNDATED}
    rows: list[dict[str, Any]] = [
        {"file": "parking.md", "acl": ["staff"], "valid_from": "2024-01-01", "valid_to": "2025-04-01"},
        {"file": "badge-1.md", "acl": ["staff"]},
        {"file": "badge-2.md", "acl": ["staff"], "supersedes": "badge-1.md"},
    ]
    for topic, languages in TEXTS.items():
        for language, (title, text, values) in languages.items():
            for number, value in enumerate(values):
                name = f"{topic}-{language}-{number}.md"
                files[name] = f"# {title}\n\n{text.format(value)}\n"
                row = {"file": name, "acl": ["staff"], "valid_from": BEGINS[number]}
                before = {"supersedes": f"{topic}-{language}-{number - 1}.md"} if number else {}
                rows.append(row | before)
    return files, rows


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    root: Path = tmp_path_factory.mktemp("versions")
    helper = assistant(languages=("en", "ru", "kk"))
    settings = workspace(root, assistants={"staff-help": helper})
    write_files(root / "files", *library())
    found(settings)
    clock = MovableClock(NOW)
    joined = await open_house(settings, model_cache=root / "cache", owner=True, clock=clock)
    await joined.sync("intranet", lambda step: None)
    await joined.worker.drain()
    yield joined
    await joined.close()


async def ask(house: House, question: str, **more: Any) -> Answer:
    clerk: Principal = await person(house, "clerk", ["staff"])
    return await house.asking.ask(clerk, Question("staff-help", question, **more))


def values_in(answer: Answer) -> set[int]:
    """Which versions' figures the answer gives."""
    text = answer.text.split("\n\n")[0]
    figures = {word.strip(".,;:[]") for word in text.split()}
    known = [values for languages in TEXTS.values() for _, _, values in languages.values()]
    return {number for values in known for number, value in enumerate(values) if value in figures}


def test_the_set_is_large_enough() -> None:
    assert len(ASKED) >= 60
    assert len({question for _, question, _ in ASKED}) == len(ASKED)


async def test_the_version_in_force_then_answers(house: House) -> None:
    wrong = {}
    for topic, question, version in ASKED:
        answer = await ask(house, question)
        if values_in(answer) != {version} or not all(topic in c.external_id for c in answer.citations):
            wrong[question] = answer.text
    assert wrong == {}


async def test_an_answer_for_another_day_says_which(house: House) -> None:
    answer = await ask(house, "Сколько стоило годовое обслуживание карты Голд в марте 2025?")
    assert "По состоянию на 31.03.2025." in answer.text
    assert "30.06.2025" in answer.text, "the last day of the version that answered"
    assert answer.as_of == datetime(2025, 3, 31, 12, tzinfo=UTC)
    assert {"as_of_another_day", "only_superseded"} <= set(answer.warnings)
    now = await ask(house, "Сколько стоит годовое обслуживание карты Голд?")
    assert "состоянию" not in now.text
    assert now.warnings == ()


async def test_a_version_that_began_within_the_period_is_told(house: House) -> None:
    answer = await ask(house, "What was the annual fee of the Gold card in 2025?")
    assert values_in(answer) == {THIRD}
    assert "changed_in_period" in answer.warnings


async def test_a_date_given_beside_the_question_is_the_last_word(house: House) -> None:
    moment = datetime(2025, 2, 1, tzinfo=UTC)
    answer = await ask(house, "What was the annual fee of the Gold card in March 2024?", as_of=moment)
    assert values_in(answer) == {SECOND}
    assert "1 February 2025" in answer.text


async def test_a_successor_without_a_day_begins_when_it_was_first_seen(house: House) -> None:
    now = await ask(house, "What does a lost badge cost its owner?")
    then = await ask(house, "What did a lost badge cost its owner in March 2025?")
    assert "1900" in now.text and "1700" not in now.text
    assert "1700" in then.text and "1900" not in then.text


async def test_what_has_ended_is_named_and_never_told(house: House) -> None:
    answer = await ask(house, "What does parking at the head office cost a day?")
    assert answer.status is AnswerStatus.REFUSED
    assert answer.refusal is RefusalReason.NO_EVIDENCE
    assert answer.warnings == ("only_superseded",)
    assert "31 March 2025" in answer.text
    assert "900 tenge" not in answer.text
    assert answer.citations == ()


async def test_who_may_not_read_what_has_ended_hears_nothing_of_it(house: House) -> None:
    stranger = await person(house, "stranger", ["guests"])
    answer = await house.asking.ask(
        stranger, Question("staff-help", "What does parking at the head office cost a day?")
    )
    assert answer.refusal is RefusalReason.NO_EVIDENCE
    assert answer.warnings == ()
    assert "2025" not in answer.text


async def test_a_question_that_nothing_ever_answered_is_refused_plainly(house: House) -> None:
    answer = await ask(house, "What is the boiling point of mercury?")
    assert answer.refusal is RefusalReason.NO_EVIDENCE
    assert answer.warnings == ()


@pytest.mark.parametrize("question", STAYS)
def test_a_date_that_is_asked_about_stays_in_the_present(question: str) -> None:
    assert period_of(question, NOW) is None
    assert not asks_before_change(question)


@given(st.text(max_size=120))
def test_whatever_is_asked_is_read_without_an_error(text: str) -> None:
    period_of(text, NOW)
    asks_before_change(text)
    period = period_of(f"What was the fee in March 2025 {text}", NOW)
    assert period is None or period.first <= period.last


def test_a_letter_has_dates_of_its_own() -> None:
    letter = "I opened an account in March 2025 and wish to know what the fee was in March 2025. " * 6
    assert period_of(letter, NOW) is None


def test_an_elliptic_question_after_another_moves_too() -> None:
    for question in ("And in March 2025?", "А в марте 2025?", "2025 жылғы наурызда ше?"):
        period = period_of(question, NOW)
        assert period is not None and period.last.isoformat() == "2025-03-31", question


def test_today_is_the_present_in_every_wording() -> None:
    for question in ("What was the fee in 2026?", "What is the fee in November 2026?"):
        assert period_of(question, NOW) is None
    assert period_of("What will the fee be in January 2027?", NOW) is not None


def test_the_words_that_say_when_can_be_left_out() -> None:
    period = period_of("What was the fee in March 2025 for a card?", NOW)
    assert period is not None
    assert (
        replace(period).left_out_of("What was the fee in March 2025 for a card?")
        == "What was the fee for a card?"
    )
