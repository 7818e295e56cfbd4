"""Addresses from a sitemap, or from an index of sitemaps. Its dates are not believed: every page is asked itself."""

from __future__ import annotations

import re
import zlib
from html import unescape

MAX_BYTES = 50 * 1024 * 1024
_ENTRY = re.compile(r"<(?:\w+:)?loc(?:\s[^>]*)?>\s*(?:<!\[CDATA\[)?([^<\]]{1,4000})")
_IS_INDEX = re.compile(r"<(?:\w+:)?sitemapindex[\s>]")
_IS_SITEMAP = re.compile(r"<(?:\w+:)?(?:urlset|sitemapindex)[\s>/]")


def read_sitemap(body: bytes) -> tuple[tuple[str, ...], bool] | None:
    """(addresses, whether they are those of further sitemaps); None for what is no sitemap. Read as text, so that no
    entity is ever unfolded."""
    if body[:2] == b"\x1f\x8b":
        unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            body = unpack.decompress(body, MAX_BYTES + 1)
        except zlib.error:
            return None
        if not unpack.eof or len(body) > MAX_BYTES:
            return None
    text = body.decode("utf-8", "replace")
    if not _IS_SITEMAP.search(text[:5_000]):
        return None
    if (
        not re.search(r"</(?:\w+:)?(?:urlset|sitemapindex)\s*>\s*\Z", text[-5_000:])
        and "/>" not in text[-200:]
    ):
        return None  # cut off: a short list would remove what it lacks
    return tuple(unescape(found.strip()) for found in _ENTRY.findall(text)), bool(
        _IS_INDEX.search(text[:5_000])
    )
