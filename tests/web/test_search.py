"""The search page in a real browser: what is found, marked safely, by keyboard and without a script."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote_plus

import pytest
from playwright.sync_api import Page, expect

from countersign.domain.answers import Question
from tests.web.serving import FEE, Desk

pytestmark = pytest.mark.browser
Open = Callable[..., Page]
WORDS = "service fee of the Gold card"


def search(page: Page, desk: Desk, words: str, more: str = "") -> None:
    page.goto(f"{desk.url}/search?query={quote_plus(words)}{more}")


def test_words_are_typed_and_passages_come_with_the_words_marked(open_page: Open, desk: Desk) -> None:
    page = open_page("aigerim")
    page.goto(desk.url)
    page.get_by_role("link", name="Search", exact=True).click()
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type(WORDS)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/search\?query="))
    first = page.locator("ol.found > li").first
    expect(first.get_by_role("link", name="Card tariffs 2025")).to_be_visible()
    expect(first.locator(".meta")).to_contain_text("page 2")
    assert "990 tenge" in first.inner_text()
    marked = {text.lower() for text in first.locator(".said mark").all_inner_texts()}
    assert {"service", "fee", "gold", "card"} <= marked
    assert "tenge" not in marked
    assert page.get_by_role("searchbox").input_value() == WORDS


def test_the_page_of_a_passage_is_shown_with_its_place(open_page: Open, desk: Desk) -> None:
    page = open_page("aigerim")
    search(page, desk, FEE)
    first = page.locator("ol.found > li").first
    first.get_by_text("The whole passage and its page").press("Enter")
    image = first.locator("img")
    image.scroll_into_view_if_needed()
    expect(image).to_have_js_property("complete", True)
    page.wait_for_function("document.querySelector('.found img').naturalWidth > 0")
    assert first.locator("svg rect").count() == 1
    first.get_by_role("link", name="Card tariffs 2025").click()
    page.wait_for_url(re.compile(r"/documents/doc_"))


def test_markup_in_a_document_stays_text(open_page: Open, desk: Desk) -> None:
    page = open_page("aigerim")
    search(page, desk, "parking gate code", "&every=1")
    assert "<script>" in page.locator("ol.found").inner_text()
    assert page.locator("ol.found script, ol.found .said img").count() == 0
    assert "owned" not in page.title()
    search(page, desk, "<b>parking</b> \"'><script>")
    assert page.get_by_role("searchbox").input_value() == "<b>parking</b> \"'><script>"
    assert page.locator("main b, main script").count() == 0


def test_what_is_not_theirs_is_not_found_and_the_page_says_what_to_do(open_page: Open, desk: Desk) -> None:
    director, clerk = open_page("daniyar"), open_page("aigerim")
    search(director, desk, "the board decided to raise the fee to 1,290")
    assert "1,290 tenge" in director.locator("ol.found").inner_text()
    search(clerk, desk, "the board decided to raise the fee to 1,290")
    assert "1,290 tenge" not in clerk.locator("main").inner_text()
    search(clerk, desk, FEE, "&language=kk&as_of=2001-01-01&assistant=staff-help")
    expect(clerk.get_by_text("Nothing was found that you may see.")).to_be_visible()
    assert clerk.get_by_label("Passages in").input_value() == "kk"
    clerk.get_by_role("link", name="The documents that you may see").click()
    clerk.wait_for_url(f"{desk.url}/documents")


def test_it_works_without_a_script(open_page: Open, desk: Desk) -> None:
    page = open_page("ruslan", java_script_enabled=False)
    page.goto(f"{desk.url}/search")
    page.get_by_role("searchbox").fill(WORDS)
    page.get_by_role("button", name="Search").click()
    expect(page.locator("ol.found > li").first).to_contain_text("990 tenge")
    page.get_by_role("link", name="Ask this as a question").click()
    assert page.get_by_label("Your question").input_value() == WORDS


def test_a_question_without_an_answer_leads_to_a_search(open_page: Open, desk: Desk) -> None:
    question = "How many moons does Neptune have?"
    me = desk.run(desk.house.people.authenticate(desk.keys["ruslan"]))
    answer = desk.run(desk.house.asking.ask(me, Question("staff-help", question)))
    assert answer.refusal == "no_evidence"
    page = open_page("ruslan")
    page.goto(f"{desk.url}/answers/{answer.answer_id}")
    page.get_by_role("link", name="Search the documents").click()
    page.wait_for_url(re.compile(r"/search\?query="))
    assert page.get_by_role("searchbox").input_value() == question


def test_operators_are_told_why_and_nobody_else(open_page: Open, desk: Desk) -> None:
    operator, clerk = open_page("olzhas"), open_page("aigerim")
    search(operator, desk, FEE)
    assert operator.locator(".why").count() == 0
    operator.get_by_role("link", name="Show why").click()
    expect(operator.locator(".why").first).to_contain_text("by words: place 1")
    operator.get_by_role("searchbox").fill("safe deposit box")
    operator.keyboard.press("Enter")
    operator.wait_for_url(re.compile(r"query=safe.*explain=1"))
    expect(operator.locator(".why").first).to_contain_text("by words: place 1")
    search(clerk, desk, FEE)
    assert clerk.get_by_role("link", name="Show why").count() == 0
    reply = clerk.goto(f"{desk.url}/search?query=fee&explain=1")
    assert reply is not None
    assert reply.status == 403


def test_what_cannot_be_read_is_said(open_page: Open, desk: Desk) -> None:
    page = open_page("aigerim")
    for more, status in (
        ("query=fee&as_of=soon", 400),
        ("query=fee&assistant=nobody", 404),
        ("query=fee&limit=7000&every=yes", 200),
        ("query=%20", 200),
        ("", 200),
    ):
        reply = page.goto(f"{desk.url}/search?{more}")
        assert reply is not None
        assert reply.status == status, more
    auditor = open_page("erlan")
    reply = auditor.goto(f"{desk.url}/search?query=fee")
    assert reply is not None
    assert reply.status == 403
    assert auditor.get_by_role("link", name="Search", exact=True).count() == 0


@pytest.mark.parametrize(
    ("language", "words", "button"),
    [("kk", "кредитті мерзімінен бұрын өтеу", "Іздеу"), ("ru", "кредит", "Поиск")],
)
def test_it_speaks_the_language_and_fits_a_phone(
    open_page: Open, desk: Desk, language: str, words: str, button: str
) -> None:
    page = open_page("aigerim", viewport={"width": 390, "height": 844})
    page.goto(f"{desk.url}/language/{language}?next=/search")
    page.get_by_role("searchbox").fill(words)
    page.get_by_role("button", name=button).click()
    expect(page.locator("ol.found > li").first).to_contain_text("Кредитті")
    assert page.locator("ol.found mark").count() > 0
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.locator("html").get_attribute("lang") == language
