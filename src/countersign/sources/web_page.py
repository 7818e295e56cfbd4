"""What an HTML page says to who fetches it: links, its canonical address, whether it wants to be kept; and whether it is
a page at all, or a server's way of saying that there is none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from html import unescape

from countersign.sources.error_page import error_words
from countersign.sources.web_address import normal

_MAX_LINKS = 20_000
_MAX_TEXT = 200_000
_UNREAD = frozenset(("script", "style", "noscript", "template", "svg"))
_RAW = frozenset(("script", "style", "textarea", "title", "template", "noscript", "svg"))
"""Tags inside which nothing is markup, or nothing is read."""
_MARKUP = re.compile(
    r"<!--(?s:.*?)(?:-->|\Z)|<[!?][^>]*+(?:>|\Z)"
    r"|<(?P<end>/?)(?P<tag>[a-zA-Z][^\s/>]*+)(?P<attributes>(?:[^>\"']++|\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z))*+)(?:>|\Z)"
)
_ATTRIBUTE = re.compile(r"([^\s=/>\"']++)(?:\s*+=\s*+(?:\"([^\"]*+)\"?|'([^']*+)'?|([^\s>\"']++)))?")
_MAX_ATTRIBUTES = 20_000
_MAX_DEPTH = 100
_IGNORED_TAGS = frozenset(("script", "link", "style", "noscript"))
_CHANGING = re.compile(r"(?i)nonce|.*csrf.*|.*token.*|integrity|data-(?:time|request|trace).*")
_LOGIN_PATH = re.compile(
    r"(?i)(?:^|[/_.-])(?:log-?in|sign-?in|logon|auth|sso|adfs|saml2?|oauth2?|cas)(?:[/_.?-]|$)"
)
CHARSET = re.compile(rb"(?i)<meta[^>]{0,200}charset\s*=\s*[\"']?([\w-]{2,30})")


@dataclass(frozen=True, slots=True)
class Page:
    heads: tuple[str, ...]
    """Its title and its main headings, where they say anything."""
    text: str
    """What a reader sees, on one line."""
    links: tuple[str, ...]
    """Normal addresses, in order, each once."""
    canonical: str
    noindex: bool
    nofollow: bool
    asks_for_password: bool
    digest: str
    """Of everything but what changes at every request: nonces, tokens, scripts."""

    def is_error(self) -> bool:
        return bool(error_words(self.heads, self.text))

    def likeness(self, url: str) -> str:
        """The same for pages that differ only in the address and the numbers that they repeat."""
        last = url.rstrip("/").rpartition("/")[2]
        return sha256(re.sub(r"\d+", "", self.text.replace(url, "").replace(last, "")).encode()).hexdigest()


def is_login(url: str) -> bool:
    return _LOGIN_PATH.search(url.partition("://")[2].partition("/")[2]) is not None


def read_page(body: bytes, charset: str, url: str) -> Page:
    """Whatever cannot be read is left out; nothing raises."""
    reading = _Reading(url)
    reading.feed(_decoded(body, charset))
    return reading.page()


def _decoded(body: bytes, charset: str) -> str:
    said = charset
    if not said and (match := CHARSET.search(body[:4096])):
        said = match[1].decode("ascii")
    try:
        return body.decode(said or "utf-8", "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


def _tokens(html: str) -> Iterator[tuple[str, str, str]]:
    """(`text`, what, ""), (`open`, tag, attributes) or (`close`, tag, ""), in one walk over the text: what is never
    closed ends at the end, so that no page however broken is walked twice."""
    at = 0
    while at < len(html):
        found = _MARKUP.search(html, at)
        yield "text", html[at : found.start() if found else len(html)], ""
        if found is None:
            return
        at = found.end()
        if tag := (found["tag"] or "").lower():
            yield ("close" if found["end"] else "open"), tag, (found["attributes"] or "")[:_MAX_ATTRIBUTES]
            if tag in _RAW and not found["end"]:
                start, at = at, _end_of(html, tag, at)
                yield "text", html[start:at], ""


def _end_of(html: str, tag: str, at: int) -> int:
    end = re.compile(f"</{tag}", re.I).search(html, at)
    return end.start() if end else len(html)


def _attributes(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(text):
        value = next((value for value in match.groups()[1:] if value is not None), "")
        found.setdefault(match[1].lower(), unescape(value))
    return found


class _Reading:
    def __init__(self, url: str) -> None:
        self._base = url
        self._inside: list[str] = []
        self._texts: dict[str, list[str]] = {"title": [], "h1": []}
        self._text: list[str] = []
        self._chars = 0
        self._links: dict[str, None] = {}
        self._canonical = ""
        self._robots = ""
        self._password = False
        self._digest = sha256()

    def feed(self, html: str) -> None:
        for kind, what, attributes in _tokens(html):
            if kind == "text":
                self._data(unescape(what))
            elif kind == "open":
                self._open(what, _attributes(attributes))
            else:
                self._close(what)

    def page(self) -> Page:
        heads = (" ".join(" ".join(said).split())[:500] for said in self._texts.values())
        rules = {word.strip() for word in self._robots.casefold().split(",")}
        return Page(
            heads=tuple(head for head in heads if head),
            text=" ".join("".join(self._text).split()),
            links=tuple(self._links),
            canonical=self._canonical,
            noindex=bool(rules & {"noindex", "none"}),
            nofollow=bool(rules & {"nofollow", "none"}),
            asks_for_password=self._password,
            digest=self._digest.hexdigest()[:32],
        )

    def _open(self, tag: str, said: dict[str, str]) -> None:
        self._note(tag, said)
        if tag in _UNREAD or tag in self._texts:
            self._inside = [*self._inside[-_MAX_DEPTH:], tag]
        if tag == "base" and (base := normal(said.get("href", ""), self._base)):
            self._base = base
        elif tag in ("a", "area", "iframe", "frame"):
            self._link(said)
        elif tag == "link" and "canonical" in said.get("rel", "").casefold().split() and not self._canonical:
            self._canonical = normal(said.get("href", ""), self._base) or ""
        elif tag == "meta" and said.get("name", "").casefold() in ("robots", "countersign"):
            self._robots += f",{said.get('content', '')}"
        elif tag == "input" and said.get("type", "").casefold() == "password":
            self._password = True

    def _close(self, tag: str) -> None:
        if tag in self._inside:
            while self._inside.pop() != tag:
                pass
        if tag not in _IGNORED_TAGS:
            self._digest.update(f"</{tag}>".encode())

    def _data(self, data: str) -> None:
        if any(tag in _UNREAD for tag in self._inside):
            return
        self._digest.update(data.encode("utf-8", "replace"))
        if self._inside and self._inside[-1] in self._texts:
            self._texts[self._inside[-1]].append(data[:500])
        if self._chars < _MAX_TEXT:
            self._text += [data, " "]
            self._chars += len(data)

    def _link(self, said: dict[str, str]) -> None:
        target = said.get("href") or said.get("src") or ""
        if "nofollow" in said.get("rel", "").casefold().split() or len(self._links) >= _MAX_LINKS:
            return
        if target and not target.startswith("#") and (link := normal(target, self._base)):
            self._links.setdefault(link)

    def _note(self, tag: str, said: dict[str, str]) -> None:
        """Into the digest goes what a parser may look at, styles included: they hide text."""
        if tag in _IGNORED_TAGS or (tag == "meta" and _CHANGING.fullmatch(said.get("name", ""))):
            return
        kept = {name: value for name, value in said.items() if not _CHANGING.fullmatch(name)}
        if tag == "input":
            kept.pop("value", None)
        self._digest.update(f"<{tag} {sorted(kept.items())}>".encode("utf-8", "replace"))
