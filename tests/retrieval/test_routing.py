"""Which documents a question names, learned from titles and file names alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.retrieval.fusion import Candidate, led
from countersign.retrieval.routing import Routing

FILINGS = {
    "b21": ("Baiterek Bank annual report 2021", "BAITEREKBANK_2021_AR"),
    "b22": ("Baiterek Bank annual report 2022", "BAITEREKBANK_2022_AR"),
    "bq": ("Baiterek Bank Earnings 2022", "BAITEREKBANK_2022Q3_EARNINGS"),
    "s22": ("Sary & Sons annual report 2022", "SARY_SONS_2022_AR"),
    "o22": ("OtauTelecom annual report 2022", "OTAUTELECOM_2022_AR"),
    "oe": ("OtauTelecom Earnings 2022", "OTAUTELECOM_2022Q1_EARNINGS"),
    "t21": ("Тұмар Энерго годовой отчёт 2021", "tumar_2021"),
    "t22": ("Тұмар Энерго годовой отчёт 2022", "tumar_2022"),
    "k21": ("Казахмет годовой отчёт 2021", "kazakhmet_2021"),
    "m1": ("Memo on parking", "memo"),
}


@pytest.fixture
def routing() -> Routing:
    known = Routing()
    for document, (title, filename) in FILINGS.items():
        known.add(document, title, filename)
    return known


@pytest.mark.parametrize(
    ("question", "documents"),
    [
        ("What was the revenue of Baiterek Bank in 2022?", {"b21", "b22", "bq"}),
        ("Did Baiterek pay dividends?", {"b21", "b22", "bq"}),
        ("What did Baiterek Bank's board decide?", {"b21", "b22", "bq"}),
        ("How large is SnS's inventory?", {"s22"}),
        ("What is the capex of Sary & Sons?", {"s22"}),
        ("How many towers does OTA own?", {"o22", "oe"}),
        ("Has Otau Telecom grown?", {"o22", "oe"}),
        ("Какая выручка у Казахмета?", {"k21"}),
        ("Какая прибыль у Тұмар Энерго за 2022 год?", {"t21", "t22"}),
    ],
)
def test_a_name_finds_its_documents_however_it_is_written(
    routing: Routing, question: str, documents: set[str]
) -> None:
    route = routing.route(question)
    assert route is not None
    assert route.documents == documents


@pytest.mark.parametrize(
    "question",
    [
        "What was the revenue in 2022?",
        "Annual reports of whom?",
        "what does the bank charge for parking?",
        "Earnings went up, why?",
        "Memo?",
        "",
    ],
)
def test_what_is_not_written_as_a_name_names_nothing(routing: Routing, question: str) -> None:
    assert routing.route(question) is None


def test_a_year_makes_documents_likelier_and_excludes_none(routing: Routing) -> None:
    route = routing.route("What was the revenue of Baiterek Bank in 2021?")
    assert route is not None
    assert route.likeliest == {"b21"}
    quarter = routing.route("What was the revenue of Baiterek Bank in Q3 2022?")
    assert quarter is not None
    assert quarter.likeliest == {"bq"}
    plain = routing.route("What was the revenue of Baiterek Bank?")
    assert plain is not None
    assert plain.likeliest == frozenset()


def test_what_is_gone_is_not_named_any_more(routing: Routing) -> None:
    routing.remove("k21")
    assert routing.route("Какая выручка у Казахмета?") is None


def test_a_name_of_most_documents_tells_nothing_apart() -> None:
    routing = Routing()
    for number in range(10):
        routing.add(f"d{number}", f"Baiterek rule {number}")
    assert routing.route("What does Baiterek say of leave?") is None


@pytest.mark.parametrize(
    ("question", "documents"),
    [
        ("May shop-example.kz keep my data? (policy of shop-example.kz)", {"site"}),
        ("What does LN-2023/114 say of fees?", {"contract"}),
        ("что в договоре ln-2023/114.", {"contract"}),
        ("Summarise board_2024-03.docx, please.", {"minutes"}),
        ("and board_2024-03?", {"minutes"}),
        ("May a shop keep my data?", set()),
        ("What is the e-mail policy?", set()),
        ("What changed in 2024?", set()),
    ],
)
def test_an_identifier_names_what_is_called_so(routing: Routing, question: str, documents: set[str]) -> None:
    routing.add("site", "shop-example.kz")
    routing.add("contract", "LN-2023/114", "scan17.pdf")
    routing.add("minutes", "Minutes of the board", "board_2024-03.docx")
    routing.add("mail", "E-mail", "e-mail.txt")
    routing.add("year", "2024")
    route = routing.route(question)
    assert (route.documents if route else frozenset()) == documents


@given(st.text(max_size=80), st.lists(st.text(max_size=30), max_size=6))
def test_any_title_and_question_is_read(question: str, titles: list[str]) -> None:
    routing = Routing()
    for number, title in enumerate(titles):
        routing.add(str(number), title, title[::-1])
    route = routing.route(question)
    assert route is None or route.documents <= {str(number) for number in range(len(titles))}


def test_named_passages_come_first_and_scores_stay_in_the_unit_interval() -> None:
    others = [Candidate(1, "en", 1.0), Candidate(2, "en", 0.9)]
    named = [Candidate(3, "en", 0.2), Candidate(2, "en", 0.1)]
    order = led(others, named, {2: 0.4}, 1.0)
    assert [candidate.passage_id for candidate in order] == [2, 3, 1]
    assert all(0.0 <= candidate.score <= 1.0 for candidate in order)
