"""Every page in light and in dark, by the rules of axe-core: contrast, names, roles, order of headings, language.

What a rule of a machine cannot see (whether the words help, whether the order makes sense) stays a matter of looking.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Page

from countersign.access.principal import Principal
from countersign.domain.answers import Question
from countersign.web.readiness_report import render
from tests.web.serving import BOX, FEE, Desk, served

pytestmark = pytest.mark.browser
Open = Callable[..., Page]
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
RUN = "only => axe.run(document, {runOnly: only, resultTypes: ['violations']})"
EVERYTHING = {
    "type": "tag",
    "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
"""What differs between light and dark."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A house of its own: what is asked and held here stands in nobody's way."""
    with served(tmp_path_factory.mktemp("accessibility")) as running:
        yield running


@pytest.fixture(scope="module")
def pages(desk: Desk) -> dict[str, list[str]]:
    """Name → what that person opens."""
    answered, held = asked(desk, "staff-help", FEE), asked(desk, "careful", BOX)
    reviewer = known(desk, "saule")
    [review] = desk.run(desk.house.desk.queue(reviewer))
    assert review.answer_id == held.answer_id
    desk.run(desk.house.audits.run(["intranet"], lambda step: None, actor="olzhas"))
    [audit] = desk.run(desk.house.audits.list(known(desk, "olzhas")))
    document = answered.citations[0].document_id
    return {
        "aigerim": ["/", "/answers", "/answers/ans_none", "/search", "/search?query=Gold+card+fee"],
        "saule": ["/reviews", f"/reviews/{review.review_id}"],
        "erlan": ["/record"],
        "olzhas": [
            f"/answers/{answered.answer_id}", f"/answers/{held.answer_id}", f"/record/{answered.answer_id}",
            f"/citations/{answered.citations[0].citation_id}", "/documents", f"/documents/{document}", "/questions",
            "/search?query=Gold+card+fee&explain=1&every=1", "/search?query=x&as_of=2001-01-01",
            "/sources", "/sources/intranet", "/sources/push", "/readiness", f"/readiness/{audit.id}", "/status",
        ],
    }  # fmt: skip


def known(desk: Desk, name: str) -> Principal:
    return desk.run(desk.house.people.authenticate(desk.keys[name]))


def asked(desk: Desk, assistant: str, question: str) -> Any:
    return desk.run(desk.house.asking.ask(known(desk, "olzhas"), Question(assistant, question)))


def violations(page: Page, only: dict[str, Any] = EVERYTHING) -> list[str]:
    """What axe-core has against the page: the rule, what is wrong, and the first place."""
    page.evaluate(AXE)
    found: list[dict[str, Any]] = page.evaluate(RUN, only)["violations"]
    return [f"{page.url} {one['id']}: {one['help']}: {one['nodes'][0]['html']}" for one in found]


@pytest.mark.parametrize(("scheme", "only"), [("light", EVERYTHING), ("dark", COLOURS)])
def test_every_page(
    open_page: Open, desk: Desk, pages: dict[str, list[str]], scheme: str, only: dict[str, Any]
) -> None:
    """The rules of the pages themselves are set aside for the checker, which measures with styles of its own."""
    stranger = open_page(color_scheme=scheme, bypass_csp=True)
    stranger.goto(f"{desk.url}/sign-in")
    found = violations(stranger, only)
    for name, paths in pages.items():
        page = open_page(name, color_scheme=scheme, bypass_csp=True)
        for path in paths:
            reply = page.goto(desk.url + path)
            assert reply is not None
            assert reply.status == (404 if path.endswith("_none") else 200), path
            found += violations(page, only)
    assert found == [], "\n".join(found)


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
def test_the_report_that_is_handed_on(
    open_page: Open, desk: Desk, pages: dict[str, list[str]], language: str
) -> None:
    shown = desk.run(desk.house.audits.report(known(desk, "olzhas")))
    page = open_page(color_scheme="light", bypass_csp=True)
    page.set_content(render(shown.report, language))
    assert violations(page) == []


def test_the_checker_sees_what_is_wrong(open_page: Open) -> None:
    page = open_page(bypass_csp=True)
    page.set_content(
        "<html><body><img src='data:,'><p style='color:#999;background:#aaa'>Pale</p></body></html>"
    )
    said = " ".join(violations(page))
    assert all(rule in said for rule in ("html-has-lang", "image-alt", "color-contrast"))
