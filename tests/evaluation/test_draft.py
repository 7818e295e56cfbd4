"""Drafted questions: the same every time, from what stands there, in three languages, and never with their answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.evaluation.draft import Excerpt, draft, drafts_of


def _of(text: str, language: str, **changes: object) -> Excerpt:
    plain: dict[str, object] = {
        "document_id": "doc_1", "source": "files", "external_id": "a.md", "title": "A", "language": language,
        "page": None, "text": text,
    }  # fmt: skip
    return Excerpt(**{**plain, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "language", "asked"),
    [
        (
            "The monthly service fee of the Gold card is 990 tenge.",
            "en",
            "What is the monthly service fee of the Gold card?",
        ),
        (
            "Комиссия за обслуживание карты составляет 990 тенге.",
            "ru",
            "Сколько составляет комиссия за обслуживание карты?",
        ),
        (
            "Картаға қызмет көрсету ақысы 990 теңге құрайды.",
            "kk",
            "Картаға қызмет көрсету ақысы қанша?",
        ),
        (
            "Банковская гарантия — это обязательство банка заплатить за клиента.",
            "ru",
            "Что такое банковская гарантия?",
        ),
        (
            "Банк кепілдігі дегеніміз — банктің клиент үшін төлеу міндеттемесі.",
            "kk",
            "Банк кепілдігі дегеніміз не?",
        ),
        (
            "A letter of credit is a promise of a bank to pay the seller.",
            "en",
            "What is letter of credit?",
        ),
    ],
)
def test_a_sentence_becomes_the_question_that_it_answers(text: str, language: str, asked: str) -> None:
    [found] = drafts_of(_of(text, language))
    assert found.question.text == asked
    assert (found.question.document_id, found.question.language) == ("doc_1", language)


def test_a_row_of_a_table_asks_for_a_cell_and_a_mail_for_its_subject() -> None:
    table = _of("Card | Fee, tenge\nGold card | 990\nPlain card | 0", "en", is_table=True)
    assert [each.question.text for each in drafts_of(table)] == [
        "What is “Fee, tenge” for “Gold card”?",
        "What is “Fee, tenge” for “Plain card”?",
    ]
    mail = _of("Good morning. The desk is closed.", "en", is_mail=True, title="RE: Fwd: Exchange desk hours")
    assert [each.question.text for each in drafts_of(mail)] == [
        "What was written about “Exchange desk hours”?"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "It is 45 tenge.",
        "The fee 45 is 45 tenge.",
        "See https://example.kz/fee is 45 tenge.",
        "The answer is 7.",
        "Nothing here can be asked about.",
    ],
)
def test_what_is_not_understood_alone_or_says_its_answer_is_not_asked(text: str) -> None:
    assert list(drafts_of(_of(text, "en"))) == []


def _library() -> list[list[Excerpt]]:
    return [
        [
            _of(
                f"The yearly rent of the {name} box is {n + 5},000 tenge. The first deposit for the {name} box is {n + 3} tenge.",
                "en",
                document_id=f"doc_{name}",
                external_id=f"{name}.md",
            )
        ]
        for n, name in enumerate(("small", "large", "wide", "tall"))
    ] + [[_of("Комиссия за перевод составляет 300 тенге.", "ru", document_id="doc_ru", external_id="ru.md")]]


def test_drafts_repeat_for_a_seed_and_are_spread_over_documents_and_languages() -> None:
    first, again = draft(_library(), 5, seed=3), draft(list(reversed(_library())), 5, seed=3)
    assert first == again
    assert {each.document_id for each in first} == {
        "doc_small",
        "doc_large",
        "doc_wide",
        "doc_tall",
        "doc_ru",
    }
    assert len(draft(_library(), 100)) == 9
    assert len({each.text for each in draft(_library(), 100)}) == 9
    assert len({tuple(draft(_library(), 3, seed=seed)) for seed in range(8)}) > 1


@given(st.text(max_size=300), st.sampled_from(["kk", "ru", "en", "und", "de"]), st.booleans())
def test_no_text_breaks_it_and_no_question_holds_the_figure_that_answers_it(
    text: str, language: str, is_table: bool
) -> None:
    for each in drafts_of(_of(text, language, is_table=is_table, heading=text[:40])):
        figures = [part for part in each.answer.split() if part.isdigit()]
        assert not any(figure in each.question.text.split() for figure in figures)
        assert 12 <= len(each.question.text) <= 180
