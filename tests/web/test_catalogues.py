"""Every message is in every catalogue, with the same places in it; every code of the house has its words."""

from __future__ import annotations

import re

import pytest

from countersign.answer.ask import STEPS
from countersign.app.desk import VERDICTS
from countersign.domain.answers import AnswerStatus, RefusalReason
from countersign.domain.documents import DocumentStatus, ParseStatus
from countersign.domain.events import EventKind
from countersign.web import wording
from countersign.web.i18n import LANGUAGES, choose_language, load_translations
from tests.web import catalogues

_PLACE = re.compile(r"%\(\w+\)s|\{\w+\}")


@pytest.mark.parametrize("language", catalogues.LANGUAGES)
def test_the_catalogue_is_complete(language: str) -> None:
    wanted = {message.id for message in catalogues.extracted() if message.id}
    known = {message.id: message for message in catalogues.stored(language) if message.id}
    assert set(known) == wanted, "run: python -m tests.web.catalogues"
    for message in known.values():
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        source = message.id[0] if isinstance(message.id, tuple) else message.id
        for string in strings:
            assert string, f"{language}: {source!r} is not translated"
            assert sorted(_PLACE.findall(string)) == sorted(_PLACE.findall(source)), source


@pytest.mark.parametrize(
    ("kind", "codes"),
    [
        ("status", AnswerStatus),
        ("refusal", RefusalReason),
        ("advice", RefusalReason),
        ("document", DocumentStatus),
        ("parse", ParseStatus),
        ("event", EventKind),
        ("verdict", VERDICTS),
        ("step", [name for name, _ in STEPS]),
    ],
)
def test_every_code_has_words(kind: str, codes: list[str]) -> None:
    assert {str(code) for code in codes} <= {str(code) for code in wording.KINDS[kind]}


def test_a_detail_takes_its_place_and_an_unknown_code_is_shown() -> None:
    translate = load_translations("ru").gettext
    assert wording.word(translate, "claim", "number_missing:45") == "числа 45 нет в указанном источнике"
    assert wording.word(translate, "claim", "something_new:7") == "something new:7"


def test_plurals_follow_the_language() -> None:
    russian = load_translations("ru").ngettext
    assert [russian("%(num)s page", "%(num)s pages", n) % {"num": n} for n in (1, 3, 5, 21)] == [
        "1 страница",
        "3 страницы",
        "5 страниц",
        "21 страница",
    ]


def test_a_language_is_chosen() -> None:
    assert choose_language("kk", "ru") == "kk"
    assert choose_language("xx", "de-DE, ru-RU;q=0.8, en;q=0.5") == "ru"
    assert choose_language("", "") == "en"
    assert set(LANGUAGES) == {"kk", "ru", "en"}
