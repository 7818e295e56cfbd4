"""People's passwords: argon2id, the same work whether the name exists or not."""

from __future__ import annotations

import secrets

from countersign.access.secrets import weakness
from countersign.domain.errors import UsageError

_MIN_CHARACTERS = 12
_MAX_CHARACTERS = 256
_MEMORY_KIB = 64 * 1024
_PASSES = 3


class Passwords:
    """RFC 9106's second recommended setting (64 MiB, 3 passes) on one lane; smaller values are for tests."""

    def __init__(self, *, memory_kib: int = _MEMORY_KIB, passes: int = _PASSES) -> None:
        from argon2 import PasswordHasher

        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._decoy = ""

    def hash(self, password: str, name: str = "") -> str:
        """The text to store. Raises `UsageError` (`weak_secret`) for a short, long or well-known password."""
        why = weakness(password)
        if not _MIN_CHARACTERS <= len(password) <= _MAX_CHARACTERS:
            why = f"it needs {_MIN_CHARACTERS} to {_MAX_CHARACTERS} characters"
        elif name and name.casefold() in password.casefold():
            why = "it contains the person's name"
        if why:
            raise UsageError(
                f"this password is weak: {why}", code="weak_secret", hint="Several words do well."
            )
        return self._hasher.hash(password)

    def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password fits. `stored` None means nobody can sign in so, and takes as long to say."""
        from argon2.exceptions import InvalidHashError, VerificationError

        if not self._decoy:
            self._decoy = self._hasher.hash(secrets.token_hex(16))
        try:
            fits = self._hasher.verify(stored or self._decoy, password[: _MAX_CHARACTERS + 1])
        except (VerificationError, InvalidHashError):
            return False
        return fits and stored is not None
