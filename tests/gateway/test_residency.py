from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.workspace import ResidencyRule
from countersign.gateway.residency import allowed_regions, may_go

RULES = (
    ResidencyRule("kz", ("kz",)),
    ResidencyRule("cis", ("kz", "ru", "uz")),
    ResidencyRule("public", ("kz", "eu", "us")),
    ResidencyRule("vault", ()),
)


@pytest.mark.parametrize(
    ("labels", "allowed"),
    [
        ([], None),
        (["", ""], None),
        (["kz"], {"kz"}),
        (["KZ "], {"kz"}),
        (["cis"], {"kz", "ru", "uz"}),
        (["cis", "public"], {"kz"}),
        (["cis", "", "cis"], {"kz", "ru", "uz"}),
        (["eu"], {"eu"}),
        (["eu", "kz"], set()),
        (["vault"], set()),
        (["vault", "public"], set()),
    ],
)
def test_labels_of_all_passages_join(labels: list[str], allowed: set[str] | None) -> None:
    assert allowed_regions(labels, RULES) == allowed


def test_two_rules_for_one_label_narrow_it() -> None:
    rules = (ResidencyRule("x", ("kz", "eu")), ResidencyRule("x", ("eu",)))
    assert allowed_regions(["x"], rules) == {"eu"}


@pytest.mark.parametrize(
    ("region", "allowed", "home", "may"),
    [
        ("us", None, "kz", True),
        ("us", frozenset({"kz"}), "kz", False),
        ("", frozenset({"kz"}), "kz", True),
        ("", frozenset({"eu"}), "kz", False),
        ("EU", frozenset({"eu"}), "kz", True),
        ("kz", frozenset[str](), "kz", False),
    ],
)
def test_where_text_may_go(region: str, allowed: frozenset[str] | None, home: str, may: bool) -> None:
    assert may_go(region, allowed, home) is may


@given(
    st.lists(st.sampled_from(["kz", "cis", "public", "vault", "eu", ""])),
    st.sampled_from(["kz", "cis", "eu", ""]),
)
def test_one_more_passage_never_widens(labels: list[str], one_more: str) -> None:
    before, after = allowed_regions(labels, RULES), allowed_regions([*labels, one_more], RULES)
    assert before is None or (after is not None and after <= before)
