"""Ways back lead nowhere but to this site; cookies are as strict as the connection allows."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from fastapi import Request, Response
from hypothesis import given
from hypothesis import strategies as st

from countersign.web.visitor import remember_language, safe_path

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


@pytest.mark.parametrize(("scheme", "prefix"), [("https", "__Host-"), ("http", "")])
def test_over_https_a_cookie_belongs_to_this_host_alone(scheme: str, prefix: str) -> None:
    scope = {"type": "http", "scheme": scheme, "server": ("desk.invalid", 443), "path": "/", "headers": []}
    response = Response()
    remember_language(Request(scope), response, "kk")
    said = response.headers["set-cookie"]
    assert said.startswith(f"{prefix}countersign_language=kk;")
    assert ("Secure" in said) == (scheme == "https")
    assert "HttpOnly" in said
    assert "Path=/" in said
    assert "SameSite=strict" in said
    assert "Domain" not in said
