"""The record's signing key: Ed25519, made once by `init`, kept in a folder that only its owner may read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from countersign.domain.errors import ConfigError, Conflict, IntegrityError
from countersign.record.seams import Signer

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_PRIVATE = "record.key"
_PUBLIC = "record.pub"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """32 raw bytes of an Ed25519 public key."""

    raw: bytes

    @property
    def key_id(self) -> str:
        """First 16 hex digits of the key's SHA-256."""
        return sha256(self.raw).hexdigest()[:16]

    @classmethod
    def from_text(cls, text: str) -> PublicKey:
        """From the hex text that `export` and `record.pub` hold. Raises `ConfigError`."""
        try:
            raw = bytes.fromhex(text.strip())
        except ValueError:
            raw = b""
        if len(raw) != 32:
            raise ConfigError(
                "this is not a public key of the record",
                code="public_key_invalid",
                hint="Expected 64 hex digits, the content of state/keys/record.pub.",
            )
        return cls(raw)

    def export(self) -> str:
        return self.raw.hex()

    def verifies(self, message: bytes, signature: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class Ed25519Signer(Signer):
    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = PublicKey(private.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"Ed25519Signer({self.key_id})"

    @property
    def key_id(self) -> str:
        return self.public.key_id

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


def create_signer(folder: Path) -> Ed25519Signer:
    """Make the key pair in `folder` (created with mode 0700; key 0600). Raises `Conflict` when there is one already."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    private = Ed25519PrivateKey.generate()
    try:
        _write_new(folder / _PRIVATE, private.private_bytes_raw().hex())
    except FileExistsError:
        if not (folder / _PUBLIC).exists():  # whoever made the key died before it was told to others
            _publish(load_signer(folder), folder)
        raise Conflict("the workspace already has a record key", code="record_key_exists") from None
    signer = Ed25519Signer(private)
    _publish(signer, folder)
    return signer


def _publish(signer: Ed25519Signer, folder: Path) -> None:
    part = folder / f"{_PUBLIC}.part"
    part.write_text(signer.public.export() + "\n", encoding="ascii")
    part.replace(folder / _PUBLIC)


def load_signer(folder: Path) -> Ed25519Signer:
    """Raises `ConfigError` when the key is absent, damaged, or readable by others than its owner."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path = folder / _PRIVATE
    if not path.exists():
        raise ConfigError(
            "the workspace has no record key",
            code="record_key_missing",
            hint="Run `countersign init`, or restore state/keys from where you keep it.",
        )
    if path.stat().st_mode & 0o077:
        raise ConfigError(
            "other users of this machine can read the record key",
            code="record_key_exposed",
            hint=f"chmod 600 {path.name} in state/keys, and rotate the key if someone may have read it.",
        )
    try:
        return Ed25519Signer(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text().strip())))
    except ValueError:
        raise IntegrityError("the record key is damaged", code="record_key_damaged") from None


def load_public_key(folder: Path) -> PublicKey:
    path = folder / _PUBLIC
    if not path.exists():
        raise ConfigError("the workspace has no public key of the record", code="record_key_missing")
    return PublicKey.from_text(path.read_text(encoding="ascii"))


def _write_new(path: Path, text: str) -> None:
    if path.exists() and not path.stat().st_size:
        path.unlink(missing_ok=True)  # whoever made it died before it held a key
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
