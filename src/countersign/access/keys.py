"""API keys and the server key behind them.

A key reads `cs_<prefix>_<secret>`: the prefix finds its row, the secret has 256 random bits. The database holds an
HMAC-SHA256 of the whole text under the server key, so that a copy of the database alone opens nothing. The server key
is 32 random bytes in `state/keys/server.key`, readable by its owner only.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from countersign.domain.errors import ConfigError, Conflict

Purpose = Literal["key", "session"]

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PREFIX_CHARACTERS = 10
_SECRET_CHARACTERS = 43  # 62^43 > 2^256
_KEY = re.compile(rf"cs_([0-9A-Za-z]{{{_PREFIX_CHARACTERS}}})_[0-9A-Za-z]{{{_SECRET_CHARACTERS}}}")
_SERVER_KEY_BYTES = 32
_NO_PREFIX = "-" * _PREFIX_CHARACTERS
NO_DIGEST = "0" * 64
"""What an unknown key is compared with, so that it costs the same as a known one."""


@dataclass(frozen=True, slots=True, repr=False)
class ServerKey:
    """Keys the digests of API keys and sessions; never printed."""

    value: bytes

    def __repr__(self) -> str:
        return "ServerKey(…)"

    def digest(self, purpose: Purpose, token: str) -> str:
        """64 hexadecimal digits. The purpose is part of it: a session's digest is never a key's."""
        return hmac.new(self.value, f"{purpose}\x00{token}".encode(), sha256).hexdigest()


def server_key_path(state: Path) -> Path:
    return state / "keys" / "server.key"


def create_server_key(state: Path) -> ServerKey:
    """Make and store a new one. Raises `Conflict` when there is one: replacing it would end every key and session."""
    path = server_key_path(state)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    value = secrets.token_bytes(_SERVER_KEY_BYTES)
    if path.exists() and not path.stat().st_size:
        path.unlink(missing_ok=True)  # whoever made it died before it held a key
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Conflict("this workspace has a server key already", code="server_key_exists") from None
    with os.fdopen(handle, "wb") as file:
        file.write(value.hex().encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return ServerKey(value)


def load_server_key(state: Path) -> ServerKey:
    """Read it. Raises `ConfigError` (`server_key_missing`, `weak_secret`) when it is absent, short or open to others."""
    path = server_key_path(state)
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii").strip()
        value = bytes.fromhex(text)
    except OSError as error:
        raise ConfigError(
            f"the server key cannot be read: {error.strerror}",
            code="server_key_missing",
            hint="`countersign init` makes it; a restored workspace needs its keys restored too.",
        ) from None
    except ValueError:
        value, mode = b"", 0o600
    if len(value) < _SERVER_KEY_BYTES or len(set(value)) < _SERVER_KEY_BYTES // 4:
        raise ConfigError(
            "the server key is not 32 random bytes", code="weak_secret", hint="Restore it from a backup."
        )
    if mode & 0o077:
        raise ConfigError(
            "the server key may be read by other users",
            code="weak_secret",
            hint=f"Run: chmod 600 {path.name}",
        )
    return ServerKey(value)


# -- API keys ---------------------------------------------------------------------------------------------------
def new_key() -> tuple[str, str]:
    """(prefix, whole key). The whole key is shown once and never stored."""
    prefix = "".join(secrets.choice(_ALPHABET) for _ in range(_PREFIX_CHARACTERS))
    return prefix, f"cs_{prefix}_{_base62(secrets.randbits(256))}"


def prefix_of(token: str) -> str:
    """Where to look for a key; for what is no key at all, a place where nothing is."""
    match = _KEY.fullmatch(token)
    return match[1] if match else _NO_PREFIX


def looks_like_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None


def same(left: str, right: str) -> bool:
    """Compare two digests in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


def _base62(number: int) -> str:
    digits: list[str] = []
    for _ in range(_SECRET_CHARACTERS):
        number, rest = divmod(number, 62)
        digits.append(_ALPHABET[rest])
    return "".join(reversed(digits))
