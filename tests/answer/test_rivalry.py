"""The likeliest answers of passages that leave a choice, things of a sort, and what is no contradiction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.answer.asked import asked_for
from countersign.answer.candidates import Reader
from countersign.answer.conflicts import find_conflicts
from countersign.answer.evidence import Readings
from countersign.answer.rivalry import rival_candidates
from countersign.answer.sorts import sort_of
from countersign.corpus.terms import fold
from tests.answer.passages import passage

LIKELIEST = [
    (
        "When was the Karatal depot founded?",
        "en",
        "The region was settled in 1911. The Karatal depot was founded in 1962, rebuilt in 1980 and extended in 2004.",
        "1962",
    ),
    (
        "Когда основан филиал в Каратале?",
        "ru",
        "Филиал в Каратале основан в 1962 году, перестроен в 1980 году и расширен в 2004 году.",
        "1962",
    ),
    (
        "Қаратал филиалы қашан құрылды?",
        "kk",
        "Қаратал филиалы 1962 жылы құрылды. Ғимарат 1980 жылы жөнделді, 2004 жылы кеңейтілді.",
        "1962",
    ),
    (
        "What sport is Daniyar Omarov associated with?",
        "en",
        "Daniyar Omarov is a retired wrestler. He later wrote about chess for a newspaper.",
        "wrestler",
    ),
    ("В какой валюте ведётся счёт Эскроу?", "ru", "Счёт Эскроу ведётся в тенге и закрывается сам.", "тенге"),
    ("Шот қай валютада ашылады?", "kk", "Шот теңгемен ашылады.", "теңгемен"),
]
SHOWN = [
    (
        "When was the Karatal depot founded?",
        "en",
        "The Karatal depot was founded in 1962, rebuilt in 1980 and extended in 2004.",
        "Workers speak of the year 1958 as that in which the Karatal depot was founded; it burnt down in 1971 and was built anew in 1973.",
        ("1962", "1958"),
    ),
    (
        "Когда основан филиал в Каратале?",
        "ru",
        "Филиал в Каратале основан в 1962 году, перестроен в 1980 году и расширен в 2004 году.",
        "Старейший филиал компании, филиал в Каратале, основан в 1958 году, сгорел в 1971 году и отстроен в 1973 году.",
        ("1962", "1958"),
    ),
    (
        "Қаратал филиалы қашан құрылды?",
        "kk",
        "Қаратал филиалы 1962 жылы құрылды, 1980 жылы жөнделді, 2004 жылы кеңейтілді.",
        "Ең ескі бөлімше — Қаратал филиалы 1958 жылы құрылды, 1971 жылы өртеніп, 1973 жылы қайта салынды.",
        ("1962", "1958"),
    ),
    (
        "What sport is Daniyar Omarov associated with?",
        "en",
        "Daniyar Omarov is a retired wrestler who lives in Taraz.",
        "In his youth Daniyar Omarov played football for the town.",
        ("wrestler", "football"),
    ),
    (
        "В какой валюте ведётся счёт Эскроу Плюс?",
        "ru",
        "Счёт Эскроу Плюс ведётся в тенге, комиссия не взимается.",
        "Клиенту открывается счёт Эскроу Плюс в долларах США.",
        ("тенге", "долларах"),
    ),
    (
        "Эскроу Плюс шоты қай валютада жүргізіледі?",
        "kk",
        "Эскроу Плюс шоты теңгемен жүргізіледі.",
        "Клиентке Эскроу Плюс шоты доллармен ашылады.",
        ("теңгемен", "доллармен"),
    ),
    (
        "What is the language of the Karatal bulletin?",
        "en",
        "The Karatal bulletin is a 1998 Kazakh-language family - crafts - travel paper edited by Adil Karimov.",
        "The Karatal bulletin is a 1998 Russian-language family-crafts-travel paper edited by Adil Karimov.",
        ("Kazakh", "Russian"),
    ),
]
NOT_SHOWN = [
    (
        "When was the Karatal depot founded?",
        "en",
        "The Karatal depot was founded in 1962, rebuilt in 1980 and extended in 2004.",
        "The Karatal depot, founded in 1962, burnt down in 1971 and was built anew in 1973.",
    ),
    (
        "В какой валюте ведётся счёт Эскроу Плюс?",
        "ru",
        "Счёт Эскроу Плюс ведётся в тенге, комиссия не взимается.",
        "Клиенту открывается счёт Эскроу Плюс в теңге.",
    ),
    (
        "What is the Karatal assistant?",
        "en",
        "The Karatal assistant is a service that leverages written rules to answer the questions of clerks.",
        "The Karatal assistant is a service that uses written rules to answer the questions of clerks.",
    ),
    (
        "Which button adds a rule?",
        "en",
        "2. Press the button Add a rule and enter a name of the rule.",
        "3. Press the button Add a rule and enter a name of the rule.",
    ),
]


@pytest.mark.parametrize(("question", "language", "text", "value"), LIKELIEST)
def test_the_likeliest_of_several_values(question: str, language: str, text: str, value: str) -> None:
    best = Reader(asked_for(question, language)).best(passage(text, language), Readings())
    assert best is not None
    assert best.written == value


@pytest.mark.parametrize(("question", "language", "first", "second", "values"), SHOWN)
def test_rivals_among_several_values_are_shown(
    question: str, language: str, first: str, second: str, values: tuple[str, str]
) -> None:
    sides = [passage(first, language, key="a"), passage(second, language, key="b")]
    found = find_conflicts(sides, question)
    assert any(values[0] in c.values[0] and values[1] in c.values[1] for c in found)


@pytest.mark.parametrize(("question", "language", "first", "second"), NOT_SHOWN)
def test_what_does_not_contradict(question: str, language: str, first: str, second: str) -> None:
    sides = [passage(first, language, key="a"), passage(second, language, key="b")]
    assert find_conflicts(sides, question) == ()


def test_a_name_with_a_qualifier_is_told_apart_wherever_it_stands() -> None:
    sides = [
        passage("Records of the year: Open Steppe (Madina Akhmet album), which sold best.", key="a"),
        passage("See the list. Open Steppe (Adil Karimov album) was recorded at home.", key="b"),
    ]
    (first, *_) = find_conflicts(sides, 'Who is the artist of the album "Open Steppe"?')
    assert first.same_name
    assert first.values == ("Open Steppe (Madina Akhmet album)", "Open Steppe (Adil Karimov album)")


def test_an_aside_in_parentheses_tells_nothing_apart() -> None:
    sides = [
        passage("The fee of the Open Steppe (including the tax of the year) is charged in May.", key="a"),
        passage("The fee of the Open Steppe (see the list of fees) is charged in May.", key="b"),
    ]
    assert find_conflicts(sides, "When is the fee of the Open Steppe charged?") == ()


@pytest.mark.parametrize(
    ("question", "one", "other"),
    [
        ("What sport is it?", "football", "tennis"),
        ("Каким видом спорта он занимается: спорт?", "футбол", "теннис"),
        ("Қай тілде жазылған?", "қазақша", "орысша"),
        ("How often is the plan reviewed?", "every quarter", "annually"),
        ("Как часто пересматривается план?", "ежеквартально", "ежегодно"),
        ("Жоспар қаншалықты жиі қаралады?", "тоқсан сайын", "жыл сайын"),
    ],
)
def test_words_of_one_sort(question: str, one: str, other: str) -> None:
    sort = sort_of(fold(question))
    assert sort is not None
    first, second = sort.members.search(one), sort.members.search(other)
    assert first is not None
    assert second is not None
    assert first.lastindex != second.lastindex
    assert sort.members.search("nothing of the kind") is None


def test_words_for_one_thing_are_one_member() -> None:
    sort = sort_of("what sport is it")
    assert sort is not None
    told = [match.lastindex for match in sort.members.finditer("soccer, a footballer, футбол")]
    assert len(told) == 3
    assert len(set(told)) == 1


@given(st.sets(st.sampled_from("abcde")))
def test_only_what_was_given_is_read(permitted: set[str]) -> None:
    """What a person may not see is not among the passages, and nothing that was read before is kept."""
    asked = asked_for("When was the Karatal depot founded?", "en")
    texts = {key: f"The Karatal depot was founded in 19{60 + n}." for n, key in enumerate("abcde")}
    readings = Readings()
    sides = [passage(texts[key], key=key) for key in sorted(permitted)]
    pairs = rival_candidates(sides, asked, readings, ())
    assert {c.passage.passage_id for pair in pairs for c in (pair.first, pair.second)} <= permitted
    assert {c.written for pair in pairs for c in (pair.first, pair.second)} <= {
        texts[key][-5:-1] for key in permitted
    }
