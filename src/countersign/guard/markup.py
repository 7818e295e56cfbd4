"""What would act when an answer is rendered: character references, HTML tags, Markdown images and links, addresses.

Each class is one stage of the output filter. The order matters and is fixed in `output.py`: what a stage joins by
removing something is seen by all later ones, and later stages only put inert text where something was.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Final

from countersign.guard.literals import FixedStrings
from countersign.guard.normalise import INVISIBLE, plain_table
from countersign.guard.personal import Token, find_in_word
from countersign.guard.streams import Notice, Rewriter

MAX_LINK_CHARS: Final = 2_048
IMAGE_NOTE: Final = "{image removed}"
WITHHELD_NOTE: Final = "{withheld}"
_COMBINING: Final = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_MARKS_ON_DIGITS: Final = re.compile(rf"(?<=\d)[{_COMBINING}]+")


class Hosts:
    """Which hosts may stay active: exact names, or `*.example.kz` for its subdomains."""

    _AUTHORITY = re.compile(r"([a-z0-9](?:[a-z0-9.\-]*[a-z0-9])?)(?::\d{1,5})?", re.IGNORECASE)
    _LINK = re.compile(r"https?://([^\s/\\?#]+)([/?#][^\s\\]*)?", re.IGNORECASE)

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        names = [name.strip().lower() for name in allowed if name.strip()]
        self._exact = frozenset(name for name in names if not name.startswith("*."))
        self._parents = tuple(name[1:] for name in names if name.startswith("*."))

    def __bool__(self) -> bool:
        return bool(self._exact or self._parents)

    def allow(self, authority: str) -> bool:
        """`authority` is `host` or `host:port`; anything else (user names, other characters) is not allowed."""
        match = self._AUTHORITY.fullmatch(authority)
        if not match or not self:
            return False
        host = match.group(1).lower()
        return host in self._exact or host.endswith(self._parents or ("\n",))

    def allow_link(self, destination: str) -> bool:
        """True for `http(s)://` addresses of an allowed host that hold no second address."""
        match = self._LINK.fullmatch(destination)
        return bool(match and self.allow(match.group(1)) and "://" not in (match.group(2) or ""))


class Visible:
    """Drops invisible characters and marks that hide digits, replaces styled letters (full-width, mathematical) by
    ordinary ones, and turns the datamark character back into a space."""

    def __init__(self, notice: Notice, datamark: str = "") -> None:
        self._notice = notice
        self._datamark = datamark
        self._last = ""

    def feed(self, text: str) -> str:
        if self._datamark:
            text = text.replace(self._datamark, " ")
        if text.isascii() and not INVISIBLE.search(text):
            self._last = text[-1:] or self._last
            return text
        visible, removed = INVISIBLE.subn("", text)
        for _ in range(removed):
            self._notice("output_invisible_characters", "")
        visible = visible.translate(plain_table())
        seen = _MARKS_ON_DIGITS.sub("", self._last + visible)[len(self._last) :]
        self._last = seen[-1:] or self._last
        return seen

    def finish(self) -> str:
        return ""


class Entities(Rewriter):
    """Decodes character references once, so that an address or a number cannot hide in them."""

    trigger = re.compile("&")
    _WINDOW = 12
    _REFERENCE = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8});")
    _STILL_OPEN = re.compile(r"&#?[0-9A-Za-z]*")
    _KEPT = frozenset("&\\")

    def resolve(self, text: str, at: int, final: bool) -> tuple[str, int] | None:
        window = text[at : at + self._WINDOW]
        match = self._REFERENCE.match(window)
        if not match:
            open_end = self._STILL_OPEN.fullmatch(window) and len(window) < self._WINDOW and not final
            return None if open_end else ("&", at + 1)
        reference = match.group()
        decoded = html.unescape(reference)
        if decoded == reference or decoded in self._KEPT:
            return reference, at + match.end()
        self.notice("entity_decoded", reference)
        return (" " if INVISIBLE.search(decoded) else decoded), at + match.end()


class Tags(Rewriter):
    """Removes HTML tags and defuses every other `<` that a parser could take for the start of one."""

    trigger = re.compile("<")
    _OPENS = re.compile(r"<[A-Za-z/!?<]")
    _AUTOLINK = re.compile(r"<([A-Za-z][A-Za-z0-9+.\-]{1,31}:[^\s<>]*|[^\s<>@]+@[^\s<>@]+)>")
    _TAG = re.compile(
        r"<(?:!--[^>]*|!doctype[^>]*|\?[^>]*|/?(?:a|abbr|address|area|article|aside|audio|b|base|bdi|bdo|big|blockquote|"
        r"body|br|button|canvas|caption|center|cite|code|col|colgroup|data|datalist|dd|del|details|dfn|dialog|div|dl|"
        r"dt|em|embed|fieldset|figcaption|figure|font|footer|form|frame|frameset|g|h[1-6]|head|header|hr|html|i|iframe|"
        r"image|img|input|ins|kbd|label|legend|li|link|main|map|mark|marquee|math|menu|meta|meter|nav|noscript|object|"
        r"ol|optgroup|option|output|p|param|passage|path|picture|pre|progress|q|question|rp|rt|ruby|s|samp|script|"
        r"section|select|slot|small|source|span|strike|strong|style|sub|summary|sup|svg|table|tbody|td|template|"
        r"textarea|tfoot|th|thead|time|title|tr|track|tt|u|ul|use|var|video|wbr|xml)(?:\s*/?|[\s/][^>]*=[^>]*))>",
        re.IGNORECASE,
    )

    def __init__(self, notice: Notice, strings: FixedStrings) -> None:
        super().__init__(notice)
        self._strings = strings

    def resolve(self, text: str, at: int, final: bool) -> tuple[str, int] | None:
        window = text[at : at + MAX_LINK_CHARS]
        if len(window) < 2:
            return ("<", at + 1) if final else None
        if not self._OPENS.match(window):
            return "<", at + 1
        close = -1 if window[1] == "<" else window.find(">")
        if close < 0 and window[1] != "<" and len(window) < MAX_LINK_CHARS and not final:
            return None
        inside = window[: close + 1]
        if link := self._AUTOLINK.fullmatch(inside):
            return link.group(1), at + close + 1
        if self._TAG.fullmatch(inside):
            if self._strings.occurs_in(inside):
                # Not removed, so that the next stage sees the secret and stops; but no tag any more.
                return inside[1:].replace("<", "< "), at + close + 1
            self.notice("html_removed", inside)
            return "", at + close + 1
        self.notice("html_defused", "")
        return "< ", at + 1


class Links(Rewriter):
    """Takes the link form from Markdown links and removes Markdown images, unless their host is allowed."""

    trigger = re.compile(r"[!\]]")
    _DESTINATION = re.compile(r"\(([^\s()<>]*)\)")

    def __init__(self, notice: Notice, hosts: Hosts, image_note: str = IMAGE_NOTE) -> None:
        super().__init__(notice)
        self._hosts = hosts
        self._image_note = image_note

    def resolve(self, text: str, at: int, final: bool) -> tuple[str, int] | None:
        window = text[at : at + MAX_LINK_CHARS]
        if len(window) < 2:
            return (window, at + 1) if final else None
        if window[0] == "!":
            return self._image(window, at, final) if window[1] == "[" else ("!", at + 1)
        return self._link(window, at, final) if window[1] == "(" else ("]", at + 1)

    def _link(self, window: str, at: int, final: bool) -> tuple[str, int] | None:
        destination = self._DESTINATION.match(window, 1)
        if destination and self._hosts.allow_link(destination.group(1)):
            return "]" + destination.group(), at + destination.end()
        complete = ")" in window or any(c.isspace() for c in window) or len(window) == MAX_LINK_CHARS
        if not (complete or final or not self._hosts):
            return None
        self.notice("link_unlinked", "")
        return "] (", at + 2

    def _image(self, window: str, at: int, final: bool) -> tuple[str, int] | None:
        bracket = window.find("]", 2)
        opening = window[bracket + 1 : bracket + 2] if bracket >= 0 else ""
        close = window.find(")", bracket) if opening == "(" else -1
        if close >= 0:
            inside = window[bracket + 1 : close + 1]
            destination = self._DESTINATION.fullmatch(inside)
            if destination and self._hosts.allow_link(destination.group(1)):
                return window[: close + 1], at + close + 1
            self.notice("image_removed", inside)
            return self._image_note, at + close + 1
        open_end = opening in ("", "(") and len(window) < MAX_LINK_CHARS and not final
        return None if open_end else ("! ", at + 1)


class Words:
    """Looks at each run of characters without spaces: makes addresses inert, redacts e-mail addresses and keys."""

    _SIGNS = re.compile(r"[:/@\\\-_]|www|[A-Z]{4}|\d{2}\w{11}|[^\x00-\x7f]")
    _LAST_SPACE = re.compile(r"\s(?=\S*\Z)")

    def __init__(self, notice: Notice, hosts: Hosts, kinds: frozenset[str], token: Token) -> None:
        self._notice = notice
        self._hosts = hosts
        self._kinds = kinds
        self._token = token
        self._pending = ""
        self._cutting = False

    def feed(self, text: str) -> str:
        return self._run(self._pending + text, final=False)

    def finish(self) -> str:
        return self._run(self._pending, final=True)

    def _run(self, text: str, *, final: bool) -> str:
        out: list[str] = []
        at = 0
        for match in re.finditer(r"\S+", text):
            out.append(text[at : match.start()])
            self._cutting = self._cutting and match.start() == 0
            at = match.start()
            ended = final or match.end() < len(text)
            while match.end() - at > MAX_LINK_CHARS:
                out.append(self._cut(text[at : at + MAX_LINK_CHARS]))
                at += MAX_LINK_CHARS
            if not ended:
                self._pending = text[at:]
                return "".join(out)
            out.append("" if self._cutting else self._word(text[at : match.end()]))
            at = match.end()
        if at < len(text):
            self._cutting = False
        self._pending = ""
        return "".join([*out, text[at:]])

    def _cut(self, piece: str) -> str:
        """A run past the cap: withheld to its end when it begins with an address, otherwise broken by a space."""
        if self._cutting:
            return ""
        self._notice("word_too_long", "")
        if _ADDRESS.search(piece):
            self._cutting = True
            return WITHHELD_NOTE
        return self._word(piece) + " "

    def _word(self, word: str) -> str:
        if not self._SIGNS.search(word):
            return word
        return self._personal(defang(word, self._hosts, self._notice))

    def _personal(self, word: str) -> str:
        out: list[str] = []
        at = 0
        for hit in find_in_word(word):
            if hit.kind in self._kinds:
                self._notice("personal_redacted", hit.kind)
                out += [word[at : hit.start], self._token(hit)]
                at = hit.end
        return "".join([*out, word[at:]])


_NO_NEW_SCHEME: Final = r"(?![A-Za-z][A-Za-z0-9+\-]{0,31}:[/\\]{2})"
_ADDRESS: Final = re.compile(
    rf"([A-Za-z][A-Za-z0-9+\-]{{0,31}}|[^\W\d_]{{1,32}})?:[/\\]{{2,}}((?:{_NO_NEW_SCHEME}[^\s/\\?#])*)",
    re.IGNORECASE,
)
_BARE: Final = (
    re.compile(r"www\.((?!www\.)[^\s/\\?#:])+", re.IGNORECASE),
    re.compile(r"(?<![:/\\])[/\\]{2}[\w\-]+(?:\.[\w\-]+)+"),
    re.compile(
        r"(?<![\w.@\-/])(?:[\w\-]{1,63}\.)+(?:[A-Za-z]{2,24}|xn--[\w\-]+|рф|қаз|бел|рус)(?=[/?#]|:\d)",
        re.IGNORECASE,
    ),
)
"""Without a scheme: what mail and chat programs make clickable on their own."""
_SCRIPT: Final = re.compile(
    r"(javascript|vbscript|data(?=:\S)|(?:https?|ftp|file|blob|wss?)(?=:[^\s/\\])):(?![/\\]{2})",
    re.IGNORECASE,
)
"""Schemes that act without `//`."""
_TRAILING: Final = ".,;:!?)]}»”’\"'*_>|"


def defang(word: str, hosts: Hosts, notice: Notice) -> str:
    """`word` with every address of a host that is not allowed made inert: `hxxps://host[.]tld/path`."""

    def inert(match: re.Match[str]) -> str:
        scheme, authority = match.group(1) or "", match.group(2)
        host = authority.rstrip(_TRAILING)
        web = scheme.lower() in ("http", "https")
        if web and hosts.allow(host):
            return match.group()
        notice("url_defanged", match.group())
        opening = scheme.replace("t", "x").replace("T", "X") + "://" if web else f"{scheme}[:]//"
        return opening + host.replace(".", "[.]") + authority[len(host) :]

    def inert_bare(match: re.Match[str]) -> str:
        if hosts.allow(match.group().rstrip(_TRAILING)):
            return match.group()
        notice("url_defanged", match.group())
        return match.group().replace(".", "[.]")

    def inert_script(match: re.Match[str]) -> str:
        notice("url_defanged", match.group())
        return f"{match.group(1)}[:]"

    word = _ADDRESS.sub(inert, word)
    for pattern in _BARE:
        word = pattern.sub(inert_bare, word)
    return _SCRIPT.sub(inert_script, word)
