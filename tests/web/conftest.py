"""One served house for all browser tests, and pages that notice what must not happen."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser import PATIENCE_MS, chromium
from tests.web.serving import Desk, served

__all__ = ["chromium"]


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with served(tmp_path_factory.mktemp("desk")) as running:
        yield running


@pytest.fixture
def open_page(chromium: Browser, desk: Desk) -> Iterator[Callable[..., Page]]:
    """`open_page("aigerim")` is a page of hers, signed in; without a name, of a stranger.

    At the end of the test: no console error (a broken content policy is one), and no request to anywhere else.
    """
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def open_one(name: str = "", **options: object) -> Page:
        context = chromium.new_context(
            **{"locale": "en-GB", "viewport": {"width": 1400, "height": 900}, **options}
        )  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("request", lambda request: _watch(request.url, desk.url, troubles))
        page.on("console", lambda said: troubles.append(said.text) if _is_bad(said.type, said.text) else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        if name:
            sign_in(page, desk, name)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert troubles == []


def _watch(url: str, home: str, troubles: list[str]) -> None:
    if not url.startswith((home, "data:")):
        troubles.append(f"a request left: {url}")


def _is_bad(kind: str, text: str) -> bool:
    """A status of 4xx that a test asked for is written to the console as well; a broken policy never is asked for."""
    return kind == "error" and "Failed to load resource" not in text


def sign_in(page: Page, desk: Desk, name: str) -> None:
    page.goto(f"{desk.url}/sign-in")
    page.get_by_label("Password or access key").fill(desk.keys[name])
    page.get_by_role("button", name="Sign in").click()
    page.locator("details.who").wait_for()
