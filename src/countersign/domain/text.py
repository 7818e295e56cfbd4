"""What can be kept as text: no NUL, which Postgres cannot hold, and no lone surrogate, which no encoding has."""

from __future__ import annotations

import re

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> bool:
    return _UNSTORABLE.search(text) is None


def made_storable(text: str) -> str:
    """The same text with U+FFFD for what cannot be kept."""
    return _UNSTORABLE.sub("\ufffd", text)
