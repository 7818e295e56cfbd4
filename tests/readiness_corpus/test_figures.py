"""Figures, labels and signatures: the small readers on which comparing rests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.corpus.readiness.figures import read, unit_of_header
from countersign.corpus.readiness.labels import Relation, label, relation, stem_of
from countersign.corpus.readiness.signature import PERMUTATIONS, candidates, likeness, signature, stack
from countersign.corpus.readiness.statements import About, statements
from countersign.domain.documents import Element


def values(text: str) -> list[str]:
    return [figure.value for figure in read(text).figures]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 250 000 тг", ["1250000 kzt"]),
        ("1,250,000 KZT", ["1250000 kzt"]),
        ("1,25 млн тенге", ["1250000 kzt"]),
        ("₸ 300", ["300 kzt"]),
        ("$1,250.50", ["1250.5 usd"]),
        ("1.5 million tenge", ["1500000 kzt"]),
        ("0,5 %", ["0.5 %"]),
        ("19 пайыз", ["19 %"]),
        ("12 марта 2024 года", ["2024-03-12"]),
        ("2024 жылғы 12 наурыз", ["2024-03-12"]),
        ("12.03.2024", ["2024-03-12"]),
        ("March 12, 2024", ["2024-03-12"]),
        ("за 2023 год", ["2023"]),
        ("1 год", ["12 month"]),
        ("12 months", ["12 month"]),
        ("10–15 рабочих дней", ["10 working day", "15 working day"]),
        ("5 жұмыс күні", ["5 working day"]),
        ("24 календарных дня", ["24 day"]),
        ("30-day period", ["30 day"]),
        ("с 9:00 до 18:00", ["09:00", "18:00"]),
        ("20 ГБ", ["20 gb"]),
        ("Договор № 17, пункт 3.2, приложение 4", []),
        ("ИИН 850412300123, тел. +7 (727) 250-12-12", []),
        ("закон N 420-ФЗ", []),
    ],
)
def test_a_figure_has_one_value_however_it_is_written(text: str, expected: list[str]) -> None:
    assert values(text) == expected


def test_a_header_gives_its_unit_to_the_numbers_below() -> None:
    assert [f.value for f in read("10 500", unit_of_header("Плата, тыс. тенге")).figures] == ["10500000 kzt"]
    assert [f.value for f in read("12,5", unit_of_header("Rate, %")).figures] == ["12.5 %"]
    assert unit_of_header("Город") == ("", "", 0)


@given(st.text(max_size=200))
def test_reading_takes_whatever_text_there_is(text: str) -> None:
    reading = read(text)
    assert all(0 <= f.start <= f.end <= len(reading.folded) for f in reading.figures)
    assert len(reading.rest) == len(reading.folded)
    label(text)
    signature(text)


def test_a_table_cell_speaks_of_its_row_and_column() -> None:
    table = Element(
        "table",
        "Услуга | Взрослый, тенге | Детский, тенге\nБассейн | 2 000 | 1 000\nСауна | 3 500 |",
        header_rows=1,
    )
    found = {s.value: About.decode(s.subject) for s in statements([table], "ru") if s.kind == "money"}
    assert set(found) == {"2000 kzt", "1000 kzt", "3500 kzt"}
    assert found["2000 kzt"].core != found["1000 kzt"].core and found["2000 kzt"].from_table
    assert "бассейн" in found["1000 kzt"].core


def test_statements_are_inert_and_bounded() -> None:
    long = "слово " * 60 + "составляет 500 тенге " + "слово " * 60
    found = [s for s in statements([Element("paragraph", long + "\u202e\x07")], "ru") if s.kind == "money"]
    assert len(found) == 1 and len(found[0].text) <= 200 and "500 тенге" in found[0].text
    assert found[0].text.isprintable()


@given(
    st.sets(st.sampled_from(["а", "~fee", "loan", "түн"])),
    st.sets(st.sampled_from(["m100 kzt", "d2024"])),
    st.booleans(),
)
def test_what_a_statement_is_about_survives_being_stored(
    core: set[str], others: set[str], table: bool
) -> None:
    about = About(frozenset(core), frozenset(others), frozenset(core), table)
    assert About.decode(about.encode()) == about


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("leave_policy_v1", "leave_policy_v2", "version"),
        ("Правила (редакция 2023)", "Правила (редакция 2025)", "version"),
        ("tariffs", "tariffs (1)", "version"),
        ("TariffBook", "tariff_book_final", "version"),
        ("tariffs_2024", "tariffs_2025", "dated"),
        ("Отчёт_2024", "Отчёт_2025", "series"),
        ("contract_17", "contract_18", "series"),
        ("Приказ № 114", "Приказ № 115", "series"),
        ("Отчёт за январь 2025", "Отчёт за февраль 2025", "series"),
        ("branch_almaty", "branch_astana", "series"),
        ("leave_policy_kk", "leave_policy_ru", "translation"),
        ("loan_terms", "loan_terms_vip", "variant"),
        ("scan_001", "scan_002", "other"),
        ("114", "115", "series"),
        ("roaming", "vacation", "other"),
    ],
)
def test_what_two_names_say(first: str, second: str, expected: Relation) -> None:
    assert relation(label(first), label(second)) == expected
    assert relation(label(second), label(first)) == expected


def test_the_stem_of_a_name() -> None:
    assert stem_of("a/mail.eml#terms v1.2.pdf") == "terms v1.2"
    assert (stem_of("policy v1.2"), stem_of(".hidden"), stem_of("a/b/")) == ("policy v1.2", ".hidden", "b")


WORDS = st.lists(
    st.sampled_from(["алма", "нан", "жол", "тас", "күн", "түн", "ай", "су", "от", "жер", "көк", "қар"]),
    min_size=12,
    max_size=60,
)


@given(WORDS, st.integers(0, 10**9), st.integers(0, 10**9))
def test_likeness_is_of_words_and_not_of_figures(words: list[str], one: int, other: int) -> None:
    first, second = (" ".join([*words, f"{figure} теңге", *reversed(words)]) for figure in (one, other))
    assert likeness(signature(first), signature(second)) in (0.0, 1.0)
    assert signature(first) == signature(second)
    assert len(signature(first)) in (0, 4 * PERMUTATIONS)


def test_texts_that_share_most_words_meet_and_others_do_not() -> None:
    text = [f"слово{chr(1072 + n % 32)}{chr(1072 + n // 32)}" for n in range(300)]
    changed = [*text[:100], "иначе", *text[101:]]
    alien = [f"word{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(300)]
    marks = [signature(" ".join(words)) for words in (text, changed, alien)]
    assert likeness(marks[0], marks[1]) > 0.9 and likeness(marks[0], marks[2]) < 0.1
    assert list(candidates(stack(marks))) == [(0, 1)]
    assert signature("too short") == b"" and likeness(b"", marks[0]) == 0.0


def test_a_template_of_thousands_stays_cheap() -> None:
    mark = signature(" ".join(f"слово{chr(1072 + n % 32)}" for n in range(40)))
    pairs = list(candidates(stack([mark] * 2_000)))
    assert 2_000 <= len(pairs) <= 2_000 * 6 and len(set(pairs)) == len(pairs)
