"""The desk as people use it: a real browser, a real server, a real house."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Page, expect

from countersign.domain.answers import Question
from tests.web.conftest import sign_in
from tests.web.serving import BOX, FEE, PASSWORD, Desk

pytestmark = pytest.mark.browser
Open = Callable[..., Page]


def ask(page: Page, desk: Desk, question: str, assistant: str = "staff-help") -> str:
    """Ask with the keyboard; the answer's address."""
    page.goto(desk.url)
    page.get_by_role("radio", name=re.compile(assistant)).check()
    page.get_by_label("Your question").fill(question)
    page.get_by_label("Your question").press("Control+Enter")
    page.wait_for_url(re.compile(r"/answers/ans_"))
    return page.url


def asked(desk: Desk, name: str, question: str, assistant: str = "careful") -> str:
    """The same without a browser, where the asking is not what a test is about."""
    principal = desk.run(desk.house.people.authenticate(desk.keys[name]))
    return desk.run(desk.house.asking.ask(principal, Question(assistant, question))).answer_id


def review_of(desk: Desk, answer_id: str, reviewer: str = "saule") -> str:
    principal = desk.run(desk.house.people.authenticate(desk.keys[reviewer]))
    waiting = desk.run(desk.house.desk.queue(principal))
    return next(review.review_id for review in waiting if review.answer_id == answer_id)


def has_no_sideways_scroll(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


# -- signing in -------------------------------------------------------------------------------------------------
def test_signing_in_leads_to_where_one_wanted_to_go(open_page: Open, desk: Desk) -> None:
    page = open_page()
    page.goto(f"{desk.url}/documents?status=indexed")
    page.get_by_label("Name").fill("aigerim")
    page.get_by_label("Password or access key").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{desk.url}/documents?status=indexed")
    [cookie] = [c for c in page.context.cookies() if c["name"] == "countersign_session"]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    page.locator("details.who > summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    page.goto(f"{desk.url}/answers")
    assert "/sign-in" in page.url


def test_every_failed_sign_in_says_the_same(open_page: Open, desk: Desk) -> None:
    page = open_page()
    said: list[str] = []
    for name, secret in (
        ("aigerim", "wrong-password-1"),
        ("nobody-here", PASSWORD),
        ("", "cs_0123456789_" + "0" * 43),
    ):
        page.goto(f"{desk.url}/sign-in?next=//evil.invalid/")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password or access key").fill(secret)
        page.get_by_role("button", name="Sign in").click()
        said.append(page.get_by_role("alert").inner_text())
        assert page.locator("input[name=next]").get_attribute("value") == "/"
    assert len(set(said)) == 1


# -- asking -----------------------------------------------------------------------------------------------------
def test_an_answer_leads_to_the_passage_on_its_page(open_page: Open, desk: Desk) -> None:
    page = open_page("aigerim")
    ask(page, desk, FEE)
    expect(page.locator(".prose")).to_contain_text("990 tenge")
    expect(page.get_by_text("AI-generated")).to_be_visible()
    expect(page.get_by_text("not calibrated yet")).to_be_visible()
    page.locator(".prose .cite").first.click()
    source = page.locator("#source-1")
    expect(source).to_have_attribute("open", "")
    expect(source).to_contain_text("Card tariffs 2025")
    expect(source).to_contain_text("page 2 of 2")
    image = source.locator("img")
    image.scroll_into_view_if_needed()
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 500
    picture, passage = image.bounding_box(), source.locator("rect").bounding_box()
    assert picture
    assert passage
    assert picture["x"] < passage["x"]
    assert passage["y"] + passage["height"] < picture["y"] + picture["height"] / 2
    assert page.locator("#source-1 summary").evaluate("node => node === document.activeElement")


def test_a_refusal_is_honest_and_says_what_to_do(open_page: Open, desk: Desk) -> None:
    page = open_page("aigerim")
    ask(page, desk, "What is the recipe of plov?")
    expect(page.get_by_text("No answer was found in the documents that you may see.")).to_be_visible()
    expect(page.get_by_role("heading", name="What you can do")).to_be_visible()
    expect(page.locator(".prose")).to_have_count(0)


def test_both_sides_of_a_contradiction_are_shown(open_page: Open, desk: Desk) -> None:
    page = open_page("aigerim")
    ask(page, desk, "What is the fee for a transfer abroad?")
    expect(page.locator(".clash .side")).to_have_count(2)
    expect(page.locator(".clash")).to_contain_text("0.5 percent")
    expect(page.locator(".clash")).to_contain_text("0.8 percent")


def test_the_line_can_be_followed_and_what_goes_wrong_is_said(open_page: Open, desk: Desk) -> None:
    page = open_page("aigerim")
    page.goto(desk.url)
    page.route(
        "**/ask",
        lambda route: route.fulfill(
            status=200, content_type="text/event-stream", body="event: step\ndata: verify\n\n"
        ),
    )
    page.get_by_label("Your question").fill(FEE)
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("#trouble")).to_contain_text("The connection was lost")
    assert page.locator("#said").text_content() == "Verifying every sentence"
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_enabled()


def test_everything_works_without_scripts(open_page: Open, desk: Desk) -> None:
    page = open_page("aigerim", java_script_enabled=False)
    page.get_by_role("radio", name=re.compile("staff-help")).check()
    page.get_by_label("Your question").fill(FEE)
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator(".prose")).to_contain_text("990 tenge")
    page.get_by_label("Comment").fill("exactly")
    page.get_by_role("button", name="Helpful").click()
    expect(page.get_by_text("Your feedback is on record")).to_be_visible()
    page.get_by_role("link", name="Ask a follow-up").click()
    expect(page.locator(".context")).to_contain_text(FEE)


# -- reviewing --------------------------------------------------------------------------------------------------
def test_a_held_answer_is_approved_by_keyboard_and_reaches_its_asker(open_page: Open, desk: Desk) -> None:
    asker = open_page("aigerim")
    address = ask(asker, desk, BOX, "careful")
    expect(asker.get_by_text("A person is checking this answer")).to_be_visible()
    expect(asker.locator(".prose")).to_have_count(0)
    assert "9,000" not in asker.content()

    reviewer = open_page("saule")
    reviewer.goto(f"{desk.url}/reviews/{review_of(desk, address.rsplit('/', 1)[1])}")
    expect(reviewer.locator(".doubt")).to_contain_text("9,000")
    expect(reviewer.locator(".doubts")).to_contain_text("is not in the cited source")
    expect(reviewer.locator(".evidence .quoted")).to_contain_text("7,000 tenge")
    reviewer.keyboard.press("?")
    expect(reviewer.locator("#help")).to_be_visible()
    reviewer.keyboard.press("Escape")
    reviewer.keyboard.press("c")
    expect(reviewer.get_by_role("button", name="Give back")).to_be_visible()
    reviewer.wait_for_load_state()
    reviewer.keyboard.press("a")
    expect(reviewer.get_by_text("Approved. The asker can read the answer now.")).to_be_visible()

    expect(asker.locator(".prose .doubt")).to_contain_text("9,000")
    expect(asker.get_by_text("Approved by a reviewer")).to_be_visible()


def test_an_edited_answer_keeps_its_citations(open_page: Open, desk: Desk) -> None:
    answer_id = asked(desk, "aigerim", BOX)
    reviewer = open_page("saule")
    reviewer.goto(f"{desk.url}/reviews/{review_of(desk, answer_id)}")
    reviewer.keyboard.press("e")
    text = reviewer.get_by_label("The answer as it goes out")
    expect(text).to_be_focused()
    expect(reviewer.locator(".verbs")).to_be_hidden()
    assert "[1]" in text.input_value()
    text.fill("A safe deposit box costs 7,000 tenge per year [1].")
    reviewer.keyboard.press("Control+Enter")
    expect(reviewer.get_by_text("The asker can read your text now.")).to_be_visible()

    asker = open_page("aigerim")
    asker.goto(f"{desk.url}/answers/{answer_id}")
    expect(asker.locator(".prose")).to_contain_text("7,000 tenge")
    expect(asker.get_by_text("Edited by a reviewer")).to_be_visible()
    asker.locator(".prose .cite").click()
    expect(asker.locator("#source-1")).to_contain_text("A safe deposit box costs 7,000 tenge")


def test_a_rejection_needs_a_reason_and_is_told(open_page: Open, desk: Desk) -> None:
    answer_id = asked(desk, "aigerim", BOX)
    reviewer = open_page("saule")
    reviewer.goto(f"{desk.url}/reviews/{review_of(desk, answer_id)}")
    reviewer.keyboard.press("x")
    expect(reviewer.locator("#reject textarea")).to_be_focused()
    reviewer.keyboard.press("Control+Enter")
    expect(reviewer.locator("#reject")).to_be_visible()
    reviewer.keyboard.type("The figure is wrong. asxe")
    reviewer.keyboard.press("Control+Enter")
    expect(reviewer.get_by_text("Rejected. The asker was told")).to_be_visible()
    asker = open_page("aigerim")
    asker.goto(f"{desk.url}/answers/{answer_id}")
    expect(asker.get_by_text("A reviewer read the draft and did not approve it.")).to_be_visible()


def test_two_reviewers_do_not_decide_over_each_other(open_page: Open, desk: Desk) -> None:
    review = review_of(desk, asked(desk, "aigerim", BOX))
    late = open_page("timur")
    late.goto(f"{desk.url}/reviews/{review}")
    saule = desk.run(desk.house.people.authenticate(desk.keys["saule"]))
    desk.run(desk.house.desk.claim(saule, review))
    late.keyboard.press("a")
    expect(late.get_by_role("alert")).to_contain_text("Another reviewer has claimed this item")
    expect(late.get_by_text("saule works on this item")).to_be_visible()
    expect(late.get_by_role("button", name="Approve")).to_have_count(0)


def test_the_queue_is_walked_by_keyboard_and_items_are_escalated(open_page: Open, desk: Desk) -> None:
    first, second = (review_of(desk, asked(desk, "aigerim", BOX)) for _ in range(2))
    page = open_page("saule", viewport={"width": 390, "height": 800})
    page.goto(f"{desk.url}/reviews/{first}")
    page.keyboard.press("j")
    page.wait_for_url(f"{desk.url}/reviews/{second}")
    page.keyboard.press("k")
    page.wait_for_url(f"{desk.url}/reviews/{first}")
    assert has_no_sideways_scroll(page)
    page.keyboard.press("s")
    page.keyboard.type("Needs the owner of the tariff")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Escalated. An administrator")).to_be_visible()


# -- what must not happen ---------------------------------------------------------------------------------------
def test_hostile_text_stays_text(open_page: Open, desk: Desk) -> None:
    page = open_page("aigerim")
    ask(page, desk, "What is the parking gate code?")
    expect(page.locator(".prose")).to_contain_text("7788")
    expect(page.locator("#source-1 .title")).to_contain_text("<script>")
    page.locator("#source-1").get_by_role("link", name="The passage around it").click()
    expect(page.get_by_role("heading").first).to_contain_text("<img src=")
    page.get_by_role("link", name="About this document").click()
    expect(page.get_by_role("heading").first).to_contain_text("<script>")
    page.goto(f"{desk.url}/?question=" + "%3C/textarea%3E%3Cscript%3Edocument.title=1%3C/script%3E")
    expect(page.get_by_label("Your question")).to_have_value("</textarea><script>document.title=1</script>")
    page.goto(f"{desk.url}/documents?source=%22%3E%3Cimg%20src=x%3E")
    assert "Countersign" in page.title()
    assert page.locator("main script, main iframe, .prose img").count() == 0


def test_forbidden_looks_like_absent(open_page: Open, desk: Desk) -> None:
    owner = open_page("daniyar")
    answer_id = asked(desk, "daniyar", FEE)
    principal = desk.run(desk.house.people.authenticate(desk.keys["daniyar"]))
    [citation, *_] = desk.run(desk.house.desk.answer(principal, answer_id)).answer.citations
    assert owner.goto(f"{desk.url}/citations/{citation.citation_id}").status == 200  # type: ignore[union-attr]
    stranger = open_page("ruslan")
    seen: set[str] = set()
    for path in (f"/answers/{answer_id}", f"/citations/{citation.citation_id}", f"/record/{answer_id}", "/answers/ans_none", "/citations/cit_none", f"/documents/{citation.document_id}x"):  # fmt: skip
        reply = stranger.goto(desk.url + path)
        assert reply is not None
        assert reply.status == 404
        seen.add(re.sub(r"Request.*", "", stranger.locator("main").inner_text()))
    assert len(seen) == 1
    assert stranger.goto(f"{desk.url}/citations/{citation.citation_id}/page.png").status == 404  # type: ignore[union-attr]


def test_an_answer_is_withheld_when_its_source_is_lost(open_page: Open, desk: Desk) -> None:
    desk.run(desk.house.people.set_person("ruslan", tenant="bank", groups=["staff"]))
    answer_id = asked(
        desk, "ruslan", "Кредитті мерзімінен бұрын өтеу өтініші қанша күнде қаралады?", "staff-help"
    )
    page = open_page("ruslan")
    page.goto(f"{desk.url}/answers/{answer_id}")
    expect(page.locator(".prose")).to_contain_text("3 жұмыс күні")
    assert page.locator(".prose").get_attribute("lang") == "kk"
    desk.run(desk.house.people.set_person("ruslan", tenant="bank", groups=[]))
    page.reload()
    expect(page.get_by_text("This answer is withheld.")).to_be_visible()
    assert "3 жұмыс" not in page.content()
    page.goto(f"{desk.url}/record/{answer_id}")
    assert "3 жұмыс" not in page.content()


def test_a_form_without_its_token_changes_nothing(open_page: Open, desk: Desk) -> None:
    page = open_page("aigerim")
    answer_id = asked(desk, "aigerim", FEE, "staff-help")
    cookie = "; ".join(f"{c['name']}={c['value']}" for c in page.context.cookies())
    token = page.locator("input[name=csrf]").first.get_attribute("value") or ""
    fields = {"assistant": "staff-help", "question": FEE, "verdict": "helpful"}
    for path in (
        "/ask",
        f"/answers/{answer_id}/feedback",
        "/sign-out",
        "/reviews/rev_x/decision",
        "/record/verify",
    ):
        assert _post(desk, path, fields, cookie) == 403
        assert _post(desk, path, {**fields, "csrf": "x" * 43}, cookie) == 403
    assert _post(desk, "/ask", {**fields, "csrf": token}, cookie, {"Sec-Fetch-Site": "cross-site"}) == 403
    assert _post(desk, "/ask", {**fields, "csrf": token}, "") == 401
    assert _post(desk, "/sign-in", {"name": "aigerim", "secret": PASSWORD}, "") == 403
    assert _post(desk, "/ask", {**fields, "csrf": token, "question": "x" * 300_000}, cookie) == 429
    assert _post(desk, "/ask", {**fields, "csrf": token, "assistant": "nobody"}, cookie) == 404
    assert _post(desk, "/ask", {**fields, "csrf": token, "as_of": "yesterday"}, cookie) == 400
    assert _post(desk, "/ask", {**fields, "csrf": token}, cookie) == 303


def _post(
    desk: Desk, path: str, fields: dict[str, str], cookie: str, more: dict[str, str] | None = None
) -> int:
    connection = http.client.HTTPConnection(urlsplit(desk.url).netloc, timeout=120)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie, **(more or {})}
    connection.request("POST", path, urlencode(fields), headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_link_from_another_site_finds_the_session_again(desk: Desk, open_page: Open) -> None:
    page = open_page("aigerim")
    answer_id = asked(desk, "aigerim", FEE, "staff-help")
    connection = http.client.HTTPConnection(urlsplit(desk.url).netloc, timeout=120)
    connection.request("GET", f"/answers/{answer_id}", headers={"Sec-Fetch-Site": "cross-site"})
    reply = connection.getresponse()
    page_text = reply.read().decode()
    connection.close()
    assert reply.status == 200
    assert f'content="0;url=/answers/{answer_id}"' in page_text
    assert page.goto(f"{desk.url}/answers/{answer_id}").status == 200  # type: ignore[union-attr]


# -- every page, every size -------------------------------------------------------------------------------------
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["kk", "ru", "en"])
def test_every_page_fits_a_phone_and_speaks_the_language(
    open_page: Open, desk: Desk, scheme: str, language: str
) -> None:
    answer_id = asked(desk, "olzhas", FEE, "staff-help")
    page = open_page("olzhas", viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page.goto(f"{desk.url}/language/{language}?next=/")
    assert page.locator("html").get_attribute("lang") == language
    paths = (
        "/",
        "/answers",
        f"/answers/{answer_id}",
        "/documents",
        "/record",
        f"/record/{answer_id}",
        "/status",
        "/nothing/here",
    )
    for path in paths[:-1]:
        page.goto(desk.url + path)
        assert has_no_sideways_scroll(page), path
        assert page.locator("h1").count() == 1, path
    red, green, blue = page.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
    )
    assert (red + green + blue < 200) == (scheme == "dark")
    page.goto(f"{desk.url}/status")
    assert {"kk": "Күйі", "ru": "Состояние", "en": "Status"}[language] in page.locator("h1").inner_text()


def test_the_keyboard_reaches_the_content_first(open_page: Open, desk: Desk) -> None:
    page = open_page("aigerim")
    page.goto(f"{desk.url}/documents")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_people_see_the_pages_of_their_roles(open_page: Open, desk: Desk) -> None:
    page = open_page("aigerim")
    for path in ("/status", "/record", "/reviews"):
        reply = page.goto(desk.url + path)
        assert reply is not None
        assert reply.status == 403, path
    assert page.get_by_role("navigation", name="Main").inner_text().split("\n") == [
        "Ask",
        "Search",
        "My answers",
        "Documents",
    ]
    page.goto(f"{desk.url}/documents")
    assert "minutes.md" not in page.content()
    page.get_by_role("link", name="Card tariffs 2025").click()
    page.get_by_role("button", name="Explain").click()
    expect(page.get_by_text("aigerim may see this document.")).to_be_visible()
    operator = open_page("olzhas")
    operator.goto(f"{desk.url}/documents")
    expect(operator.get_by_text("Not yours to read").first).to_be_visible()
    assert "minutes.md" not in operator.content()


def test_an_auditor_reads_the_record_and_verifies_the_chain(open_page: Open, desk: Desk) -> None:
    answer_id = asked(desk, "aigerim", FEE, "staff-help")
    page = open_page("erlan")
    page.goto(f"{desk.url}/record?kind=answer.decided")
    page.get_by_role("link", name=answer_id).click()
    expect(page.locator(".story > li")).to_have_count(8)
    expect(page.get_by_text("countersign audit verify")).to_be_visible()
    page.goto(f"{desk.url}/record")
    page.get_by_role("button", name="Verify the chain").click()
    expect(page.get_by_text("The chain verifies.")).to_be_visible()


def test_a_person_who_signs_in_on_a_phone_sees_the_same(open_page: Open, desk: Desk) -> None:
    page = open_page(viewport={"width": 390, "height": 844})
    sign_in(page, desk, "saule")
    page.goto(f"{desk.url}/reviews")
    assert has_no_sideways_scroll(page)
