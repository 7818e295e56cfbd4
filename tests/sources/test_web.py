"""The web connector on a real site on loopback: what is a page, what is not to be believed, and where it never goes."""

from __future__ import annotations

import gzip
import ipaddress
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.documents import Rights
from countersign.domain.errors import ConfigError, SourceError
from countersign.domain.workspace import RightsRule, SourceSettings
from countersign.sources import web_address, web_crawl
from countersign.sources.connector import Listed
from countersign.sources.registry import Surroundings
from countersign.sources.web import WebConnector
from countersign.sources.web_address import Site, may_connect, normal
from countersign.sources.web_page import read_page
from countersign.sources.web_robots import read_robots
from countersign.sources.web_sitemap import read_sitemap
from countersign.testing.source_connector_suite import SourceConnectorSuite
from tests.sources.http_servers import HttpServer
from tests.sources.wire import Wire

ALL = (RightsRule("hr/**", ("hr",)), RightsRule("secret/**", ()), RightsRule("**", ("staff",)))
FILLER = "Комиссия банка за перевод составляет пятьсот тенге и взимается в день операции. " * 4


@dataclass
class Answer:
    body: bytes = b""
    status: str = "200 OK"
    headers: dict[str, str] = field(default_factory=dict[str, str])


def page(*links: str, title: str = "Page", text: str = FILLER, head: str = "") -> Answer:
    anchors = "".join(f'<a href="{escape(link)}">link</a> ' for link in links)
    body = f"<!doctype html><html><head><title>{title}</title>{head}</head><body><p>{text}</p>{anchors}</body></html>"
    return Answer(body.encode(), headers={"Content-Type": "text/html; charset=utf-8"})


def moved(target: str) -> Answer:
    return Answer(b"", "302 Found", {"Location": target})


class Pages:
    """A site that a test writes: path → answer, or what makes one."""

    def __init__(self) -> None:
        self.at: dict[str, Answer | Callable[[dict[str, Any]], Answer]] = {}
        self.missing = Answer(b"nothing here", "404 Not Found", {"Content-Type": "text/plain"})
        self.asked: list[str] = []
        self.environs: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        if environ.get("QUERY_STRING"):
            path += f"?{environ['QUERY_STRING']}"
        self.asked.append(path)
        self.environs.append(environ)
        found = self.at.get(path, self.missing)
        answer = found(environ) if callable(found) else found
        start(answer.status, list(answer.headers.items()))
        return [answer.body]

    @property
    def fetched(self) -> list[str]:
        """Without robots.txt and without the question how the site says that a page is missing."""
        return [path for path in self.asked if path != "/robots.txt" and not path.endswith("-is-no-page")]


@pytest.fixture
def pages() -> Pages:
    made = Pages()
    made.at["/"] = page("/a", "/b")
    made.at["/a"] = page(title="A")
    made.at["/b"] = page(title="B")
    return made


@pytest.fixture
def port(pages: Pages) -> Iterator[int]:
    with HttpServer(pages) as server:
        yield server.port


def connector(
    root: Path, port: int, *, rules: tuple[RightsRule, ...] = ALL, path: str = "/", **options: Any
) -> WebConnector:
    given = {"delay": timedelta(0), "allow_private_hosts": ("127.0.0.1",), "timeout": timedelta(seconds=20)}
    settings = SourceSettings(
        name="portal",
        connector="web",
        url=f"http://127.0.0.1:{port}{path}",
        rights_rules=rules,
        options={name: value for name, value in {**given, **options}.items() if value is not None},
    )
    return WebConnector(settings, Surroundings(root, ("bank",), root / "cache"))


def by_path(root: Path, port: int, **more: Any) -> dict[str, Listed]:
    start = f"http://127.0.0.1:{port}"
    items = list(connector(root, port, **more).list())
    found = {item.document.external_id.removeprefix(start): item for item in items}
    assert len(found) == len(items)
    return found


def code_of(call: Any) -> str:
    with pytest.raises((SourceError, ConfigError)) as raised:
        call()
    return raised.value.code


# -- what every connector must do ---------------------------------------------------------------------------------
class WebWorld:
    secrets = ("p4ssw0rd-of-nobody",)

    def __init__(self, root: Path, pages: Pages, wire: Wire) -> None:
        self.root, self.pages, self.wire = root, pages, wire
        self.paths: dict[str, str] = {}
        self.write()

    def connector(self) -> WebConnector:
        rules = (
            RightsRule("to-board/**", ("board",)),
            RightsRule("to-staff-hr/**", ("staff", "hr")),
            RightsRule("to-staff/**", ("staff",)),
        )
        return connector(self.root, self.wire.port, rules=rules, include=("to-*",))

    def put(self, name: str, text: str, groups: tuple[str, ...]) -> None:
        self.remove(name)
        path = f"/to-{'-'.join(groups)}/{name}"
        self.paths[name] = path
        self.pages.at[path] = Answer(text.encode(), headers={"Content-Type": "text/plain; charset=utf-8"})
        self.write()

    def remove(self, name: str) -> None:
        self.pages.at.pop(self.paths.get(name, ""), None)
        self.write()

    def write(self) -> None:
        self.pages.at["/"] = page(*[quote(path) for path in self.pages.at if path.startswith("/to-")])

    def forbid(self, name: str) -> None: ...

    def break_after(self, count: int | None) -> None:
        self.wire.cut(count)

    def id_of(self, name: str) -> str:
        return str(normal(f"http://127.0.0.1:{self.wire.port}{quote(self.paths[name])}"))


class TestWeb(SourceConnectorSuite):
    says_too_much = False
    cuts = (0, 100, 2_000, 4_500)

    @pytest.fixture
    def world(self, tmp_path: Path, pages: Pages) -> Iterator[WebWorld]:
        with HttpServer(pages) as server, Wire(server.port) as wire:
            yield WebWorld(tmp_path, pages, wire)

    def test_a_source_that_dies_is_never_a_short_listing(self, world: WebWorld) -> None:
        """Of a site that was read before, a page that cannot be fetched keeps its place; of one that was never read,
        the pass ends with an error."""
        for number in range(30):
            world.put(f"note-{number:02}.txt", "A note.", ("staff",))
        whole = {world.id_of(f"note-{number:02}.txt") for number in range(30)}
        for cut in self.cuts:
            world.break_after(cut)
            shutil.rmtree(world.root / "cache", ignore_errors=True)
            with pytest.raises(SourceError):
                list(world.connector().list())
        world.break_after(None)
        assert {item.document.external_id for item in world.connector().list()} == whole
        for cut in (100, 2_000, 4_500):
            world.break_after(cut)
            try:
                items = list(world.connector().list())
            except SourceError:
                continue
            assert {item.document.external_id for item in items} == whole
            assert {item.problem for item in items} == {"", "source_page_unavailable"}


# -- pages and rights -----------------------------------------------------------------------------------------------
def test_a_site_is_followed_and_its_paths_have_rights(tmp_path: Path, pages: Pages, port: int) -> None:
    pages.at["/"] = page(
        "a", "hr/leave.html", "secret/x", "//other.test/", "mailto:x@y.kz", "javascript:alert(1)"
    )
    pages.at["/hr/leave.html"] = page("../b", title="Leave")
    pages.at["/secret/x"] = page()
    found = by_path(tmp_path, port)
    assert set(found) == {"/", "/a", "/hr/leave.html", "/secret/x", "/b"}
    assert found["/hr/leave.html"].document.rights == Rights.of(["group:hr"])
    assert found["/hr/leave.html"].document.rights_origin == "rule hr/**"
    assert found["/a"].document.rights == Rights.of(["group:staff"])
    assert found["/secret/x"].document.rights.nobody
    assert by_path(tmp_path, port, rules=())["/a"].document.rights.nobody
    assert found["/a"].document.filename == "a.html"
    assert found["/"].document.filename == "index.html"


def test_a_redirect_brings_nothing_under_the_rights_of_where_it_came_from(
    tmp_path: Path, pages: Pages, port: int
) -> None:
    pages.at["/a"] = moved("/hr/salaries")
    pages.at["/hr/salaries"] = page(title="Salaries")
    found = by_path(tmp_path, port)
    assert set(found) == {"/", "/b", "/hr/salaries"}
    assert found["/hr/salaries"].document.rights == Rights.of(["group:hr"])
    pages.at["/b"] = page(title="B")
    reading = connector(tmp_path, port)
    list(reading.list())
    pages.at["/b"] = moved("/hr/salaries")
    for file in (tmp_path / "cache").iterdir():
        file.unlink()
    assert code_of(lambda: reading.read(f"http://127.0.0.1:{port}/b", 10_000)) == "source_file_gone"


def test_an_unchanged_page_is_not_sent_again(tmp_path: Path, pages: Pages, port: int) -> None:
    def conditional(environ: dict[str, Any]) -> Answer:
        if environ.get("HTTP_IF_NONE_MATCH") == '"1"':
            return Answer(status="304 Not Modified", headers={"ETag": '"1"'})
        made = page("/b", title="A")
        made.headers |= {"ETag": '"1"', "Last-Modified": "Mon, 01 Jun 2026 10:00:00 GMT"}
        return made

    pages.at["/"] = page("/a")
    pages.at["/a"] = conditional
    first = by_path(tmp_path, port)
    second = by_path(tmp_path, port)
    assert set(first) == set(second) == {"/", "/a", "/b"}, (
        "links of a page that was not sent again still count"
    )
    assert first["/a"] == second["/a"]
    assert first["/a"].document.modified == datetime(2026, 6, 1, 10, tzinfo=UTC)
    reading = connector(tmp_path, port)
    before = len(pages.asked)
    assert b"<title>A</title>" in reading.read(f"http://127.0.0.1:{port}/a", 10_000)
    assert before < len(pages.asked), "it did not come again with the listing"
    assert b"<title>A</title>" in reading.read(f"http://127.0.0.1:{port}/a", 10_000)
    after = len(pages.asked)
    assert b"<title>A</title>" in reading.read(f"http://127.0.0.1:{port}/a", 10_000)
    assert len(pages.asked) == after
    for file in (tmp_path / "cache").iterdir():
        file.write_bytes(b"no database " * 500)
    assert set(by_path(tmp_path, port)) == {"/", "/a", "/b"}


def test_what_was_judged_is_what_is_read_and_then_forgotten(tmp_path: Path, pages: Pages, port: int) -> None:
    reading = connector(tmp_path, port)
    list(reading.list())
    before = len(pages.asked)
    pages.at["/a"] = page(title="Other")
    assert b"<title>A</title>" in reading.read(f"http://127.0.0.1:{port}/a", 10_000)
    assert len(pages.asked) == before
    reading.close()
    kept = b"".join(file.read_bytes() for file in (tmp_path / "cache").iterdir())
    assert FILLER.split()[0].encode() not in kept
    assert code_of(lambda: reading.read(f"http://127.0.0.1:{port}/a", 10_000)) == "source_changed_while_read"


def test_what_changes_at_every_request_is_no_change(tmp_path: Path, pages: Pages, port: int) -> None:
    count = iter(range(100))

    def restless(environ: dict[str, Any]) -> Answer:
        number = next(count)
        head = f'<script nonce="n{number}">t={number}</script><meta name="csrf-token" content="c{number}">'
        return page(title="A", head=head, text=f'{FILLER}<input type="hidden" name="v" value="{number}">')

    pages.at["/a"] = restless
    first, second = by_path(tmp_path, port), by_path(tmp_path, port)
    assert first["/a"].revision == second["/a"].revision
    pages.at["/a"] = page(title="A", text=FILLER.replace("пятьсот", "семьсот"))
    assert by_path(tmp_path, port)["/a"].revision != first["/a"].revision
    pages.at["/a"] = page(title="A", text=f'<span style="display:none">{FILLER}</span>')
    assert by_path(tmp_path, port)["/a"].revision != first["/a"].revision


def test_a_page_that_names_another_as_its_own_is_not_taken_in_twice(
    tmp_path: Path, pages: Pages, port: int
) -> None:
    pages.at["/"] = page("/a?print=1", "/lost", "/one")
    pages.at["/a?print=1"] = page(head='<link rel="canonical" href="/a">')
    pages.at["/lost"] = page(head='<link rel="canonical" href="/nowhere">')
    pages.at["/one"] = page(head='<link rel="canonical" href="/two">')
    pages.at["/two"] = page(head='<link rel="canonical" href="/one">')
    found = by_path(tmp_path, port)
    assert {"/", "/a", "/lost"} <= set(found), "a page whose own address is not there stands for itself"
    assert {"/one", "/two"} & set(found), "two that name each other are not both lost"
    assert "/a?print=1" not in found


def test_what_does_not_want_to_be_kept_is_not(tmp_path: Path, pages: Pages, port: int) -> None:
    pages.at["/"] = page("/a", "/b", "/c", "/d")
    pages.at["/a"] = page("/a2", head='<meta name="robots" content="noindex">')
    pages.at["/a2"] = page()
    pages.at["/b"] = page("/b2")
    pages.at["/b"].headers["X-Robots-Tag"] = "googlebot: nofollow, noindex"  # type: ignore[union-attr]
    pages.at["/c"] = page("/c2", head='<meta name="ROBOTS" content="none">')
    pages.at["/d"] = page("/d2")
    pages.at["/d"].headers["X-Robots-Tag"] = "nofollow"  # type: ignore[union-attr]
    assert set(by_path(tmp_path, port)) == {"/", "/a2", "/d"}


def test_robots_txt_is_kept(tmp_path: Path, pages: Pages, port: int) -> None:
    rules = "User-agent: *\nDisallow: /b\nDisallow: /*.pdf$\nAllow: /b/open\nCrawl-delay: 0\n"
    pages.at["/robots.txt"] = Answer(rules.encode(), headers={"Content-Type": "text/plain"})
    pages.at["/"] = page("/a", "/b", "/b/open", "/x.pdf", "/go")
    pages.at["/b/open"] = page()
    pages.at["/go"] = moved("/b")
    assert set(by_path(tmp_path, port)) == {"/", "/a", "/b/open"}
    assert "/x.pdf" not in pages.fetched
    pages.at["/robots.txt"] = Answer(b"User-agent: countersign\nDisallow: /")
    assert code_of(lambda: by_path(tmp_path, port)) == "source_robots_refused"
    pages.at["/robots.txt"] = Answer(b"", "503 Busy")
    assert code_of(lambda: by_path(tmp_path, port)) == "source_unavailable"


def test_robots_groups_patterns_and_delays() -> None:
    text = (
        "User-agent: other\nUser-agent: Countersign\nDisallow: /private\nCrawl-delay: 7\nSitemap: https://x/s.xml\n"
        "User-agent: *\nDisallow: /\n"
    )
    ours, theirs = read_robots(text, "Countersign/1.0"), read_robots(text, "else")
    assert (ours.allows("https://x/a"), ours.allows("https://x/private/a")) == (True, False)
    assert (ours.delay_s, ours.sitemaps) == (7.0, ("https://x/s.xml",))
    assert not theirs.allows("https://x/a")
    mixed = read_robots("User-agent: *\nDisallow: /a*b*c\nDisallow: /d$\nAllow: /a1b1c1\nDisallow:", "x")
    shown = ["/axbxc", "/a1b1c1", "/axb", "/d", "/dd", "/%64"]
    assert [mixed.allows(f"http://x{path}") for path in shown] == [False, True, True, False, True, False]
    read_robots("User-agent: *\nDisallow: /" + "*a" * 3000, "x").allows("http://x/" + "a" * 3000)


def test_pauses_between_requests_are_kept(
    tmp_path: Path, pages: Pages, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(web_crawl.time, "sleep", slept.append)
    pages.at["/robots.txt"] = Answer(b"User-agent: *\nCrawl-delay: 30")
    tired = iter([Answer(b"", "503 Busy", {"Retry-After": "45"}), page()])
    pages.at["/a"] = lambda environ: next(tired)
    assert set(by_path(tmp_path, port, delay=timedelta(seconds=2))) == {"/", "/a", "/b"}
    assert slept[0] == 0.0
    assert all(pause > 3 for pause in slept[1:]), "longer than our own pause"
    assert max(slept) > 31, "longer than the usual one"


def test_sitemaps_are_read_instead_of_links(tmp_path: Path, pages: Pages, port: int) -> None:
    here = f"http://127.0.0.1:{port}"
    index = (
        f"<?xml version='1.0'?><sitemapindex><sitemap><loc>{here}/s1.xml.gz</loc></sitemap></sitemapindex>"
    )
    urls = f"<urlset><url><loc>{here}/a</loc><lastmod>2999-01-01</lastmod></url><url><loc>http://evil.test/</loc></url></urlset>"
    pages.at["/sitemap.xml"] = Answer(index.encode())
    pages.at["/s1.xml.gz"] = Answer(gzip.compress(urls.encode()))
    assert set(by_path(tmp_path, port, sitemaps=("/sitemap.xml",))) == {"/a"}
    assert by_path(tmp_path, port, sitemaps=("/sitemap.xml",))["/a"].document.modified is None
    for broken in (urls[:-20].encode(), b"<html>Sign in</html>", b""):
        pages.at["/sitemap.xml"] = Answer(broken)
        assert (
            code_of(lambda: by_path(tmp_path, port, sitemaps=("/sitemap.xml",)))
            == "source_sitemap_unreadable"
        )
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><urlset><url><loc>&a;</loc></url></urlset>'
    assert read_sitemap(bomb) == (("&a;",), False), "no entity of its own is unfolded"


# -- what is not to be believed -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (moved("/login?next=/a"), "source_login_page"),
        (moved("/welcome"), "source_login_page"),
        (moved("https://sso.other.test/"), "source_redirected_away"),
        (moved("file:///etc/passwd"), "source_redirected_away"),
        (moved("/a"), "source_redirected_away"),
        (page(title="404 — Страница не найдена", text="Извините"), "source_error_page"),
        (page(title="Қате 500", text=""), "source_error_page"),
        (Answer(b"oops", "500 Error"), "source_page_unavailable"),
        (Answer(b"x" * 300_000, headers={"Content-Type": "text/plain"}), "source_file_too_large"),
        (
            Answer(
                gzip.compress(b"0" * 5_000_000),
                headers={"Content-Type": "text/plain", "Content-Encoding": "gzip"},
            ),
            "source_file_too_large",
        ),
        (
            Answer(
                gzip.compress(b"text" * 99)[:-9],
                headers={"Content-Type": "text/plain", "Content-Encoding": "gzip"},
            ),
            "source_page_unavailable",
        ),
        (
            Answer(b"x", headers={"Content-Type": "text/plain", "Content-Encoding": "br"}),
            "source_page_unavailable",
        ),
    ],
)
def test_what_is_no_page_leaves_what_is_known_as_it_is(
    tmp_path: Path, pages: Pages, port: int, answer: Answer, problem: str
) -> None:
    pages.at["/a"] = page("/a2", title="A")
    pages.at["/a2"] = page(title="A2")
    pages.at["/login?next=/a"] = page(title="Вход", text='<input type="password">')
    pages.at["/welcome"] = page(title="Добро пожаловать", text='<input type="password">')
    before = by_path(tmp_path, port, max_size=200_000)
    pages.at["/a"] = answer
    after = by_path(tmp_path, port, max_size=200_000)
    assert set(after) == set(before), "what hung on the page is not lost either"
    assert after["/a"].problem == problem
    assert b"A2" in connector(tmp_path, port).read(f"http://127.0.0.1:{port}/a2", 10_000)
    del pages.at["/a"]
    assert set(by_path(tmp_path, port)) == {"/", "/b"}, "a page that is gone is gone"


def test_a_file_that_arrives_as_a_page_is_no_file(tmp_path: Path, pages: Pages, port: int) -> None:
    pages.at["/"] = page("/fees.pdf", "/rules.pdf")
    pages.at["/fees.pdf"] = page(title="Portal")
    pages.at["/rules.pdf"] = Answer(page().body, headers={"Content-Type": "application/pdf"})
    found = by_path(tmp_path, port)
    assert [found[path].problem for path in ("/fees.pdf", "/rules.pdf")] == ["source_error_page"] * 2


def test_a_site_that_answers_everything_with_200_is_found_out(
    tmp_path: Path, pages: Pages, port: int
) -> None:
    pages.at["/"] = page("/a", "/gone/17")
    pages.missing = page(title="Портал", text="Такой страницы у нас нет, вернитесь на главную.")
    found = by_path(tmp_path, port)
    assert found["/gone/17"].problem == "source_error_page"
    assert found["/a"].problem == ""
    pages.missing = page(title="Портал", text='Войдите <input type="password">')
    pages.at["/gone/17"] = page()
    by_path(tmp_path, port)
    del pages.at["/gone/17"]
    assert by_path(tmp_path, port)["/gone/17"].problem == "source_login_page"


def test_a_page_closed_to_us_is_gone_and_a_closed_site_is_an_error(
    tmp_path: Path, pages: Pages, port: int
) -> None:
    assert "/a" in by_path(tmp_path, port)
    pages.at["/a"] = Answer(b"", "403 Forbidden")
    assert "/a" not in by_path(tmp_path, port)
    pages.at["/"] = Answer(b"", "401 Unauthorized")
    assert code_of(lambda: by_path(tmp_path, port)) == "source_unavailable"
    pages.at["/"] = moved("/login")
    pages.at["/login"] = page(title="Вход")
    assert code_of(lambda: by_path(tmp_path, port)) == "source_login_page"


def test_a_page_that_never_worked_stops_removals_for_a_while_only(
    tmp_path: Path, pages: Pages, port: int
) -> None:
    pages.at["/a"] = Answer(b"", "500 Error")
    assert code_of(lambda: by_path(tmp_path, port)) == "source_pages_unavailable"
    assert by_path(tmp_path, port)["/a"].problem == "source_page_unavailable"


def test_limits_end_the_pass_and_never_shorten_it(tmp_path: Path, pages: Pages, port: int) -> None:
    pages.at["/"] = page(*[f"/p{number}" for number in range(30)])
    for number in range(30):
        pages.at[f"/p{number}"] = page(f"/q{number}", title=f"P{number}")
        pages.at[f"/q{number}"] = page(title=f"Q{number}")
    assert code_of(lambda: by_path(tmp_path, port, max_pages=20)) == "source_too_large"
    assert len(by_path(tmp_path, port, depth=1)) == 31
    found = by_path(tmp_path, port, include=("p*",), exclude=("q1*",))
    assert set(found) == {f"/p{number}" for number in range(30)}
    assert "/q1" not in pages.fetched[-62:]


def test_other_types_are_left_out(tmp_path: Path, pages: Pages, port: int) -> None:
    pages.at["/"] = page("/a.zip", "/b.docx", "/c.txt")
    pages.at["/a.zip"] = Answer(b"PK", headers={"Content-Type": "application/zip"})
    mime = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    pages.at["/b.docx"] = Answer(b"PK", headers={"Content-Type": mime})
    pages.at["/c.txt"] = Answer(
        "Тариф".encode("cp1251"), headers={"Content-Type": "text/plain; charset=cp1251"}
    )
    assert set(by_path(tmp_path, port)) == {"/", "/b.docx", "/c.txt"}
    assert set(by_path(tmp_path, port, content_types=("text/plain",))) == {"/c.txt"}


def test_letters_are_those_that_the_header_says(tmp_path: Path, pages: Pages, port: int) -> None:
    body = "<html><title>Тариф</title><body>Комиссия 500 тенге</body></html>".encode("cp1251")
    pages.at["/a"] = Answer(body, headers={"Content-Type": "text/html; charset=windows-1251"})
    reading = connector(tmp_path, port)
    list(reading.list())
    assert "Комиссия 500 тенге" in reading.read(f"http://127.0.0.1:{port}/a", 10_000).decode("utf-8-sig")


def test_it_says_who_it_is_and_sends_nothing_else(tmp_path: Path, pages: Pages, port: int) -> None:
    pages.at["/a"] = page()
    pages.at["/a"].headers["Set-Cookie"] = "session=1"  # type: ignore[union-attr]
    by_path(tmp_path, port)
    assert all(environ["HTTP_USER_AGENT"].startswith("Countersign/") for environ in pages.environs)
    sent = {name for environ in pages.environs for name in environ if name.startswith("HTTP_")}
    assert sent <= {"HTTP_HOST", "HTTP_USER_AGENT", "HTTP_ACCEPT", "HTTP_ACCEPT_ENCODING", "HTTP_CONNECTION"}


# -- where it never goes --------------------------------------------------------------------------------------------
def test_this_machine_is_not_read_unless_it_is_named(tmp_path: Path, pages: Pages, port: int) -> None:
    for private in (None, ("localhost",)):
        call = connector(tmp_path, port, allow_private_hosts=private).list
        assert code_of(lambda call=call: list(call())) == "source_address_refused"
    assert pages.asked == []


def test_a_redirect_into_the_inner_network_is_not_followed(tmp_path: Path, pages: Pages, port: int) -> None:
    """The second host is on the list, but may not be private."""
    pages.at["/a"] = moved(f"http://localhost:{port}/hr/x")
    pages.at["/hr/x"] = page(title="Inner")
    refused = code_of(lambda: by_path(tmp_path, port, hosts=(f"localhost:{port}",)))
    assert refused == "source_address_refused"
    assert "/hr/x" not in pages.asked


def test_a_name_that_changes_its_address_is_connected_to_as_it_was_judged(
    tmp_path: Path, pages: Pages, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that answers differently the second time changes nothing: it is asked once a request."""
    asked: list[str] = []
    plain = socket.getaddrinfo

    def rebinding(host: Any, *more: Any, **named: Any) -> Any:
        if host != "portal.test":
            return plain(host, *more, **named)
        asked.append(host)
        address = "127.0.0.1" if len(asked) % 2 else "127.0.0.2"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(web_address.socket, "getaddrinfo", rebinding)
    settings = SourceSettings(
        name="portal",
        connector="web",
        url=f"http://portal.test:{port}/",
        rights_rules=ALL,
        options={"allow_private_hosts": ("portal.test",), "delay": timedelta(0), "depth": 0},
    )
    one = WebConnector(settings, Surroundings(tmp_path, ("bank",), tmp_path / "cache"))
    with pytest.raises(SourceError):
        list(one.list())  # the second request went to 127.0.0.2, where nobody listens
    assert len(pages.asked) >= 1
    assert len(asked) >= 2


@pytest.mark.parametrize(
    ("address", "open_net", "inner_net"),
    [
        ("93.184.216.34", True, True),
        ("2606:2800:220:1::1", True, True),
        ("10.1.2.3", False, True),
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("fd12::1", False, True),
        ("100.64.1.1", False, True),
        ("::ffff:10.0.0.1", False, True),
        ("64:ff9b::a00:1", False, True),
        ("2002:7f00:1::", False, True),
        ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("fe80::1", False, False),
        ("fd00:ec2::254", False, False),
        ("100.100.100.200", False, False),
        ("0.0.0.0", False, False),
        ("::", False, False),
        ("224.0.0.1", False, False),
        ("ff02::1", False, False),
        ("255.255.255.255", False, False),
        ("240.0.0.1", False, False),
    ],
)
def test_which_addresses_are_connected_to(address: str, open_net: bool, inner_net: bool) -> None:
    judged = ipaddress.ip_address(address)
    assert (may_connect(judged, private=False), may_connect(judged, private=True)) == (open_net, inner_net)


@pytest.mark.parametrize(
    ("said", "made"),
    [
        ("HTTP://Example.KZ:80/a/../b/./c#top", "http://example.kz/b/c"),
        ("http://x.kz", "http://x.kz/"),
        ("http://x.kz/%7Ea%2Db%e4", "http://x.kz/~a-b%E4"),
        ("http://x.kz/Тариф тест", "http://x.kz/%D0%A2%D0%B0%D1%80%D0%B8%D1%84%20%D1%82%D0%B5%D1%81%D1%82"),
        ("http://қаз.kz/", "http://xn--80ao21a.kz/"),
        ("http://x.kz/a;jsessionid=77?utm_source=y&id=3", "http://x.kz/a?id=3"),
        ("http://x.kz/a//b", "http://x.kz/a//b"),
        ("http://x.kz/public/%2e%2e/hr/x", None),
        ("http://x.kz/public/..%2fhr/x", None),
        ("http://x.kz/public/%252e%252e/hr", None),
        ("http://x.kz/public%252fhr", None),
        ("http://x.kz/hr/..;/public", None),
        ("http://x.kz/a\\..\\hr", None),
        ("http://x.kz/a%5chr", None),
        ("http://x.kz/a%00b", None),
        ("http://user:pass@x.kz/", None),
        ("ftp://x.kz/", None),
        ("file:///etc/passwd", None),
        ("http://[::1", None),
        ("http://x.kz:99999/", None),
        ("http://x.kz/" + "a" * 2000, None),
    ],
)
def test_an_address_has_one_form_or_none(said: str, made: str | None) -> None:
    assert normal(said) == made
    if made:
        assert normal(made) == made


@given(st.text(max_size=60), st.text(max_size=20))
def test_no_address_however_strange_has_two_forms_or_climbs(path: str, host: str) -> None:
    for said in (f"http://x.kz/{path}", f"http://{host}/{path}", path):
        made = normal(said, "http://x.kz/public/a")
        assert made is None or (normal(made) == made and "/../" not in made)


def test_a_site_that_begins_with_https_is_not_left_for_http() -> None:
    site = Site.of("portal", "https://x.kz/", ("y.kz", "z.kz:8443"), ())
    allowed = ["https://x.kz/a", "https://y.kz/", "https://z.kz:8443/"]
    refused = [
        "http://x.kz/a",
        "https://x.kz:8443/",
        "https://z.kz/",
        "https://evilx.kz/",
        "https://x.kz.evil/",
    ]
    assert all(site.allows(url) for url in allowed)
    assert not any(site.allows(url) for url in refused)
    assert site.rule_path("https://y.kz/hr/x") == "y.kz/hr/x"
    for wrong in ("ftp://x.kz", "https://u:p@x.kz/", "x.kz"):
        assert code_of(lambda wrong=wrong: Site.of("portal", wrong, (), ())) == "config_invalid"


def test_an_id_of_another_site_is_not_read(tmp_path: Path, pages: Pages, port: int) -> None:
    reading = connector(tmp_path, port)
    for strange in (
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        f"http://localhost:{port}/a",
    ):
        assert code_of(lambda strange=strange: reading.read(strange, 1_000)) == "source_file_gone"
    assert pages.asked == []


@given(st.text(max_size=300))
def test_no_page_however_broken_stops_the_reading(text: str) -> None:
    for body in (text, f"<a href='{text}'>", f"<!--{text}", f"<script>{text}", f'<p title="{text}'):
        read = read_page(body.encode("utf-8", "replace"), "", "http://x.kz/")
        assert all(normal(link) == link for link in read.links)


def test_a_page_made_to_be_slow_is_not() -> None:
    """Each of these takes minutes in a reader that looks for an end which is never there, again and again."""
    for piece in ("<!--", "<a '", '<a "', "<script>", "</", "<!", "<a b=", "<p " + "a " * 50, "&", "<title>"):
        read_page((piece * 200_000).encode(), "", "http://x.kz/")
