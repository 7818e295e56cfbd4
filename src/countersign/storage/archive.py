"""The file that a backup is: a tar whose last members are a manifest with the hash of every other, and its signature.

    tables/{table}.jsonl.gz   blobs/{ref}   checkpoints/{tenant}.jsonl   config/countersign.yaml   keys/… (on request)
    manifest.json   manifest.sig (hex Ed25519 over the bytes of manifest.json)

Nothing is read from an archive, not even a name, before its place in the list above and its hash are checked.
"""

from __future__ import annotations

import io
import os
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from countersign.domain.errors import ConfigError, Conflict, IntegrityError
from countersign.record.keys import PublicKey
from countersign.record.seams import Signer

FORMAT = "countersign-backup/1"

_WORD = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
_MEMBER = re.compile(
    rf"tables/[a-z_]+\.jsonl\.gz|blobs/{_WORD}/[0-9a-f]{{2}}/[0-9a-f]{{64}}|checkpoints/{_WORD}\.jsonl"
    rf"|config/countersign\.yaml|keys/{_WORD}|manifest\.json|manifest\.sig"
)
_MANIFEST, _SIGNATURE = "manifest.json", "manifest.sig"


@dataclass(frozen=True, slots=True)
class Manifest:
    name: str
    taken: str
    version: str
    schema: str
    public_key: str
    ledger_salt: str
    ledger_entries: int
    with_keys: bool
    tables: Mapping[str, int]
    missing_blobs: tuple[str, ...]
    """Refs that the database named but the store no longer had."""
    members: Mapping[str, str]
    """SHA-256 of every other file, by name."""


class ArchiveWriter:
    """Use as a context manager; the archive appears under its name only when `finish` was called."""

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise Conflict(f"{path.name} exists already", code="backup_exists", hint="Choose another name.")
        self.path = path
        self._part = path.with_name(f".{path.name}.part")
        self._hashes: dict[str, str] = {}

    def __enter__(self) -> ArchiveWriter:
        descriptor = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tar.close()
        self._file.close()
        self._part.unlink(missing_ok=True)

    def add(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            self._hashes[name] = file_digest(file, "sha256").hexdigest()
            size = file.tell()
            file.seek(0)
            self._tar.addfile(_member(name, size), file)

    @property
    def members(self) -> Mapping[str, str]:
        return dict(self._hashes)

    def finish(self, manifest: Manifest, signer: Signer) -> None:
        content = orjson.dumps({"format": FORMAT} | _manifest_fields(manifest), option=orjson.OPT_SORT_KEYS)
        for name, data in ((_MANIFEST, content), (_SIGNATURE, signer.sign(content).hex().encode())):
            self._tar.addfile(_member(name, len(data)), io.BytesIO(data))
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._part.replace(self.path)


def unpack(archive: Path, folder: Path, public_key: PublicKey | None) -> Manifest:
    """Extract into the empty `folder` and check everything. Raises `IntegrityError`.

    With `public_key` the archive must be signed by it. Without, the key inside is believed: that finds damage, but not
    somebody who replaced the whole archive.
    """
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                _extract(tar, member, folder)
    except tarfile.TarError as error:
        raise _damaged("it is not a whole archive") from error
    manifest = _signed_manifest(folder, public_key)
    _check_members(folder, manifest)
    return manifest


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    if not member.isreg() or not _MEMBER.fullmatch(member.name) or ".." in member.name:
        raise _damaged("it holds a file that no backup holds")
    source = tar.extractfile(member)
    target = folder / member.name
    if source is None or target.exists():
        raise _damaged(f"{member.name} comes twice")
    target.parent.mkdir(parents=True, exist_ok=True)
    with source, target.open("xb") as file:
        while block := source.read(1 << 20):
            file.write(block)
    if target.stat().st_size != member.size:
        raise _damaged(f"{member.name} is cut short")


def _signed_manifest(folder: Path, public_key: PublicKey | None) -> Manifest:
    try:
        content = (folder / _MANIFEST).read_bytes()
        signature = bytes.fromhex((folder / _SIGNATURE).read_text("ascii"))
        data = orjson.loads(content)
        manifest = _read_manifest(data)
        key = public_key or PublicKey.from_text(manifest.public_key)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
        raise _damaged("its manifest cannot be read") from error
    if not key.verifies(content, signature):
        raise IntegrityError(
            "the backup was not signed by this workspace's key",
            code="backup_signature_wrong",
            hint="Compare the key with state/keys/record.pub of the workspace that took it.",
        )
    return manifest


def _check_members(folder: Path, manifest: Manifest) -> None:
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if present - {_MANIFEST, _SIGNATURE} != set(manifest.members):
        raise _damaged("files were added or taken away")
    for name, expected in manifest.members.items():
        with (folder / name).open("rb") as file:
            if file_digest(file, "sha256").hexdigest() != expected:
                raise _damaged(f"{name} was changed")


def _manifest_fields(manifest: Manifest) -> dict[str, Any]:
    return {name: getattr(manifest, name) for name in Manifest.__slots__}


def _read_manifest(data: dict[str, Any]) -> Manifest:
    if data.pop("format") != FORMAT:
        raise ValueError("another format")
    data["missing_blobs"] = tuple(data["missing_blobs"])
    return Manifest(**data)


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


def _damaged(what: str) -> IntegrityError:
    return IntegrityError(
        f"the backup is damaged: {what}",
        code="backup_damaged",
        hint="Nothing was restored. Use another copy of it.",
    )
