"""Measures against values worked out by hand, intervals that repeat, and what a difference may be called."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.evaluation.intervals import LEAST_QUESTIONS, Interval, difference, interval, verdict
from countersign.evaluation.judge import Place, Scores, judge
from countersign.evaluation.questions import Expected
from countersign.evaluation.recommend import recommend
from countersign.evaluation.runs import Built, Judged, Run, disagreements, summarise
from countersign.retrieval.version import IndexVersion


def _doc(name: str, page: int | None = None, page_to: int | None = None) -> Place:
    return Place("files", name, page, page_to)


def _wanted(*names: str) -> list[Expected]:
    return [Expected("files", name) for name in names]


def test_one_right_document_at_the_second_rank() -> None:
    found = [_doc("b"), _doc("b"), _doc("a"), _doc("c")]
    scores = judge(_wanted("a"), found, found[:2])
    assert scores.ndcg_10 == pytest.approx(1 / math.log2(3))
    assert (scores.recall_5, scores.recall_10, scores.mrr, scores.rank) == (1, 1, 0.5, 2)
    assert scores.given == 0


def test_two_of_three_are_found_at_ranks_one_and_six() -> None:
    found = [_doc(name) for name in ("a", "p", "q", "r", "s", "b")]
    scores = judge(_wanted("a", "b", "c"), found, found)
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert scores.ndcg_10 == pytest.approx((1 + 1 / math.log2(7)) / ideal)
    assert (scores.recall_5, scores.recall_10) == (pytest.approx(1 / 3), pytest.approx(2 / 3))


def test_a_page_is_found_only_where_it_stands() -> None:
    expected = [Expected("files", "a", 3)]
    assert judge(expected, [_doc("a", 1), _doc("a", 2, 3)], [_doc("a", 1)]).rank == 2
    assert judge(expected, [_doc("a", 4), _doc("a")], []).rank == 0
    assert judge([Expected("push", "a")], [_doc("a")], []).rank == 0


def test_what_is_not_found_counts_as_nothing_and_nothing_expected_is_an_error() -> None:
    assert judge(_wanted("z"), [], []) == Scores(0, 0, 0, 0, 0, 0)
    with pytest.raises(ValueError, match="cannot be judged"):
        judge([], [_doc("a")], [])


@given(st.lists(st.sampled_from("abcdef"), max_size=30), st.sets(st.sampled_from("abcdxyz"), min_size=1))
def test_every_measure_stays_between_nothing_and_all(order: list[str], wanted: set[str]) -> None:
    scores = judge(_wanted(*sorted(wanted)), [_doc(name) for name in order], [])
    for value in (scores.ndcg_10, scores.recall_5, scores.recall_10, scores.mrr):
        assert 0 <= value <= 1 + 1e-9
    assert scores.recall_5 <= scores.recall_10
    assert (scores.rank == 0) == (not wanted & set(order))


def test_an_interval_repeats_holds_its_mean_and_narrows_with_questions() -> None:
    few, many = [0.0, 1.0] * 10, [0.0, 1.0] * 1000
    assert interval(few) == interval(few)
    assert interval(few).low < interval(few).mean == 0.5 < interval(few).high
    assert interval(many).width < interval(few).width / 5
    # The spread of a mean of 20 coin throws is 0.5 / √20 = 0.112; 95 % lie within 1.96 of it.
    assert interval(few).width == pytest.approx(2 * 1.96 * 0.5 / math.sqrt(20), abs=0.06)
    assert interval([]) == Interval(0, 0, 0, 0)
    assert interval([1.0] * 30) == Interval(1, 1, 1, 30)


def test_a_difference_is_called_by_its_interval() -> None:
    n = LEAST_QUESTIONS
    assert verdict(difference([1.0] * n, [0.5] * n)) == "better"
    assert verdict(difference([0.5] * n, [1.0] * n)) == "worse"
    assert verdict(difference([0.5] * n, [0.5] * n)) == "same"
    assert verdict(difference([1.0] * (n - 1), [0.0] * (n - 1))) == "unknown"
    assert verdict(difference([0.0, 1.0] * n, [1.0, 0.0] * n)) == "unknown"


def _run(name: str, values: list[float], cpu_ms: float, ranks: list[int] | None = None) -> Run:
    judged = tuple(
        Judged(f"q{n:03}", "ru" if n % 2 else "kk", Scores(value, 1, 1, 1, 1, rank), cpu_ms, cpu_ms)
        for n, (value, rank) in enumerate(zip(values, ranks or [1] * len(values), strict=True))
    )
    return Run(name, IndexVersion(), judged, Built(10, 1000, 0, 0.0))


def test_the_cheapest_of_those_as_good_as_the_best_is_recommended() -> None:
    live = _run("live", [0.2, 0.6] * 30, 5)
    best = _run("best", [0.9, 0.8] * 30, 20)
    near = _run("near", [0.8, 0.89] * 30, 9)
    bad = _run("bad", [0.1, 0.1] * 30, 1)
    found = recommend([live, best, near, bad], live)
    assert (found.chosen.name, found.best.name, found.reason) == ("near", "best", "better_than_live")
    assert found.as_good == ("best", "near")
    assert recommend([live, bad], live).reason == "live_is_as_good"
    cheaper = _run("cheaper", [0.2, 0.6] * 30, 1)
    assert recommend([live, cheaper], live).reason == "cheaper_than_live"
    assert recommend([live, best], live, drafted=31).reason == "mostly_drafted"
    assert recommend([live, best], live, drafted=30).reason == "better_than_live"
    few = [_run("live", [0.1] * 5, 5), _run("other", [1.0] * 5, 1)]
    assert recommend(few, few[0]).reason == "too_few_questions"
    assert recommend(few, few[0]).chosen.name == "live"


def test_a_summary_speaks_by_language_and_against_the_live_version() -> None:
    live, other = _run("live", [0.2, 0.4] * 30, 5), _run("other", [0.4, 0.4] * 30, 5)
    summary = summarise(other, live)
    assert summary.to_live is not None
    assert summary.to_live.mean == pytest.approx(0.1)
    assert summarise(live, None).languages["kk"].mean == pytest.approx(0.2)
    with pytest.raises(ValueError, match="same questions"):
        summarise(_run("short", [0.1], 5), live)


def test_questions_that_one_finds_and_another_misses_come_first() -> None:
    a = _run("a", [1.0] * 3, 1, [1, 2, 0])
    b = _run("b", [1.0] * 3, 1, [0, 2, 0])
    assert [(each.question_id, each.ranks) for each in disagreements([a, b], 5)] == [
        ("q000", {"a": 1, "b": 0}),
        ("q002", {"a": 0, "b": 0}),
    ]
