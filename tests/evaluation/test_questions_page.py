"""The page of drafted questions, worked by keyboard: confirm, edit, drop, undo, and nothing of what may not be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from countersign.app.questions import Questions
from tests.browser import chromium
from tests.web.conftest import open_page
from tests.web.serving import Desk, served
from tests.web.test_desk import _post

__all__ = ["chromium", "open_page"]

pytestmark = pytest.mark.browser
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with served(tmp_path_factory.mktemp("questions")) as running:
        yield running


def _service(desk: Desk) -> Questions:
    return Questions(desk.house.database, desk.house.workspace, desk.house.clock)


def _drafts(desk: Desk, name: str) -> list[str]:
    """The texts that the operator may see, as the page lists them."""
    operator = desk.run(desk.house.people.authenticate(desk.keys["olzhas"]))
    desk.run(_service(desk).draft(operator, name, sources=["intranet"], count=50))
    seen = desk.run(_service(desk).list(operator, name, ("draft",)))
    return [each.question.text for each in seen if not each.withheld]


def _states(desk: Desk, name: str) -> dict[str, str]:
    operator = desk.run(desk.house.people.authenticate(desk.keys["olzhas"]))
    seen = desk.run(_service(desk).list(operator, name))
    return {each.question.text: each.question.state for each in seen if not each.withheld}


def _at(page: Page, text: str) -> None:
    """The page with this question is there, and so are its keys."""
    expect(page.locator("#item-head")).to_have_text(text)
    page.wait_for_load_state("load")


def test_drafts_are_decided_one_by_one_by_keyboard(open_page: Open, desk: Desk) -> None:
    drafts = _drafts(desk, "by keys")
    page = open_page("olzhas")
    page.goto(f"{desk.url}/questions")
    page.get_by_role("link", name="by keys").click()
    _at(page, drafts[0])
    expect(page.get_by_text(f"0 of {len(drafts) + 2} decided")).to_be_visible()
    expect(page.locator("blockquote.passage")).to_be_visible()
    page.keyboard.press("a")
    expect(page.get_by_role("status")).to_contain_text("Confirmed")
    _at(page, drafts[1])
    page.keyboard.press("x")
    expect(page.get_by_role("status")).to_contain_text("Dropped")
    _at(page, drafts[2])
    page.keyboard.press("u")
    expect(page.get_by_role("status")).to_contain_text("a draft again")
    _at(page, drafts[1])
    page.keyboard.press("j")
    _at(page, drafts[2])
    page.keyboard.press("k")
    _at(page, drafts[1])
    page.keyboard.press("e")
    field = page.get_by_label("The question as people would ask it")
    expect(field).to_be_focused()
    field.fill("What do <b>people</b> ask?")
    page.keyboard.press("Control+Enter")
    _at(page, drafts[2])
    states = _states(desk, "by keys")
    assert states[drafts[0]] == "confirmed"
    assert states["What do <b>people</b> ask?"] == "confirmed"
    assert drafts[1] not in states
    assert states[drafts[2]] == "draft"


def test_what_the_reader_may_not_read_is_counted_and_never_shown(open_page: Open, desk: Desk) -> None:
    _drafts(desk, "withheld")
    page = open_page("olzhas")
    page.goto(f"{desk.url}/questions?name=withheld")
    expect(page.get_by_text("that you may not read")).to_be_visible()
    assert not re.search("minutes|board|Кредит", page.locator("main").inner_html())


def test_the_last_decision_ends_the_set_and_can_be_taken_back(open_page: Open, desk: Desk) -> None:
    drafts = _drafts(desk, "to the end")
    page = open_page("olzhas")
    page.goto(f"{desk.url}/questions?name=to+the+end")
    for text in drafts:
        expect(page.locator("#item-head")).to_have_text(text)
        page.get_by_role("button", name="Drop").click()
    expect(page.locator("#item-head")).to_have_text("Nothing is left to decide.")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#item-head")).to_have_text(drafts[-1])


def test_who_may_not_work_on_sets_is_told_so_and_a_forged_form_changes_nothing(
    open_page: Open, desk: Desk
) -> None:
    drafts = _drafts(desk, "guarded")
    operator = desk.run(desk.house.people.authenticate(desk.keys["olzhas"]))
    [first, *_] = [
        each.question
        for each in desk.run(_service(desk).list(operator, "guarded"))
        if not each.withheld and each.question.text == drafts[0]
    ]
    for name in ("aigerim", "erlan"):
        page = open_page(name)
        expect(
            page.get_by_role("navigation", name="Main").get_by_role("link", name="Questions")
        ).to_have_count(0)
        page.goto(f"{desk.url}/questions")
        expect(page.get_by_text("Your role does not allow this.")).to_be_visible()
    page = open_page("olzhas")
    page.goto(f"{desk.url}/questions?name=guarded")
    token = page.locator("input[name=csrf]").first.get_attribute("value") or ""
    cookie = "; ".join(f"{c['name']}={c['value']}" for c in page.context.cookies())
    path, fields = f"/questions/{first.id}/decision", {"decision": "confirm", "set": "guarded"}
    assert _post(desk, path, fields, cookie) == 403
    assert _post(desk, path, {**fields, "csrf": token}, "") == 401
    assert _post(desk, path, {**fields, "csrf": token}, cookie, {"Sec-Fetch-Site": "cross-site"}) == 403
    assert _post(desk, path, {**fields, "csrf": token, "decision": "publish"}, cookie) == 404
    assert _post(desk, "/questions/qn_none/decision", {**fields, "csrf": token}, cookie) == 404
    longest = {**fields, "csrf": token, "decision": "edit", "text": "a" * 1001}
    assert _post(desk, path, longest, cookie) == 400
    assert _states(desk, "guarded")[drafts[0]] == "draft"


@pytest.mark.parametrize("language", ["en", "ru", "kk"])
@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (390, "dark")])
def test_it_fits_the_screen_in_every_language(
    open_page: Open, desk: Desk, language: str, width: int, scheme: str
) -> None:
    _drafts(desk, "fits")
    page = open_page("olzhas", viewport={"width": width, "height": 900}, color_scheme=scheme)
    for path in ("/questions", "/questions?name=fits"):
        page.goto(f"{desk.url}/language/{language}?next={path.replace('?', '%3F').replace('=', '%3D')}")
        page.goto(f"{desk.url}{path}")
        expect(page.locator("html")).to_have_attribute("lang", language)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
