"""Passwords that a text gives away: `Пароль администратора: Zx8kTr41`, `Құпиясөз: …`, `Admin password: …`.

What only speaks about passwords (rules for them, fields to fill in, masks, references) is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_NAMED: Final = (
    r"(?:passwords?|passwd|pwd|passphrase|passcode|secret|api[ _-]?key|(?:client|shared)[ _-]secret|access[ _-]token"
    r"|парол[ьяие]\w*|секретный ключ|ключ api|токен доступа|құпия ?сөз\w*)"
)
_OF: Final = r"(?:[ \t]+\(?(?!долж|must|should|shall|may|can|is\b|are\b|не\b|not\b|содерж|contain|болуы|керек|тиіс)[\w./@-]+\)?){0,5}"
"""Whose it is, or what for: a few words that say nothing of it."""
_GIVEN: Final = re.compile(
    rf"\b{_NAMED}{_OF}[*_`]*[ \t]*(?:[:=]|[ \t][-–—][ \t])[*_`]*[ \t]*[«\"“'`(]?(?P<value>[^\s,;|«»“”\"'`<>{{}}]{{6,80}})",
    re.IGNORECASE,
)
_TRAILING: Final = "*.:!?)]…"
_SPECIAL: Final = re.compile(r"[!@#$%^&*]")
_NO_SECRET: Final = re.compile(
    r"см[.\s]|see\b|п\.|https?:|www\.|[\[(]|\$|%|\d{1,4}[-./]\d{1,2}[-./]\d{1,4}$|\d+[-–]\w*$|\d+\+"
    r"|(?:sha|md\d|aes|des|rsa|tls|ssl|utf|base|bcrypt|argon|pbkdf|hmac|ascii|iso|x\.?509|n?varchar|char|string|text|gost|гост|ст\s?рк"
    r"|min|max|мин|макс|from|от|до|не|least|more|less)[\W\d_]*(?:\w{0,6}|[-–]\w+)$",
    re.IGNORECASE,
)
_MIN_DIGITS: Final = 6


def given_passwords(text: str) -> Iterator[str]:
    """Each password that `text` tells, in order."""
    for match in _GIVEN.finditer(text):
        value = match["value"].rstrip(_TRAILING)
        if _like_a_secret(value):
            yield value


def _like_a_secret(value: str) -> bool:
    """Letters with figures or signs among them, or many figures; no mask, no rule, no reference."""
    if len(value) < _MIN_DIGITS or _NO_SECRET.match(value) or len(set(value)) < 4:
        return False
    digits = sum(map(str.isdigit, value))
    if digits == len(value):
        return True
    return any(map(str.isalpha, value)) and (digits > 0 or _SPECIAL.search(value) is not None)
