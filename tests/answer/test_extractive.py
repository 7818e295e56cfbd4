from __future__ import annotations

from typing import Any

import pytest

from countersign.answer.citations import bind
from countersign.answer.verify import verify
from countersign.domain.documents import Passage
from countersign.gateway.extractive import Extractive
from countersign.gateway.seams import Delta, Done, ModelRequest
from tests.answer.passages import passage

pytestmark = pytest.mark.anyio

CARDS = passage(
    "The annual fee of the Tolkyn Gold card is 12,000 tenge. For the Classic card the annual fee is 3,500 tenge.\n"
    "An additional card is issued free of charge.", key="cards", title="Card tariffs", score=0.9,
)  # fmt: skip
HOURS = passage("The branch in Almaty works from 9:00 to 18:00. Sunday is a day off.", key="hours", score=0.4)
TABLE = passage(
    "Card | Annual fee | Cash limit\nGold | 12,000 ₸ | 1,000,000 ₸\nClassic | 3,500 ₸ | 500,000 ₸",
    key="t",
    is_table=True,
    score=0.8,
)
LOAN_KK = passage(
    "Несиені мерзімінен бұрын өтеу үшін комиссия алынбайды. Өтініш 5 жұмыс күні бұрын беріледі.",
    "kk",
    key="kk",
    score=0.9,
)
LOAN_RU = passage(
    "Комиссия за досрочное погашение кредита не взимается. Заявление подаётся за 5 рабочих дней.",
    "ru",
    key="ru",
    score=0.9,
)


async def say(question: str, *passages: Passage, **changes: Any) -> tuple[str, Done]:
    values: dict[str, Any] = {
        "max_output_tokens": 800,
        "question": question,
        "passages": passages,
        "language": "en",
    }
    pieces: list[str] = []
    async for value in Extractive().stream(ModelRequest((), **{**values, **changes})):
        if isinstance(value, Delta):
            pieces.append(value.text)
        else:
            return "".join(pieces), value
    raise AssertionError("a stream ends with Done")


async def test_it_answers_verbatim_with_the_passage_number() -> None:
    text, done = await say("What is the annual fee of the Gold card?", HOURS, CARDS)
    assert text.startswith("The annual fee of the Tolkyn Gold card is 12,000 tenge. [2]")
    assert done.finish_reason == "stop"
    assert done.usage.output_tokens > 0


@pytest.mark.parametrize(
    "question",
    [
        "What is the mortgage rate for foreign students?",
        "Who is the chief engineer of the Aktau plant?",
        "Сколько стоит аренда сейфа?",
    ],
)
async def test_it_abstains_when_the_passages_do_not_say(question: str) -> None:
    text, done = await say(question, HOURS, CARDS, TABLE)
    assert (text, done.finish_reason) == ("", "abstained")


async def test_a_table_row_is_read_with_its_header() -> None:
    text, _ = await say("What is the cash limit of the Classic card?", TABLE, HOURS)
    assert text.startswith("Card: Classic; Annual fee: 3,500 ₸; Cash limit: 500,000 ₸ [1]")


@pytest.mark.parametrize(
    ("question", "source", "expected"),
    [
        ("Несиені мерзімінен бұрын өтегенде комиссия бар ма?", LOAN_KK, "комиссия алынбайды"),
        ("Берётся ли комиссия за досрочное погашение кредита?", LOAN_RU, "не взимается"),
        ("Несиені мерзімінен бұрын өтегенде комиссия бар ма?", LOAN_RU, "не взимается"),
        ("Is there a fee for early repayment of a loan?", LOAN_RU, "не взимается"),
    ],
)
async def test_it_answers_in_three_languages_and_across_them(
    question: str, source: Passage, expected: str
) -> None:
    text, _ = await say(question, HOURS, source)
    assert expected in text


async def test_contradicting_figures_are_both_said() -> None:
    other = passage("The annual fee of the Tolkyn Gold card is 15,000 tenge.", key="o", score=0.8)
    text, _ = await say("What is the annual fee of the Gold card?", CARDS, other)
    assert "12,000" in text and "15,000" in text


@pytest.mark.parametrize(
    ("question", "language", "text", "other"),
    [
        (
            "What is the monthly service fee of the Tolkyn Gold card?", "en",
            "The monthly service fee of the Tolkyn Gold card is 990 tenge. "
            "The monthly service fee of the Tolkyn Platinum card is 3,500 tenge.", "Platinum",
        ),
        (
            "Сколько стоит обслуживание карты Толкын Голд в месяц?", "ru",
            "Обслуживание карты Толкын Голд стоит 990 тенге в месяц. "
            "Обслуживание карты Толкын Платинум стоит 3 500 тенге в месяц.", "Платинум",
        ),
        (
            "Толқын Алтын картасына айына қызмет көрсету құны қанша?", "kk",
            "Толқын Алтын картасына айына қызмет көрсету құны 990 теңге. "
            "Ал Толқын Платина картасына айына қызмет көрсету құны 3 500 теңге.", "Платина",
        ),
    ],
)  # fmt: skip
async def test_what_is_said_of_another_thing_is_left_out(
    question: str, language: str, text: str, other: str
) -> None:
    said, _ = await say(question, passage(text, language, score=0.9), language=language)
    assert "990" in said
    assert other not in said


async def test_two_things_that_are_asked_for_are_both_answered() -> None:
    text = "The Gold card costs 990 tenge a month. The Platinum card costs 3,500 tenge a month."
    said, _ = await say("What do the Gold card and the Platinum card cost a month?", passage(text, score=0.9))
    assert "990" in said
    assert "3,500" in said


async def test_what_it_says_verifies() -> None:
    for question, sources in (
        ("What is the annual fee of the Gold card?", [HOURS, CARDS]),
        ("Cash limit of Classic?", [TABLE]),
    ):
        text, _ = await say(question, *sources)
        bound = bind(text, sources)
        claims = await verify(bound.claims, bound.cited, "en", None)
        assert claims and all(claim.support == "literal" for claim in claims)


async def test_a_summary_leads_with_the_beginning_and_keeps_the_order() -> None:
    parts = [
        passage(f"Part {n} sets the rule for case {n}. It applies to staff of group {n}.", key=str(n))
        for n in range(1, 5)
    ]
    text, done = await say("Summarise", *parts, task="summarise")
    assert text.startswith("Part 1 sets the rule for case 1. [1]")
    assert [line[-2] for line in text.splitlines()] == sorted(line[-2] for line in text.splitlines())
    assert done.finish_reason == "stop"


@pytest.mark.parametrize(
    ("language", "greeting"), [("kk", "Сәлеметсіз бе!"), ("ru", "Здравствуйте!"), ("en", "Hello!")]
)
async def test_a_reply_is_framed_in_the_language_and_the_frame_is_no_claim(
    language: str, greeting: str
) -> None:
    text, _ = await say("What is the annual fee of the Gold card?", CARDS, task="reply", language=language)
    assert text.startswith(greeting)
    assert all("tenge" in claim.text for claim in bind(text, [CARDS]).claims)
    assert await say("Where do penguins live?", CARDS, task="reply") == (
        "",
        (await say("Where do penguins live?", CARDS))[1],
    )


async def test_it_keeps_to_the_output_limit() -> None:
    text, done = await say("What is the annual fee of the Gold card?", CARDS, max_output_tokens=5)
    assert (text, done.finish_reason) == ("", "abstained")


async def test_it_costs_nothing_and_goes_nowhere() -> None:
    model = Extractive()
    assert (model.name, model.region) == ("extractive", "")
    assert model.price is not None and model.price.unmetered


async def test_what_was_judged_beforehand_is_followed() -> None:
    assert (await say("What is the annual fee of the Gold card?", CARDS, answerable=False))[
        1
    ].finish_reason == "abstained"
    lone = "When may one come by?"
    assert (await say(lone, HOURS))[1].finish_reason == "abstained"
    assert (await say(lone, HOURS, answerable=True))[0].startswith("The branch in Almaty")


async def test_a_judgement_within_one_language_does_not_bind_another() -> None:
    question = "Несиені мерзімінен бұрын өтеу үшін комиссия алына ма?"
    said, _ = await say(question, HOURS, LOAN_RU, language="kk", answerable=False)
    assert said.startswith("Комиссия за досрочное погашение кредита не взимается.")
    assert (await say(question, LOAN_KK, language="kk", answerable=False))[1].finish_reason == "abstained"
