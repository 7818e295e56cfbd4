"""Contradictions that are worded differently, copies with a changed stretch, and two things of one name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.answer.asked import asked_for
from countersign.answer.conflicts import Conflict, find_conflicts, noted
from countersign.answer.phrases import note_of_conflict
from countersign.domain.answers import Citation
from tests.answer.passages import passage

SHOWN = [
    (
        "When was the Karatal depot founded?",
        "en",
        "The Karatal depot serves the northern districts. It was established in 1962 and has two workshops.",
        "Our history. The Karatal depot, founded in 1958, is the oldest one of the company.",
        {"1962", "1958"},
    ),
    (
        "What is the population of Karatal?",
        "en",
        "Karatal is a town in the north. The population was 4,210 at the last count.",
        "Karatal has a school, a hospital and a market. There were 5,377 residents in the town.",
        {"4,210", "5,377"},
    ),
    (
        "What is the format of the Karatal report?",
        "en",
        "The Karatal report is drawn up every quarter. Format: Portable Document.",
        "Clerks send out the Karatal report. The format is Open Spreadsheet in all cases.",
        {"Portable Document", "Open Spreadsheet"},
    ),
    (
        "Когда основан филиал в Каратале?",
        "ru",
        "Филиал в Каратале обслуживает северные районы. Он создан в 1962 году и имеет две мастерские.",
        "Наша история. Филиал в Каратале, основанный в 1958 году, старейший в компании.",
        {"1962", "1958"},
    ),
    (
        "Қаратал филиалы қашан құрылды?",
        "kk",
        "Қаратал филиалы солтүстік аудандарға қызмет көрсетеді. Қаратал филиалының негізі 1962 жылы қаланды.",
        "Біздің тарих. Қаратал филиалы 1958 жылы құрылған, ол компаниядағы ең ескі филиал.",
        {"1962", "1958"},
    ),
]
NOT_SHOWN = [
    (
        "When was the Karatal depot founded?",
        "en",
        "The Karatal depot was established in 1962. It was rebuilt in 1980.",
        "The Karatal depot, founded in 1962, is the oldest one of the company.",
    ),
    (
        "When was the Karatal depot founded?",
        "en",
        "The Karatal depot was established in 1962.",
        "The Sarysu depot was established in 1971.",
    ),
    (
        "Когда основан филиал в Каратале?",
        "ru",
        "Филиал в Каратале создан в 1962 году.",
        "Филиал в Сарысу создан в 1971 году.",
    ),
    (
        "Қаратал филиалы қашан құрылды?",
        "kk",
        "Қаратал филиалы 1962 жылы құрылған.",
        "Сарысу филиалы 1971 жылы құрылған.",
    ),
]
NAMESAKES = [
    (
        "What is the profession of Adil Karimov?",
        "en",
        "Adil Karimov (judge) Adil Karimov is a retired judge of the city court.",
        "Adil Karimov (chess player) Adil Karimov is a chess player and trainer.",
    ),
    (
        "When was Adil Karimov born?",
        "en",
        "Adil Karimov (3 May 1921 – 7 June 1988) was a geologist.",
        "Adil Karimov (12 March 1954 – 1 July 2011) was a geologist.",
    ),
    (
        "Чем известен Адиль Каримов?",
        "ru",
        "Адиль Каримов (1921—1988) был геологом и писал о степи.",
        "Адиль Каримов (1954—2011) был учителем и писал учебники.",
    ),
]
_COMMON = (
    "In the spring she moved to the region and took up work at the department. She wrote regularly for the newsletter "
    "and spoke at many meetings of the society. Colleagues remember Madina Akhmet as patient and exact. "
    "Her papers are kept at the library, where readers may order them on working days."
)


@pytest.mark.parametrize(("question", "language", "first", "second", "values"), SHOWN)
def test_rival_values_in_other_words_are_shown(
    question: str, language: str, first: str, second: str, values: set[str]
) -> None:
    sides = [passage(first, language, key="a"), passage(second, language, key="b")]
    found = find_conflicts(sides, question)
    assert any(all(any(v in said for said in c.values) for v in values) for c in found)
    assert all({side.passage_id for side in c.sides} == {"a", "b"} for c in found)
    assert not any(c.same_name for c in found)


@pytest.mark.parametrize(("question", "language", "first", "second"), NOT_SHOWN)
def test_the_same_value_and_another_subject_are_no_conflict(
    question: str, language: str, first: str, second: str
) -> None:
    sides = [passage(first, language, key="a"), passage(second, language, key="b")]
    assert find_conflicts(sides, question) == ()


def test_what_was_changed_in_a_copy_is_shown_across_sentences() -> None:
    first = passage(f"{_COMMON} Madina Akhmet trained as a hydrologist before that.", key="a")
    second = passage(f"{_COMMON} Madina Akhmet trained as a notary public before that.", key="b")
    found = find_conflicts([first, second], "What was the profession of Madina Akhmet?")
    assert any("hydrologist" in c.values[0] and "notary" in c.values[1] for c in found)
    assert (
        find_conflicts([first, passage(first.text, key="c")], "What was the profession of Madina Akhmet?")
        == ()
    )


@pytest.mark.parametrize(("question", "language", "first", "second"), NAMESAKES)
def test_two_things_of_one_name_are_a_question_back(
    question: str, language: str, first: str, second: str
) -> None:
    found = find_conflicts([passage(first, language, key="a"), passage(second, language, key="b")], question)
    assert found
    assert found[0].same_name
    assert {side.passage_id for side in found[0].sides} == {"a", "b"}


def test_a_question_that_says_which_one_is_not_asked_back() -> None:
    sides = [passage(text, key=key) for key, text in zip("ab", NAMESAKES[0][2:], strict=True)]
    assert not any(c.same_name for c in find_conflicts(sides, "What did the judge Adil Karimov retire from?"))


def test_the_sentence_for_namesakes_names_both_with_their_citations() -> None:
    sides = (passage("one", key="a"), passage("two", key="b"))
    citations = [
        Citation(n, f"cit_{n}", s.passage_id, s.document_id, "", "", 1, "", "")
        for n, s in enumerate(sides, 1)
    ]
    (note,) = noted([Conflict("x", ("A (judge)", "A (pilot)"), sides, same_name=True)], citations)
    for language in ("kk", "ru", "en"):
        told = note_of_conflict(language, note.values, note.citations, same_name=note.same_name)
        assert "«A (judge)» [1]" in told and "«A (pilot)» [2]" in told
        assert told != note_of_conflict(language, note.values, note.citations)


@given(st.sets(st.sampled_from("abcde")))
def test_a_passage_that_was_not_given_never_takes_part(permitted: set[str]) -> None:
    """What a person may not see is not among the passages; nothing of it is found, even by what was read before."""
    everything = {
        key: passage(f"The Karatal depot was founded in 19{60 + n} by the ministry.", key=key)
        for n, key in enumerate("abcde")
    }
    given_passages = [everything[key] for key in sorted(permitted)]
    found = find_conflicts(given_passages, "When was the Karatal depot founded?")
    told = " ".join(f"{c.text} {c.values}" for c in found)
    assert {side.passage_id for c in found for side in c.sides} <= permitted
    assert not any(f"19{60 + n}" in told for n, key in enumerate("abcde") if key not in permitted)
    assert bool(found) == (len(permitted) > 1)


@pytest.mark.parametrize(
    ("question", "head"),
    [
        ("What is the delivery format of the report?", "format"),
        ("Какой срок действует?", "срок"),
        ("Where is it?", ""),
    ],
)
def test_the_word_for_what_is_asked(question: str, head: str) -> None:
    assert asked_for(question, "en").head == head
