from __future__ import annotations

import pytest

from countersign.corpus.language import detect, of_parts
from countersign.corpus.parsers.decoding import decode, mojibake

RUSSIAN = "Ставка по вкладу пересматривается каждый квартал и действует до конца договора. " * 8
KAZAKH = "Салым бойынша мөлшерлеме тоқсан сайын қайта қаралады және шарттың соңына дейін қолданылады. " * 8


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Тарифтерді қалай өзгертуге болады?", "kk"),
        ("Ипотека бойынша жауап керек пе", "kk"),
        ("Как изменить тариф?", "ru"),
        ("Тариф", "ru"),
        ("How do I change my tariff?", "en"),
        ("12 500 — 30", "und"),
        ("", "und"),
        ("ab", "und"),
        ("Der Vertrag wird jedes Jahr verlängert, wenn er nicht gekündigt wird.", "de"),
        ("Ставка змінюється щороку, якщо її не підтверджено іншою угодою сторін.", "uk"),
    ],
)
def test_language_of_short_texts(text: str, language: str) -> None:
    assert detect(text) == language


def test_languages_of_a_document_come_by_size() -> None:
    assert of_parts([("kk", 100), ("ru", 500), ("und", 900), ("en", 5)]) == ("ru", "kk")


@pytest.mark.parametrize("page", ["cp1251", "koi8-r", "cp866", "iso8859-5", "mac-cyrillic"])
def test_russian_code_pages_are_told_apart(page: str) -> None:
    decoded = decode(RUSSIAN.encode(page))
    assert (decoded.text, decoded.encoding) == (RUSSIAN, page)
    assert decoded.confidence < 1.0


@pytest.mark.parametrize("page", ["kz1048", "ptcp154"])
def test_kazakh_code_pages_are_told_apart(page: str) -> None:
    decoded = decode(KAZAKH.encode(page))
    assert (decoded.text, decoded.encoding) == (KAZAKH, page)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_in_every_shape(encoding: str) -> None:
    assert decode(KAZAKH.encode(encoding)).text == KAZAKH


def test_a_declared_charset_is_believed_when_it_fits() -> None:
    assert decode("Новости".encode("koi8-r"), "koi8-r").text == "Новости"
    assert decode(b"<?xml version='1.0' encoding='no-such'?>" + RUSSIAN.encode("cp1251")).text.endswith(
        RUSSIAN
    )


def test_mojibake_is_noticed_and_honest_text_is_not() -> None:
    assert mojibake("Привет".encode().decode("cp1251")) == "Привет"
    assert mojibake(RUSSIAN) == "" and mojibake(KAZAKH) == "" and mojibake("plain") == ""
