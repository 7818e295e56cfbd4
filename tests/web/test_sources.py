"""The page of the sources: the state of each in words, with its next step; reading now, and accepting what was held back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from countersign.domain.errors import SourceError
from countersign.domain.workspace import SourceSettings, Workspace
from countersign.web.i18n import LANGUAGES
from tests.web.serving import Desk, served
from tests.workspaces import write_files

pytestmark = pytest.mark.browser
Open = Callable[..., Page]

_MANY = 26


def _files(name: str, url: str = "", **more: object) -> SourceSettings:
    return SourceSettings(name, "files", url or name, rights_sidecar="manifest.jsonl", **more)  # type: ignore[arg-type]


def _with_sources(plain: Workspace) -> Workspace:
    more = [
        _files("archive"),
        _files("rules", max_age=timedelta(microseconds=1)),
        _files("moved", "nowhere"),
        _files("letters"),
        _files("memos", "letters"),
        _files("cellar", "archive"),
    ]
    return replace(plain, sources={**plain.sources, **{source.name: source for source in more}})


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """`archive` and `cellar` lost most of their files, `rules` is too old, `moved` is not there, `letters` and `memos`
    were never read."""
    root = tmp_path_factory.mktemp("sources")
    names = [f"letter-{n}.txt" for n in range(_MANY)]
    rows = [{"file": name, "acl": ["staff"]} for name in names]
    write_files(root / "archive", {name: f"Letter {name} of the bank." for name in names}, rows)
    said = [{"file": "a.md", "acl": ["staff"]}, {"file": "b.md", "acl": [{"deny": "hr"}]}]
    write_files(root / "rules", {"a.md": "# Rules\n\nBe kind.", "b.md": "# Other rules"}, said)
    write_files(
        root / "letters", {"one.txt": "Dear customer, thank you."}, [{"file": "one.txt", "acl": ["staff"]}]
    )
    with served(root, _with_sources, ingest=False) as running:
        house = running.house
        for source in ("intranet", "archive", "cellar", "rules"):
            running.run(house.sync(source, lambda step: None))
        for name in names[3:]:
            (root / "archive" / name).unlink()
        write_files(root / "archive", {}, rows[:3])
        for source in ("archive", "cellar"):
            running.run(house.sync(source, lambda step: None))
        with pytest.raises(SourceError):
            running.run(house.sync("moved", lambda step: None))
        yield running


def _row(page: Page, name: str) -> str:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True)).inner_text()


def test_every_source_says_its_state_and_what_comes_next(open_page: Open, desk: Desk) -> None:
    page = open_page("olzhas")
    page.goto(f"{desk.url}/sources")
    assert "in order" in _row(page, "intranet")
    assert "only when asked" in _row(page, "intranet")
    assert "removal held back" in _row(page, "archive")
    assert "out of date" in _row(page, "rules")
    failing = _row(page, "moved")
    for said in ("cannot be read", "The folder is not there.", "source_folder_missing", "Nothing was read"):
        assert said in failing
    assert "never read" in _row(page, "letters")
    assert "documents are sent to it" in _row(page, "push")
    expect(page.get_by_role("button", name="Read push now")).to_have_count(0)
    shown = [text.split("\n")[0].strip() for text in page.locator("tbody tr th").all_inner_texts()]
    needy = [shown.index(name) for name in ("archive", "letters", "moved", "rules")]
    assert max(needy) < shown.index("intranet")


def test_a_source_is_read_now_and_its_pass_is_listed(open_page: Open, desk: Desk) -> None:
    page = open_page("olzhas")
    page.goto(f"{desk.url}/sources")
    button = page.get_by_role("button", name="Read memos now")
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/sources/memos"))
    expect(page.get_by_role("status")).to_contain_text("as soon as its turn comes")
    done = page.get_by_role("row").filter(has_text="complete")
    for _ in range(240):
        if done.count():
            break
        page.wait_for_timeout(500)
        page.goto(f"{desk.url}/sources/memos")
    expect(done.first).to_contain_text("asked for")
    expect(page.locator("h1")).to_contain_text("in order")


def test_what_is_set_aside_is_counted_by_reason_with_what_to_do(open_page: Open, desk: Desk) -> None:
    page = open_page("olzhas")
    page.goto(f"{desk.url}/sources/rules")
    row = page.get_by_role("row").filter(has_text="rights_unsupported")
    expect(row).to_contain_text("Its rights cannot be expressed here")
    expect(row).to_contain_text("Express its rights as groups")
    row.get_by_role("link", name="1").click()
    expect(page).to_have_url(re.compile(r"/documents\?source=rules&status=quarantined"))
    expect(page.get_by_text("Not yours to read").first).to_be_visible()


def test_a_held_removal_is_accepted_by_who_may(open_page: Open, desk: Desk) -> None:
    page = open_page("erlan")
    page.goto(f"{desk.url}/sources/cellar")
    expect(page.get_by_text("was removed").first).to_be_visible()
    expect(page.get_by_role("button", name="Accept the removal")).to_have_count(0)
    expect(page.get_by_role("button", name="Read now")).to_have_count(0)
    page = open_page("olzhas")
    page.goto(f"{desk.url}/sources/cellar")
    expect(page.get_by_text(f"Held back: {_MANY - 3} of {_MANY} documents")).to_be_visible()
    page.get_by_role("button", name="Accept the removal").click()
    expect(page.get_by_role("status")).to_contain_text("Accepted")


def test_where_nothing_was_audited_the_page_says_how(open_page: Open, desk: Desk) -> None:
    page = open_page("olzhas")
    page.goto(f"{desk.url}/readiness")
    expect(page.get_by_text("countersign audit data")).to_be_visible()
    assert page.goto(f"{desk.url}/readiness/aud_none").status == 404  # type: ignore[union-attr]


def test_people_without_the_role_and_strangers_see_nothing(open_page: Open, desk: Desk) -> None:
    page = open_page("aigerim")
    for path in ("/sources", "/sources/rules"):
        reply = page.goto(desk.url + path)
        assert reply is not None
        assert reply.status == 403
    page = open_page("olzhas")
    reply = page.goto(f"{desk.url}/sources/none")
    assert reply is not None
    assert reply.status == 404
    stranger = open_page()
    stranger.goto(f"{desk.url}/sources")
    assert "/sign-in" in stranger.url


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pages_fit_a_phone_in_every_language(open_page: Open, desk: Desk, language: str) -> None:
    scheme = "dark" if language == "ru" else "light"
    page = open_page("olzhas", viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page.goto(f"{desk.url}/language/{language}?next=/sources")
    for path in ("/sources", "/sources/rules", "/sources/moved", "/sources/push"):
        page.goto(desk.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        assert page.locator("h1").count() == 1
    page.goto(f"{desk.url}/sources")
    wanted = {"kk": "жаңартылмаған", "ru": "устарел", "en": "out of date"}[language]
    assert wanted in _row(page, "rules")
