from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.corpus.sentences import sentences, split_sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Согласно ст. 5 закона от 12 марта 2024 г. Банк обязан. Далее.",
         ["Согласно ст. 5 закона от 12 марта 2024 г.", "Банк обязан.", "Далее."]),
        ("В г. Алматы тариф 1.5 млн. тенге. Подписал А. Б. Иванов.",
         ["В г. Алматы тариф 1.5 млн. тенге.", "Подписал А. Б. Иванов."]),
        ("2024 ж. бастап тариф өзгерді. Карта, салым және т.б. Соңы.",
         ["2024 ж. бастап тариф өзгерді.", "Карта, салым және т.б.", "Соңы."]),
        ("The fee is 5.5%. [2] See No. 7, e.g. this. Done [1][3]. Next.",
         ["The fee is 5.5%. [2]", "See No. 7, e.g. this.", "Done [1][3].", "Next."]),
        ("1. Первый пункт\n2. Второй пункт. Ещё", ["1. Первый пункт", "2. Второй пункт.", "Ещё"]),
        ("Card | Fee\nGold | 500\nSilver | 300", ["Card | Fee", "Gold | 500", "Silver | 300"]),
        ("The fee is paid within\nfive days. It is refunded.", ["The fee is paid within\nfive days.", "It is refunded."]),
        ("Қаралады ма? Иә! Жақсы…", ["Қаралады ма?", "Иә!", "Жақсы…"]),
    ],
)  # fmt: skip
def test_sentences_end_where_a_reader_ends_them(text: str, expected: list[str]) -> None:
    assert list(sentences(text)) == expected


@given(st.text(alphabet=st.sampled_from("аәБ1. \n|?!…[]№-гжт,«»"), max_size=80) | st.text(max_size=80))
def test_every_character_belongs_to_exactly_one_sentence(text: str) -> None:
    spans = split_sentences(text)
    assert "".join(text[start:end] for start, end in spans) == text
    assert all(start < end for start, end in spans)


def test_leader_dots_cost_no_more_than_their_length() -> None:
    assert split_sentences("Contents " + "." * 200_000 + "x") != ()
