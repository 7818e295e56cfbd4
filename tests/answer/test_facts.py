from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.answer.facts import facts, normalised_identifier
from countersign.answer.polarity import negated, opposites
from countersign.corpus.transliterate import same_name


@pytest.mark.parametrize(
    "text",
    [
        "1 250 000 тенге",
        "1,250,000 tenge",
        "1,25 млн ₸",
        "1.25 million KZT",
        "1 250 мың теңге",
        "1\u00a0250\u00a0000 тг",
    ],
)
def test_one_sum_however_it_is_written(text: str) -> None:
    (number,) = facts(text).numbers
    assert Decimal(1_250_000) in number.values
    assert number.unit == "kzt"


@pytest.mark.parametrize(
    "text",
    [
        "12 марта 2024 года",
        "12.03.2024",
        "2024-03-12",
        "2024 жылғы 12 наурызда",
        "12 March 2024",
        "March 12, 2024",
        "12 наурыз 2024",
    ],
)
def test_one_date_however_it_is_written(text: str) -> None:
    (date,) = facts(text).dates
    assert (date.year, date.month, date.day) == (2024, 3, 12)
    assert not facts(text).numbers


def test_units_words_and_ranges() -> None:
    assert [(n.unit, set(n.values)) for n in facts("10–15 рабочих дней").numbers] == [
        ("day", {Decimal(10)}), ("day", {Decimal(15)})
    ]  # fmt: skip
    assert [n.unit for n in facts("within five days, 3-ші күні, 12,5 %").numbers if n.unit == "day"] == [
        "day",
        "day",
    ]
    assert facts("from 9:00 to 18:00").times == {"09:00", "18:00"}


def test_a_figure_with_two_readings_keeps_both() -> None:
    (number,) = facts("1,250").numbers
    assert number.values == {Decimal("1.250"), Decimal(1250)}
    (round_number,) = facts("500,000 tenge").numbers
    assert round_number.values == {Decimal(500_000)}


def test_identifiers_agree_across_scripts() -> None:
    assert facts("по договору № ДБ-17/2025").identifiers == ("дб-17/2025",)
    assert normalised_identifier("ДБ-17/2025") == normalised_identifier("DB 17-2025")


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Қазақстан", "Kazakhstan", True), ("Казахстане", "Қазақстан", True), ("Сейтова", "Seitova", True),
        ("Айгүл", "Aigul", True), ("Жұмабаев", "Zhumabayev", True), ("Асан", "Асанов", False),
        ("Ахметов", "Ахмедов", False), ("Оспанова", "Сейтова", False),
    ],
)  # fmt: skip
def test_names_by_transliteration(first: str, second: str, same: bool) -> None:
    assert same_name(first, second) is same


@pytest.mark.parametrize(
    "text",
    [
        "Комиссия не взимается",
        "Комиссия алынбайды",
        "No fee is charged",
        "Карта бесплатная",
        "Бұл міндетті емес",
        "It isn't allowed",
    ],
)
def test_negations(text: str) -> None:
    assert negated(text)


@pytest.mark.parametrize(
    "text",
    [
        "не позднее 5 дней",
        "no later than 5 days",
        "срок не превышает 3 месяцев",
        "3 айдан аспайды",
        "Сіз карта аласыз",
        "Contract No. 5",
    ],
)
def test_what_only_looks_like_a_negation(text: str) -> None:
    assert not negated(text)


def test_opposites() -> None:
    assert opposites("лимит повышен", "лимит снижен")
    assert opposites("15 working days", "15 calendar days")
    assert not opposites("лимит повышен", "лимит увеличен до предела")


@given(st.text(max_size=200))
def test_any_text_has_facts_without_an_error(text: str) -> None:
    facts(text)
