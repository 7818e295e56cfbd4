"""One canonical reading of untrusted text, with a map back to the raw characters.

Three strengths:

* `clean` removes what no reader can see and what only imitates ordinary letters. Its result goes on to people and models.
* `canonical` adds NFKC and keeps a map of offsets into the raw text. Detectors match on it.
* `readings` adds what hides in encodings (base64, Unicode tags, spaced letters). Detectors only.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from dataclasses import dataclass
from functools import cache

# Format characters (Cf), variation selectors, fillers that render as nothing, controls other than tab and line ends,
# noncharacters and lone surrogates. Written out because a scan of all of Unicode at start-up costs 300 ms.
_INVISIBLE_CLASS = (
    "\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891"
    "\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ud800-\udfff"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
INVISIBLE = re.compile(f"[{_INVISIBLE_CLASS}]")
_TAG_RUN = re.compile("[\U000e0020-\U000e007e]+")
_BASE64_RUN = re.compile(r"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{16,4096}={0,2}(?![A-Za-z0-9+/_=-])")
_SPACED_LETTERS = re.compile(r"(?<!\w)(?:[^\W\d_][ .\-_*·]){4,}[^\W\d_](?!\w)")
_NON_ASCII = re.compile(r"[^\x00-\x7f]")
_WORD = re.compile(r"[^\W\d_]+")
# Both alphabets in one word. Each word is tried once, at its start, and nothing is given back: linear in the text.
_MIXED_WORD = re.compile(
    r"(?<![^\W\d_])[^\W\d_A-Za-z\u0400-\u052f]*+"
    r"(?:[A-Za-z][^\W\d_\u0400-\u052f]*+[\u0400-\u052f]|[\u0400-\u052f][^\W\d_A-Za-z]*+[A-Za-z])"
)
_ABBREVIATION_WITH_ENDING = re.compile("[A-Z]{2,}[\u0430-\u044f\u0451\u0456\u0493-\u04e9]{2,}")
_STYLES = ("<wide>", "<narrow>", "<font>", "<circle>", "<square>", "<noBreak>")

_CYRILLIC = "асеһорхукіјѕԛԝһүАВЕЅІЈКМНОРСТХУԚԜҮ"
_LATIN = "acehopxykijsqwhyABESIJKMHOPCTXYQWY"
TO_LATIN = str.maketrans(_CYRILLIC, _LATIN)
TO_CYRILLIC = str.maketrans("aceopxyiABEIKMHOPCTXY", "асеорхуіАВЕІКМНОРСТХУ")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """`text` as it goes on, and what had to be done to get it."""

    text: str
    invisible: int = 0
    hidden: str = ""
    """What Unicode tag characters spelled."""
    mixed_words: int = 0
    styled: int = 0


@dataclass(frozen=True, slots=True)
class Canonical:
    """`offsets[i]` is where in the raw text character `i` of `text` came from; one more entry marks the end."""

    text: str
    offsets: tuple[int, ...]

    def raw_span(self, start: int, end: int) -> tuple[int, int]:
        """The raw span behind `text[start:end]`; what was dropped at its end belongs to it."""
        return self.offsets[start], self.offsets[end]


def clean(raw: str) -> Cleaned:
    """Remove the invisible, replace styled imitations of ordinary characters, fold mixed-script words. Idempotent."""
    if raw.isascii() and not INVISIBLE.search(raw):
        return Cleaned(raw)
    hidden = "".join(_tag_text(run) for run in _TAG_RUN.findall(raw))
    visible, invisible = INVISIBLE.subn("", raw)
    composed = unicodedata.normalize("NFC", visible)
    plain = composed.translate(plain_table())
    styled = sum(a != b for a, b in zip(composed, plain, strict=False)) if plain != composed else 0
    text, mixed = fold_mixed_script(unicodedata.normalize("NFC", plain))
    while (again := fold_mixed_script(unicodedata.normalize("NFC", text))[0]) != text:
        text = again
    return Cleaned(text, invisible, hidden, mixed, styled)


def canonical(raw: str) -> Canonical:
    """NFKC of the visible text, cluster by cluster, so that every character knows where it came from."""
    if raw.isascii() and not INVISIBLE.search(raw):
        return Canonical(raw, tuple(range(len(raw) + 1)))
    pieces: list[str] = []
    offsets: list[int] = []
    for start, cluster in _clusters(raw):
        if piece := unicodedata.normalize("NFKC", cluster):
            pieces.append(piece)
            offsets.extend([start] * len(piece))
    text = "".join(pieces)
    folded, _ = fold_mixed_script(text)
    return Canonical(folded if len(folded) == len(text) else text, (*offsets, len(raw)))


def readings(raw: str, *, decode: bool = True) -> tuple[str, ...]:
    """The texts that a detector should look at: the canonical one first, then whatever was hidden in it."""
    view = _canonical_text(raw)
    found = [view]
    if not raw.isascii():
        found.extend(_tag_text(run) for run in _TAG_RUN.findall(raw))
    if _SPACED_LETTERS.search(view):
        found.append(_SPACED_LETTERS.sub(lambda m: m.group()[::2], view))
    if decode:
        found.extend(decoded_base64(view))
    return tuple(found)


def decoded_base64(text: str) -> list[str]:
    """Readable UTF-8 found inside base64 runs of `text`, in order."""
    found: list[str] = []
    for run in _BASE64_RUN.findall(text):
        body = run.rstrip("=").replace("-", "+").replace("_", "/")
        try:
            decoded = base64.b64decode(body + "=" * (-len(body) % 4), validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            continue
        if decoded and sum(c.isprintable() or c.isspace() for c in decoded) >= 0.95 * len(decoded):
            found.append(decoded)
    return found


def fold_mixed_script(text: str) -> tuple[str, int]:
    """Words holding both Latin and Cyrillic letters, written wholly in the alphabet that most of them use.

    A word is left alone when a letter has no look-alike in the other alphabet ("IPфон"), or when it is an
    abbreviation with a case ending ("XLSXке"). Lengths never change. Returns the text and how many words changed.
    """
    if text.isascii() or not _MIXED_WORD.search(text):
        return text, 0
    changed = 0

    def fold(match: re.Match[str]) -> str:
        nonlocal changed
        word = match.group()
        folded = _fold_word(word)
        changed += folded != word
        return folded

    return _WORD.sub(fold, text), changed


def matching_view(text: str) -> str:
    """`text` with each character replaced by exactly one plain character, for matchers that need equal lengths.

    Digits of every script become 0-9, dashes `-`, spaces a space; combining marks become NUL (to be skipped).
    """
    return text if text.isascii() else text.translate(_view_table())


@cache
def plain_table() -> dict[int, str | int]:
    """For `str.translate`: styled imitations of ordinary characters become those, one character at a time."""
    return _PlainTable()


def _fold_word(word: str) -> str:
    if word.isascii():
        return word
    latin = sum(_is_latin(c) for c in word)
    cyrillic = sum("\u0400" <= c <= "\u052f" for c in word)
    if not latin or not cyrillic or _ABBREVIATION_WITH_ENDING.fullmatch(word):
        return word
    target, strange = (TO_LATIN, _is_cyrillic) if latin >= cyrillic else (TO_CYRILLIC, _is_latin)
    folded = word.translate(target)
    return word if any(strange(c) for c in folded) else folded


def _is_latin(c: str) -> bool:
    return "a" <= c <= "z" or "A" <= c <= "Z"


def _is_cyrillic(c: str) -> bool:
    return "\u0400" <= c <= "\u052f"


def _canonical_text(raw: str) -> str:
    """The text of `canonical` without its map, which costs ten times as much."""
    if raw.isascii():
        return INVISIBLE.sub("", raw)
    return fold_mixed_script(unicodedata.normalize("NFKC", INVISIBLE.sub("", raw)))[0]


def _clusters(raw: str) -> list[tuple[int, str]]:
    """(offset, base character with its combining marks) without the invisible ones."""
    clusters: list[tuple[int, str]] = []
    for at, c in enumerate(raw):
        if not c.isascii() or c < " ":
            if INVISIBLE.match(c):
                continue
            if clusters and unicodedata.combining(c):
                start, cluster = clusters[-1]
                clusters[-1] = (start, cluster + c)
                continue
        clusters.append((at, c))
    return clusters


def _tag_text(run: str) -> str:
    return "".join(chr(ord(c) - 0xE0000) for c in run)


class _PlainTable(dict[int, str | int]):
    """Styled imitation → ordinary characters; found out per character on first sight."""

    def __missing__(self, code: int) -> str | int:
        c = chr(code)
        styled = unicodedata.decomposition(c).startswith(_STYLES) or 0xFB00 <= code <= 0xFB06
        plain: str | int = unicodedata.normalize("NFKC", c) if styled else code
        self[code] = plain
        return plain


class _ViewTable(dict[int, str | int]):
    """Any character → exactly one plain character."""

    def __missing__(self, code: int) -> str | int:
        self[code] = view = _view_of(chr(code))
        return view


def _view_of(c: str) -> str:
    category = unicodedata.category(c)
    if category in ("Mn", "Me", "Cf"):
        return "\0"
    digit = unicodedata.digit(c, None)
    if digit is not None:
        return str(digit)
    if category == "Pd" or c == "−":
        return "-"
    if category == "Zs":
        return " "
    folded = unicodedata.normalize("NFKC", c)
    return folded if len(folded) == 1 else c


@cache
def _view_table() -> _ViewTable:
    return _ViewTable()
