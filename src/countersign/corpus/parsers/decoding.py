"""Bytes to text: byte-order mark, strict UTF-8, the charset it declares, then a guess among Cyrillic code pages."""

from __future__ import annotations

import codecs
import os
import re
from collections import Counter
from dataclasses import dataclass

CYRILLIC_PAGES = ("cp1251", "koi8-r", "cp866", "iso8859-5", "mac-cyrillic", "kz1048", "ptcp154")
"""The usual ones first: Russian text is the same bytes in cp1251, kz1048 and ptcp154."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_DECLARED = re.compile(rb"""(?:encoding\s*=\s*["']|charset\s*=\s*["']?)([A-Za-z0-9_.:-]{2,40})""")
_COMMON = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё"
_KAZAKH = frozenset("әғқңөұүһіӘҒҚҢӨҰҮҺІ")
SURE_BYTES = 500


@dataclass(frozen=True, slots=True)
class Decoded:
    """`confidence` 1.0 when the bytes themselves say it, less when guessed."""

    text: str
    encoding: str
    confidence: float


def read_all(source: int, most: int = 256 * 1024 * 1024) -> bytes:
    """All bytes of an open handle, from its start."""
    parts: list[bytes] = []
    at = 0
    while at < most:
        part = os.pread(source, 1 << 20, at)
        if not part:
            break
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def decode(data: bytes, declared: str = "") -> Decoded:
    """Never raises: the last resort replaces what it cannot read."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return Decoded(data.decode(name, "replace").lstrip("\ufeff"), name, 1.0)
    wide = _wide(data)
    if wide:
        return Decoded(data.decode(wide, "replace"), wide, 0.9)
    try:
        return Decoded(data.decode("utf-8"), "utf-8", 1.0)
    except UnicodeDecodeError as error:
        if error.start >= len(data) - 3:  # cut in the middle of a character
            return Decoded(data[: error.start].decode("utf-8"), "utf-8", 0.95)
    named = _named(data, declared)
    if named:
        return named
    return _guess(data)


def _wide(data: bytes) -> str:
    return utf16_order(data[:4000]) if b"\x00" in data[:4000] else ""


def utf16_order(sample: bytes) -> str:
    """`utf-16-le` or `utf-16-be` when bytes without a mark read as ordinary text that way, else ""."""
    even = sample[: len(sample) // 2 * 2]
    for name in ("utf-16-le", "utf-16-be"):
        text = even.decode(name, "replace")
        plain = sum(
            1 for c in text if " " <= c <= "\u024f" or "\u0400" <= c <= "\u052f" or c in "\r\n\t–—«»“”’…№₸"
        )
        if len(text) >= 4 and plain >= 0.95 * len(text):
            return name
    return ""


def _named(data: bytes, declared: str) -> Decoded | None:
    found = _DECLARED.search(data[:2048])
    names = [declared] if declared else []
    if found:
        names.append(found.group(1).decode("ascii"))
    for name in names:
        try:
            codec = codecs.lookup(name)
            if codec.name.startswith(("utf-16", "utf-32", "utf-7")) or not codec._is_text_encoding:
                continue
            text = data.decode(codec.name)
        except (LookupError, UnicodeDecodeError, AttributeError):
            continue
        return Decoded(text, codec.name, 0.97)
    return None


def _guess(data: bytes) -> Decoded:
    sample = data[:20_000]
    high = sum(1 for byte in sample if byte >= 0x80)
    scores = {name: _cyrillic_score(sample, name) for name in CYRILLIC_PAGES}
    name = max(scores, key=scores.__getitem__)  # of equals the first
    best = scores[name]
    if best > 0.55 and high > 0.15 * len(sample):
        sure = 0.9 if len(data) >= SURE_BYTES and best > 0.75 else 0.6
        return Decoded(data.decode(name, "replace"), name, sure)
    western = _by_library(sample)
    if western:
        return Decoded(data.decode(western, "replace"), western, 0.7)
    return Decoded(
        data.decode("cp1251" if best > 0.4 else "cp1252", "replace"),
        "cp1251" if best > 0.4 else "cp1252",
        0.4,
    )


def _cyrillic_score(sample: bytes, name: str) -> float:
    """How much the decoded text looks like Russian or Kazakh: frequent letters, sane case, no stray signs."""
    text = sample.decode(name, "replace")
    strange = [char for char in text if ord(char) >= 0x80]
    if not strange:
        return 0.0
    counts = Counter(char.lower() for char in strange)
    letters = sum(counts[char] for char in _COMMON) + sum(counts[char.lower()] for char in set("ӘҒҚҢӨҰҮҺІ"))
    frequent = sum(counts[char] for char in "оеаинтсрлқы")
    inverted = len(re.findall(r"[а-яёәғқңөұүһі][А-ЯЁӘҒҚҢӨҰҮҺІ]", text))
    return letters / len(strange) * 0.6 + frequent / len(strange) * 0.5 - 3.0 * inverted / len(strange)


def _by_library(sample: bytes) -> str:
    try:
        from charset_normalizer import from_bytes
    except ImportError:
        return ""
    found = from_bytes(
        sample, cp_isolation=["cp1252", "cp1250", "iso8859-2", "cp1254", "iso8859-15", *CYRILLIC_PAGES[:6]]
    )
    best = found.best()
    return str(best.encoding) if best is not None else ""


def mojibake(text: str) -> str:
    """The repaired text when `text` is UTF-8 that someone once read as cp1251 or cp1252; "" when it is not."""
    for page in ("cp1251", "cp1252"):
        try:
            repaired = text[:20_000].encode(page).decode("utf-8")
        except (UnicodeEncodeError, UnicodeDecodeError):
            continue
        if repaired != text[:20_000] and sum(1 for c in repaired if "\u0400" <= c <= "\u052f") > 0.3 * len(
            repaired
        ):
            return repaired
    return ""
