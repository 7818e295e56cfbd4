"""Whether what was found can hold an answer: told from a question, its passages and the talk before it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.answer.answerable import Answerability, Judged, features
from countersign.answer.phrases import advice_for
from countersign.answer.references import unresolved
from countersign.domain.answers import HistoryTurn
from countersign.domain.documents import Passage
from tests.answer.passages import passage

MODEL = "multilingual-e5-small/test"
CARDS = {
    "en": [
        "The annual fee of the Tolkyn Gold card is 12,000 tenge.",
        "Branches are open from 9:00 to 18:00 on working days.",
        "A lost card is blocked by telephone at any hour.",
        "Deposits are insured by the fund up to a limit.",
        "Couriers deliver documents within the city.",
        "Parking is free for visitors of the head office.",
    ],
    "ru": [
        "Годовое обслуживание карты «Толкын Голд» стоит 12 000 тенге.",
        "Отделения работают с 9:00 до 18:00 по рабочим дням.",
        "Утерянную карту блокируют по телефону круглосуточно.",
        "Вклады застрахованы фондом в пределах лимита.",
        "Курьеры доставляют документы по городу.",
        "Парковка для посетителей головного офиса бесплатна.",
    ],
    "kk": [
        "«Толқын Голд» картасына жылдық қызмет көрсету құны 12 000 теңге.",
        "Бөлімшелер жұмыс күндері 9:00-ден 18:00-ге дейін жұмыс істейді.",
        "Жоғалған карта телефон арқылы тәулік бойы бұғатталады.",
        "Салымдар шек шегінде қормен сақтандырылған.",
        "Курьерлер құжаттарды қала ішінде жеткізеді.",
        "Бас кеңсеге келушілер үшін көлік тұрағы тегін.",
    ],
}
ASKED = {
    "en": "What is the annual fee of the Tolkyn Gold card?",
    "ru": "Сколько стоит годовое обслуживание карты «Толкын Голд»?",
    "kk": "«Толқын Голд» картасына жылдық қызмет көрсету құны қанша?",
}
OF_ANOTHER = {
    "en": "What is the annual fee of the Sapphire Horizon card?",
    "ru": "Сколько стоит годовое обслуживание карты «Сапфир Горизонт»?",
    "kk": "Біздегі Сапфир Горизонт картасына жылдық қызмет көрсету құны қанша?",
}


def found(language: str, *, near: bool = True, **changes: Any) -> list[Passage]:
    """The language's passages as retrieval would give them: one that fits, or six that fit about as little."""
    scores = [0.95, 0.40, 0.35, 0.30, 0.28, 0.25] if near else [0.52, 0.50, 0.49, 0.48, 0.47, 0.46]
    cosines = [0.93, 0.86, 0.85, 0.84, 0.84, 0.83] if near else [0.82, 0.82, 0.81, 0.81, 0.81, 0.80]
    return [
        passage(text, language, key=str(n), score=score, features={"cosine": cosine}, **changes)
        for n, (text, score, cosine) in enumerate(zip(CARDS[language], scores, cosines, strict=True))
    ]


def judged(question: str, passages: list[Passage], **more: Any) -> Judged:
    verdict = Answerability().judge(question, passages, **{"model_id": MODEL, **more})
    assert verdict is not None
    return verdict


@pytest.mark.parametrize("language", ["en", "ru", "kk"])
@pytest.mark.parametrize("model_id", [MODEL, ""])
def test_what_is_there_is_answered(language: str, model_id: str) -> None:
    assert judged(ASKED[language], found(language), model_id=model_id).share >= Answerability().least


@pytest.mark.parametrize("language", ["en", "ru", "kk"])
@pytest.mark.parametrize("model_id", [MODEL, ""])
def test_a_name_that_nothing_mentions_is_the_cause(language: str, model_id: str) -> None:
    verdict = judged(OF_ANOTHER[language], found(language, near=False), model_id=model_id)
    assert verdict.share < Answerability().least
    assert verdict.cause == "subject_not_found"


@pytest.mark.parametrize("language", ["en", "ru", "kk"])
def test_passages_that_all_fit_as_little_answer_nothing(language: str) -> None:
    question = {
        "en": "how do i insure a boat",
        "ru": "как застраховать лодку",
        "kk": "қайықты қалай сақтандырамын",
    }
    verdict = judged(question[language], found(language, near=False))
    assert verdict.share < Answerability().least
    assert verdict.cause == "evidence_thin"


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("What was the net income of Tolkyn in FY2021?", "en"),
        ("Какой была чистая прибыль «Толкын» в 2021 году?", "ru"),
        ("«Толқын» компаниясының 2021 жылғы таза пайдасы қанша?", "kk"),
    ],
)
def test_reports_of_other_years_do_not_answer(question: str, language: str) -> None:
    of_2017 = found(language, title="Tolkyn, Толкын, Толқын 2017")
    verdict = judged(question, of_2017, named=True)
    assert (verdict.share < Answerability().least, verdict.cause) == (True, "period_not_found")
    the_year_after = found(language, title="Tolkyn, Толкын, Толқын 2022")
    assert judged(question, the_year_after, named=True).cause != "period_not_found"


def test_documents_that_titles_name_are_known_by_any_name() -> None:
    """An abbreviation that led to the documents does not have to stand in them."""
    assert features("What are JnJ's fees?", "en", found("en"))["known"] == 0.0
    assert features("What are JnJ's fees?", "en", found("en"), named=True)["known"] == 1.0


@pytest.mark.parametrize(
    ("question", "language", "before", "count"),
    [
        ("What awards has the actor received?", "en", "", 1),
        ("What awards has the actor received?", "en", "Which actors live in Almaty?", 0),
        ("What is the actor's approach to fitness?", "en", "", 1),
        ("How does this index fund compare?", "en", "", 1),
        ("What is the difference between a lien and a pledge?", "en", "", 0),
        ("What is the annual fee of the Gold card?", "en", "", 0),
        ("Who works in the Almaty branch?", "en", "", 0),
        ("Когда истекает этот договор?", "ru", "", 1),
        ("Когда истекает этот договор?", "ru", "Мы подписали договор аренды.", 0),
        ("Когда истекает договор аренды?", "ru", "", 0),
        ("Бұл шарт қашан аяқталады?", "kk", "", 1),
        ("Бұл шарт қашан аяқталады?", "kk", "Біз жалға алу шартын жасадық.", 0),
        ("Жалға алу шарты қашан аяқталады?", "kk", "", 0),
    ],
)
def test_what_a_question_points_to(question: str, language: str, before: str, count: int) -> None:
    from countersign.corpus.terms import content_terms

    assert unresolved(question, language, frozenset(content_terms(before, language))) == count


def test_a_question_that_points_to_nothing_is_asked_back() -> None:
    verdict = judged("How wealthy is this county?", found("en", near=False))
    assert (verdict.share < Answerability().least, verdict.cause) == (True, "question_unclear")


def test_a_question_that_goes_on_from_what_the_passages_tell_is_likelier() -> None:
    question, passages = "And how much is it?", found("en", near=False)
    history = [HistoryTurn("user", "Is there an annual fee of the Tolkyn Gold card?")]
    assert judged(question, passages, history=history).share > judged(question, passages).share


def test_it_does_not_judge_across_languages_or_from_few_passages() -> None:
    judge = Answerability().judge
    assert judge(ASKED["ru"], found("en")) is None
    assert judge(ASKED["en"], found("en")[:4]) is None
    assert judge(ASKED["en"], []) is None


def test_neighbours_of_passages_are_not_counted() -> None:
    beside = [passage("The fee is charged in May.", key="n", score=0.2, features={"neighbour": 1.0})]
    assert judged(ASKED["en"], [*found("en"), *beside]) == judged(ASKED["en"], found("en"))


@given(st.text(max_size=80), st.lists(st.text(max_size=40), min_size=5, max_size=9), st.text(max_size=40))
def test_whatever_is_asked_is_judged_without_an_error(question: str, texts: list[str], before: str) -> None:
    passages = [passage(text, "und", key=str(n), score=0.5) for n, text in enumerate(texts)]
    verdict = Answerability().judge(question, passages, history=[HistoryTurn("user", before)])
    assert verdict is not None
    assert 0.0 <= verdict.share <= 1.0


def test_advice_is_given_in_three_languages() -> None:
    for cause in ("subject_not_found", "period_not_found", "question_unclear"):
        assert len({advice_for(cause, language) for language in ("en", "ru", "kk")}) == 3
    assert advice_for("evidence_thin", "en") == ""
