"""Which secrets are too weak to start with."""

from __future__ import annotations

_MIN_CHARACTERS = 8
_MIN_DISTINCT = 5
_KNOWN_TEXT = """
changeme changeit change-me change_me password passw0rd password1 password123 secret secret123 topsecret default
admin administrator admin123 adminadmin root toor postgres postgresql mysql guest letmein welcome welcome1 qwerty
qwertyuiop qwerty123 12345678 123456789 1234567890 87654321 11111111 00000000 abc12345 abcdefgh iloveyou
countersign example placeholder your-api-key your_api_key yourapikey api-key apikey api_key test-secret
insecure insecure-key dev-secret development supersecret mysecret replace-me replaceme todo-secret
құпиясөз пароль парольпароль йцукенгш
"""
_KNOWN = frozenset(_KNOWN_TEXT.split())


def weakness(value: str) -> str:
    """Why this secret must not be used, or an empty text. Never repeats the secret."""
    folded = value.strip().casefold()
    if folded in _KNOWN or folded.strip("<>[]{}\"'") in _KNOWN:
        return "it is a well-known placeholder"
    if len(folded) < _MIN_CHARACTERS:
        return f"it has fewer than {_MIN_CHARACTERS} characters"
    if len(set(folded)) < _MIN_DISTINCT:
        return f"it uses fewer than {_MIN_DISTINCT} different characters"
    return ""
