"""Tests before searches: what a pattern cannot match without is never missing from what it matches."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.guard.injection import RULES, lowered
from countersign.guard.required import may_match, required
from tests.attacks.cases import GOALS

PIECES = ("ask", "asked", "tell", "till", "a", "12", " ", "-")
LITERALS = st.sampled_from(PIECES).map(re.escape)
PATTERNS = st.recursive(
    LITERALS | st.sampled_from([r"\w+", r"\s", ".", "[at]", r"\b", "(?!ask)", "(?<!tell)", "^"]),
    lambda part: st.one_of(
        st.lists(part, min_size=1, max_size=4).map("".join),
        st.lists(part, min_size=1, max_size=4).map(lambda parts: f"(?:{'|'.join(parts)})"),
        st.tuples(part, st.sampled_from(["?", "*", "+", "{0,2}", "{2}", "+?"])).map(
            lambda both: f"(?:{both[0]}){both[1]}"
        ),
        part.map(lambda inner: f"({inner})"),
    ),
    max_leaves=12,
)


@given(PATTERNS, st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_no_match_is_given_up(pattern: str, text: str) -> None:
    if re.search(pattern, text):
        assert may_match(text, required(pattern))


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [
        (r"\b(?:ignore|forget)\w*\s+(?:all )?rules?", (("rule",), ("forget", "ignore"))),
        (r"(?:send|)to", ()),
        (r"(?:send|\w+) tomorrow", ((" tomorrow",),)),
        (r"(?:repeat){2}", (("repeat",),)),
        (r"(?:repeat)*", ()),
    ],
)
def test_what_a_pattern_requires(pattern: str, groups: tuple[tuple[str, ...], ...]) -> None:
    assert required(pattern) == groups


def test_every_rule_but_few_requires_something() -> None:
    """A rule that requires nothing is searched for in every text."""
    assert [rule.code for rule in RULES if not required(rule.pattern)] == []


def test_rules_find_in_every_attack_what_their_patterns_find() -> None:
    found = 0
    for text in [text for goal in GOALS for text in (goal.attack, goal.benign)]:
        small = lowered(text)
        for rule in RULES:
            if re.search(rule.pattern, small, re.MULTILINE | re.IGNORECASE):
                assert may_match(small, required(rule.pattern)), rule.code
                found += 1
    assert found > 20
