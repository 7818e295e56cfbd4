"""Ways back lead nowhere but to this site."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.web.visitor import safe_path

_HOME = "http://home.invalid"


@pytest.mark.parametrize("wanted", ["/answers/ans_1?a=b", "/", "/reviews/rev_1#x"])
def test_a_path_of_ours_is_kept(wanted: str) -> None:
    assert safe_path(wanted) == wanted


@pytest.mark.parametrize(
    "wanted",
    ["//evil.invalid", "http://evil.invalid/", "/\\evil.invalid", "javascript:alert(1)", "\t//evil.invalid", "answers", "", "/a\nb", "///evil.invalid", "/" * 3000],
)  # fmt: skip
def test_anything_else_is_the_front_page(wanted: str) -> None:
    assert safe_path(wanted) == "/"


@given(st.text(alphabet="/\\:.@#?evil\t\nhtp ", max_size=20))
def test_no_way_leads_away(wanted: str) -> None:
    assert urlsplit(urljoin(f"{_HOME}/sign-in", safe_path(wanted))).netloc == "home.invalid"
