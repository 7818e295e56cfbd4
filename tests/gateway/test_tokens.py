from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.gateway.tokens import EXPENSIVE, MIDDLE, OutputMeter, estimate_tokens, upper_tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("abcd" * 10, 10),
        ("жоқ" * 10, 10),
        ("字" * 10, 10),
        ("🌍", 2),
        ("abcdжоқ字", 3),
        ("é" * 3, 1),
    ],
)
def test_each_script_has_its_rate(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


@given(st.text())
def test_what_is_reserved_is_never_below_the_middle_estimate(text: str) -> None:
    assert EXPENSIVE.tokens(text) >= MIDDLE.tokens(text)
    assert upper_tokens([text]) >= estimate_tokens(text)


@given(st.lists(st.text(max_size=30), max_size=30), st.integers(0, 40))
def test_the_meter_passes_on_a_prefix_and_never_more_than_its_limit(parts: list[str], limit: int) -> None:
    meter = OutputMeter(limit)
    taken = ""
    for part in parts:
        if meter.cut:
            break
        taken += meter.take(part)
    assert "".join(parts).startswith(taken)
    assert meter.tokens <= limit
    assert MIDDLE.tokens(taken) <= limit + 1e-6
    assert meter.cut == (taken != "".join(parts))
