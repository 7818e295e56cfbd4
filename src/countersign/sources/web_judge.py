"""Whether what a server sent is the page that was asked for. Servers say "sign in" and "not found" with status 200."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from hashlib import sha256
from urllib.parse import urlsplit

from countersign.sources.error_page import looks_html
from countersign.sources.web_cache import Kept
from countersign.sources.web_fetch import Reply
from countersign.sources.web_page import is_login, read_page

HTML = ("text/html", "application/xhtml+xml")
_FILE_ENDINGS = frozenset(
    [
        ".pdf",
        ".doc",
        ".docx",
        ".xls",
        ".xlsx",
        ".ppt",
        ".pptx",
        ".odt",
        ".ods",
        ".odp",
        ".rtf",
        ".csv",
        ".txt",
        ".md",
        ".zip",
        ".xml",
        ".json",
        ".msg",
        ".eml",
        ".epub",
        ".tif",
        ".tiff",
        ".png",
        ".jpg",
        ".jpeg",
    ]
)
ERROR_PAGE = "source_error_page"
LOGIN_PAGE = "source_login_page"
UNAVAILABLE = "source_page_unavailable"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A page to keep, a reason not to believe what came, or neither: then there is nothing to take in."""

    page: Kept | None = None
    problem: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Judge:
    """`likeness` is that of the page by which a host says that there is none; empty where it uses the status."""

    types: tuple[str, ...]
    likeness: str

    @classmethod
    def of(cls, types: tuple[str, ...], probe: Reply | None) -> Judge:
        """`probe` is the answer to an address that does not exist."""
        if probe is None or probe.problem or probe.status != 200 or probe.redirected:
            return cls(types, "")
        mime, charset = _type(probe)
        if mime not in HTML:
            return cls(types, "")
        return cls(types, read_page(probe.body, charset, probe.url).likeness(probe.url))

    def verdict(self, asked: str, reply: Reply) -> Verdict:
        if reply.redirected and is_login(reply.url) and not is_login(asked):
            return Verdict(problem=LOGIN_PAGE)
        if reply.problem:
            return Verdict(problem=reply.problem)
        if reply.status != 200:
            return Verdict(problem=UNAVAILABLE)
        mime, charset = _type(reply)
        is_html = mime in HTML or (mime in ("", "text/plain") and looks_html(reply.body))
        if is_html:
            return self._page(asked, reply, charset)
        if looks_html(reply.body):
            return Verdict(problem=ERROR_PAGE)
        if not any(fnmatchcase(mime, pattern) for pattern in self.types) or "noindex" in _robots(reply):
            return Verdict()
        digest = sha256(reply.body).hexdigest()[:32]
        return Verdict(_kept(reply, mime, digest), body=reply.body)

    def _page(self, asked: str, reply: Reply, charset: str) -> Verdict:
        page = read_page(reply.body, charset, reply.url)
        moved = reply.redirected and page.asks_for_password
        alike = bool(self.likeness) and page.likeness(reply.url) == self.likeness
        if moved or (alike and page.asks_for_password):
            return Verdict(problem=LOGIN_PAGE)
        ending = posixpath.splitext(urlsplit(asked).path.lower())[1]
        if alike or page.is_error() or ending in _FILE_ENDINGS:
            return Verdict(problem=ERROR_PAGE)
        said = _robots(reply)
        wanted = any(fnmatchcase(HTML[0], pattern) for pattern in self.types)
        return Verdict(
            replace(
                _kept(reply, HTML[0], page.digest),
                links=() if page.nofollow or "nofollow" in said else page.links,
                canonical=page.canonical,
                noindex=page.noindex or "noindex" in said or not wanted,
            ),
            body=_as_utf8(reply.body, charset),
        )


def _as_utf8(body: bytes, charset: str) -> bytes:
    """The header's word on letters is lost with the header: the body says it itself, by a mark that all parsers obey."""
    if charset.lower() in ("", "utf-8", "utf8"):
        return body
    try:
        return body.decode(charset).encode("utf-8-sig")
    except (LookupError, UnicodeDecodeError):
        return body


def _type(reply: Reply) -> tuple[str, str]:
    """(type, charset) as the header says them."""
    mime, _, rest = reply.header("content-type").partition(";")
    charset = re.search(r"(?i)charset\s*=\s*[\"']?([\w-]+)", rest)
    return mime.strip().lower(), charset[1] if charset else ""


def _robots(reply: Reply) -> set[str]:
    """Of `X-Robots-Tag`, what is said to everybody or to us; `none` is both."""
    words: set[str] = set()
    for part in reply.header("x-robots-tag").casefold().split(","):
        agent, _, rule = part.strip().rpartition(":")
        if agent.strip() in ("", "countersign"):
            words.add(rule.strip())
    return words | {"noindex", "nofollow"} if "none" in words else words


def _kept(reply: Reply, mime: str, digest: str) -> Kept:
    etag, changed = reply.header("etag")[:500], reply.header("last-modified")[:100]
    return Kept(reply.url, etag, changed, mime, digest, len(reply.body))
