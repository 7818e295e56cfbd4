"""The file that is handed on: it explains itself, in three languages, and nothing of what it quotes can act."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser, expect

from countersign.corpus.readiness.catalogue import CODES
from countersign.corpus.readiness.changes import changes
from countersign.domain.readiness import ReadinessReport
from countersign.web.differences import differing
from countersign.web.i18n import LANGUAGES
from countersign.web.marks import coded, visible
from countersign.web.readiness_report import render
from countersign.web.readiness_view import view_of
from tests.browser import chromium
from tests.web import readiness_samples as samples

__all__ = ["chromium"]

_VOID = {"meta", "br", "col", "rect", "link", "img", "input"}


class Page(HTMLParser):
    """What a browser would make of it: elements in order, the words that are shown, ids, and links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def values(self, attribute: str) -> set[str]:
        return {attrs[attribute] or "" for _, attrs in self.elements if attribute in attrs}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_file_stands_alone_and_is_whole(language: str) -> None:
    page = Page(render(samples.full(), language, title="Тарифы"))
    assert page.open == []
    assert ("html", {"lang": language}) in page.elements
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "img", "iframe", "object", "form", "base"}
    assert all(link.startswith("#") for link in page.values("href"))
    assert {link[1:] for link in page.values("href")} <= page.values("id")
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]
    assert any("default-src 'none'" in value for value in page.values("content"))


@pytest.mark.parametrize("language", ["ru", "kk"])
def test_everything_of_ours_is_said_in_the_language(language: str) -> None:
    """No English sentence of the catalogue is left in a report for somebody who does not read English."""
    text = Page(render(samples.full(), language)).text
    said = [part for m in CODES.values() for part in (m.what, m.why, m.action) if "`" not in part]
    assert [part for part in said if f" {part} " in f" {text} "] == []
    assert {"ru": "Что сделать в первую очередь", "kk": "Алдымен не істеу керек"}[language] in text


def test_what_was_found_stands_in_it_with_reason_action_and_owner() -> None:
    text = Page(render(samples.full(), "en")).text
    meaning = CODES["versions_differ"]
    for part in (meaning.what, meaning.why, "remove the other", "Data owner", "Security officer"):
        assert part in text
    assert "18 of 214 documents have an error" in text
    assert (
        text.count("tariffs/gold-2025.pdf") >= 2
    )  # beside its other version, and among all documents concerned
    assert "Individual identification number (IIN)" in text
    assert "Көшірме мұрағат үшін сақталады" in text
    assert "1 May 2026" in text


def test_differing_figures_are_marked_on_both_sides() -> None:
    html = render(samples.full(), "en")
    assert "<mark>990</mark>" in html
    assert "<mark>1,290</mark>" in html
    assert "<mark>0,5</mark>" in html
    assert "<mark>2 500</mark>" not in html


@pytest.mark.parametrize(
    ("report", "verdict", "said"),
    [
        (samples.report(documents=0), "nothing_read", "No document was found"),
        (samples.report(), "ready", "Nothing was found that would make answers wrong"),
        (samples.report([samples.found("stale", "a.pdf")]), "warnings", "No document has an error; 1 of 214"),
        (samples.report([samples.found("title_missing", "a.pdf")]), "ready", "Nothing was found"),
        (samples.report([samples.found("corrupt", "a.pdf")]), "not_ready", "1 of 214 documents has an error"),
        (samples.report([samples.accepted(samples.found("corrupt", "a.pdf"))]), "ready", "1 finding was accepted"),
        (samples.report([samples.found("corrupt", "a.pdf", severity="warning")]), "warnings", "No document has"),
        (samples.report(finished=False), "ready", "not finished"),
    ],
)  # fmt: skip
def test_the_verdict_is_said_in_words(report: ReadinessReport, verdict: str, said: str) -> None:
    assert view_of(report).verdict == verdict
    assert said in Page(render(report, "en")).text


def test_what_to_do_first_is_errors_before_warnings_and_the_costliest_first() -> None:
    first = view_of(samples.full()).first
    assert [line.summary.severity for line in first] == ["error"] * 5
    assert first[0].summary.code == "needs_ocr"
    owners = {line.owner: line.documents for line in view_of(samples.full()).owners}
    assert owners["platform engineer"] == 11


def test_a_code_of_another_version_is_shown_and_not_hidden() -> None:
    summary = replace(
        samples.report([samples.found("stale", "a.pdf")]).codes[0], code="brand_new_code", severity="error"
    )
    report = replace(samples.report(), codes=(summary,))
    text = Page(render(report, "ru")).text
    assert "brand new code" in text
    assert "brand_new_code" in text


def test_hostile_names_and_texts_stay_text() -> None:
    html = render(samples.full(), "xx", title=samples.HOSTILE)
    assert "<script" not in html
    assert "<img" not in html
    assert "http://evil.invalid" in html
    assert html.count("<style>") == 1
    html.encode("utf-8")
    assert not re.search("[\x00-\x08\u202a-\u202e\u2066-\u2069]", html)


@given(st.text(max_size=60))
def test_a_name_is_shown_on_one_line_and_can_be_written(text: str) -> None:
    shown = visible(text)
    shown.encode("utf-8")
    assert not re.search("[\x00-\x1f\u202a-\u202e]", shown)
    assert "<" not in str(coded(shown)).replace("<code>", "").replace("</code>", "")


@given(st.text("аб19 ,.%-\u00a0", max_size=40), st.text("аб19 ,.%-\u00a0", max_size=40))
def test_marking_loses_nothing(text: str, other: str) -> None:
    assert "".join(part.text for part in differing(text, other)) == text
    assert not any(part.differs for part in differing(text, text))


@pytest.mark.parametrize(
    ("text", "other", "marked"),
    [
        ("Комиссия 1 290 тенге", "Плата составляет 1,290.00 тг", []),
        ("valid from 1 March 2025", "valid from 1 October 2025", ["March"]),
        ("Өтініш 3 жұмыс күнінде қаралады", "Рассматривается 5 рабочих дней", ["3"]),
        ("0.5 percent", "0.8 percent", ["0.5"]),
    ],
)
def test_the_same_figure_in_another_dress_is_no_difference(text: str, other: str, marked: list[str]) -> None:
    assert [part.text for part in differing(text, other) if part.differs] == marked


def test_a_million_findings_do_not_make_an_endless_page() -> None:
    findings = [samples.found("stale", f"{n}.pdf") for n in range(20_050)]
    view = view_of(replace(samples.report(), findings=tuple(findings)))
    assert view.left_out == 50
    assert sum(len(listed) for _, listed in view.concerned) == 20_000


def test_a_part_is_shown_by_style_rules_that_hold_no_word_from_outside() -> None:
    html = render(replace(samples.full(), sources=samples.full().sources), "en")
    rules = re.findall(r'option\[value="([^"]*)"\]:checked\) \.f:not\(\.([^)]*)\)', html)
    assert rules and all(value == sort and re.fullmatch(r"[a-z]+\d*", sort) for value, sort in rules)
    offered = {value for value in Page(html).values("value") if value}
    assert offered == {value for value, _ in rules}
    view = view_of(samples.full())
    assert {sort for line in view.codes for sort in view.sorts_of_code(line).split()} - {"f"} <= set(
        view.filters
    )


def test_what_was_not_looked_at_is_said() -> None:
    said = "Rights were not looked at"
    assert said in Page(render(samples.full(), rights_known=False)).text
    assert said not in Page(render(samples.full())).text


def test_what_changed_since_the_audit_before_is_told_and_marked() -> None:
    before = samples.report([samples.found("corrupt", "mended.pdf"), samples.found("stale", "old.pdf")])
    now = samples.report([samples.found("stale", "old.pdf"), samples.found("empty", samples.HOSTILE)])
    html = render(now, "en", changes=changes(before, now))
    text = Page(html).text
    assert "Since the last audit" in text and "1 new · 1 no longer found · 1 still there" in text
    assert "mended.pdf" in text and "<script" not in html
    assert "Since the last audit" not in Page(render(now, "en")).text


# -- as it is looked at -----------------------------------------------------------------------------------------
@pytest.mark.browser
@pytest.mark.parametrize(("language", "scheme"), [("kk", "dark"), ("ru", "light")])
def test_it_fits_a_phone_and_asks_for_nothing(
    chromium: Browser, tmp_path: Path, language: str, scheme: str
) -> None:
    path = tmp_path / "report.html"
    path.write_text(render(samples.full(), language, title="Розница"), encoding="utf-8")
    context = chromium.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    troubles: list[str] = []
    page.on("console", lambda said: troubles.append(said.text))
    page.on("request", lambda request: troubles.append(request.url) if request.url != path.as_uri() else None)
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("h1").count() == 1
    red, green, blue = page.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
    )
    assert (red + green + blue < 200) == (scheme == "dark")
    context.close()
    assert troubles == []


@pytest.mark.browser
def test_a_reader_sees_only_what_they_choose_without_a_script(chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(render(samples.full(), "en"), encoding="utf-8")
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    show, secret, scan = (
        page.get_by_label("Show below"),
        page.locator("#error-secret_present"),
        page.locator("#error-needs_ocr"),
    )
    listed = page.locator("table.concerned tbody tr")
    expect(scan).to_be_visible()
    show.select_option(label="Security officer")
    expect(scan).to_be_hidden()
    expect(secret).to_be_visible()
    expect(listed.filter(has_text="it/vpn.txt")).to_be_visible()
    expect(listed.filter(has_text="протокол-001")).to_be_hidden()
    show.select_option(label="Two versions of one document say different figures or dates")
    expect(secret).to_be_hidden()
    expect(listed.filter(has_text="gold-2025.pdf").filter(visible=True)).to_have_count(1)
    show.select_option(label="everything")
    expect(scan).to_be_visible()
    context.close()


@pytest.mark.browser
def test_it_prints_light_on_a4_with_its_heads_repeated(chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(render(samples.full(), "en"), encoding="utf-8")
    context = chromium.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(path.as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    printed = page.pdf(prefer_css_page_size=True, print_background=True)
    context.close()
    from pypdfium2 import PdfDocument

    document = PdfDocument(printed)
    width, height = document[0].get_size()
    assert (round(width), round(height)) == (595, 842)
    texts = [document[n].get_textpage().get_text_range() for n in range(len(document))]
    near_duplicates = [text for text in texts if re.search(r"copies/tariff \(\d+\)", text)]
    assert len(near_duplicates) > 1
    assert all("One document" in text or "What was found" in text for text in near_duplicates)
    document.close()
