"""The picture of a measurement: round ticks that never meet, every candidate on a line of its own, best first."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.evaluation.recommend import Recommendation
from countersign.evaluation.runs import summarise
from countersign.evaluation.tuned import Measured, Tuned
from countersign.web.i18n import LANGUAGES
from countersign.web.tune_plot import NARROW, WIDE, Layout, ordered, plot_of, ticks
from countersign.web.tune_report import render
from tests.evaluation.test_measures import _run

NAMES = (
    "live",
    "same cost",
    "a <b>name</b> of somebody that is far too long for the picture to hold",
    "words only",
)


def tuned() -> Tuned:
    """Four runs, three of equal cost, of different quality."""
    live = _run("live", [0.6, 0.8, 1.0, 0.4] * 10, 21.5)
    others = [
        _run(NAMES[1], [0.9, 1.0, 1.0, 0.8] * 10, 21.5),
        _run(NAMES[2], [0.6, 0.8, 1.0, 0.3] * 10, 21.5),
        _run(NAMES[3], [0.1, 0.4, 0.7, 0.0] * 10, 1.0),
    ]
    measured = Measured(
        "m1", "tariffs", "bank", "", "", ("files",), 9, 9, 40, 0, datetime(2026, 3, 2, tzinfo=UTC)
    )
    advice = Recommendation(others[0], others[0], (others[0].name,), "better_than_live")
    return Tuned(measured, (summarise(live, None), *(summarise(each, live) for each in others)), advice, ())


@pytest.mark.parametrize("layout", [WIDE, NARROW])
def test_nothing_covers_anything_else(layout: Layout) -> None:
    plot = plot_of(tuned(), layout)
    assert [line.y for line in plot.lines] == sorted({line.y for line in plot.lines})
    for axis in (plot.qualities, plot.costs):
        gaps = [b.at - a.at for a, b in pairwise(axis)]
        assert all(gap >= 26 for gap in gaps), axis
    assert plot.qualities[-1].at < plot.costs[0].at
    for line in plot.lines:
        assert layout.left <= line.low <= line.x <= line.high <= layout.right + 0.1
        assert layout.cost_left + line.cost <= layout.cost_right + 0.1
        assert layout.top < line.y < plot.floor
    assert [line.tone for line in plot.lines] == ["chosen", "live", "", ""]


def test_the_table_has_the_order_of_the_picture() -> None:
    means = [each.ndcg.mean for each in ordered(tuned())]
    assert means == sorted(means, reverse=True)
    page = render(tuned())
    rows = re.findall(r'<tr[^>]*><td class="figure">(\d)</td><th scope="row">(.*?)</th>', page)
    assert [n for n, _ in rows] == ["1", "2", "3", "4"]
    assert "same cost" in rows[0][1]
    assert "<b>" not in page and "<script" not in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_decimals_are_written_as_the_language_writes_them(language: str) -> None:
    plot = plot_of(tuned(), WIDE, "." if language == "en" else ",")
    labels = [each.label for each in (*plot.qualities, *plot.costs)]
    assert not any(("," in label) if language == "en" else ("." in label) for label in labels)
    assert f'<html lang="{language}"' in render(tuned(), language)


@given(st.floats(0, 1), st.floats(0.05, 1), st.integers(3, 8))
def test_ticks_are_round_even_and_few(low: float, span: float, most: int) -> None:
    found = ticks(low, low + span, most)
    assert 1 <= len(found) <= most + 1
    assert len({label for _, label in found}) == len(found)
    assert all(low - 1e-6 <= at <= low + span + 1e-6 for at, _ in found)
    assert all(abs(float(label) - at) < 1e-6 for at, label in found)


@pytest.mark.parametrize(
    ("low", "high", "most", "labels"),
    [
        (0.81, 1.0, 7, ["0.85", "0.90", "0.95", "1.00"]),
        (0.0, 28.7, 3, ["0", "10", "20"]),
        (0.4, 0.98, 4, ["0.4", "0.6", "0.8"]),
        (0.0, 1000.0, 2, ["0", "500", "1000"]),
    ],
)
def test_ticks_as_one_would_choose_them(low: float, high: float, most: int, labels: list[str]) -> None:
    assert [label for _, label in ticks(low, high, most)] == labels
