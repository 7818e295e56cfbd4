"""What was erased, remembered without naming it: so that restoring an old backup does not bring it back.

An append-only file outside the database and outside every backup (`state/erasures.jsonl`, with a copy beside the
backups). The first line holds a random salt; each further line `{"key", "at"}` a salted hash of (tenant, source,
external id) and the moment. A key that comes again after that moment is a new document and stays.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson

from countersign.domain.clock import iso
from countersign.domain.errors import IntegrityError

FORMAT = "countersign-erasures/1"


@dataclass(frozen=True, slots=True)
class DocumentKey:
    tenant: str
    source: str
    external_id: str


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """The ledger as read at one moment: hashed key → ISO time of its last erasure."""

    salt: bytes
    erased: Mapping[str, str]
    entries: int

    def erased_at(self, key: DocumentKey) -> str:
        """ISO time, or empty when this key was never erased."""
        return self.erased.get(_hashed(self.salt, key), "")


class ErasureLedger:
    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> LedgerPage:
        """Read it, making it when absent. Raises `IntegrityError` when it is damaged."""
        if not self.path.exists():
            self._begin()
        return read_ledger(self.path)

    def _begin(self) -> None:
        """Whole or not at all, and never in place of one that another process began: a ledger without its salt is lost."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(f".{self.path.name}.{secrets.token_hex(8)}")
        try:
            with part.open("xb") as file:
                file.write(orjson.dumps({"format": FORMAT, "salt": secrets.token_hex(32)}) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(part, self.path)
            except FileExistsError:
                return
            except OSError:  # a file system without hard links
                part.replace(self.path)
        finally:
            part.unlink(missing_ok=True)
        _sync_folder(self.path.parent)

    def add(self, keys: Iterable[DocumentKey], at: datetime) -> LedgerPage:
        """Remember `keys` as erased; on disk when this returns."""
        salt = self.open().salt
        self._append([{"key": _hashed(salt, key), "at": iso(at)} for key in keys])
        return read_ledger(self.path)

    def copy_to(self, folder: Path) -> Path:
        """Put a copy beside the backups, replacing an older one in one step."""
        self.open()
        target = folder / self.path.name
        part = folder / f".{self.path.name}.part"
        with part.open("wb") as file:
            file.write(self.path.read_bytes())
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
        return target

    def _append(self, lines: list[dict[str, str]]) -> None:
        with self.path.open("ab") as file:
            if file.tell() and not _ends_with_newline(self.path):
                file.write(b"\n")
            file.writelines(orjson.dumps(line) + b"\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())


def read_ledger(path: Path) -> LedgerPage:
    """Raises `IntegrityError` when `path` is not a ledger. A torn line is skipped: its erasure was never acknowledged."""
    salt, erased, entries = b"", dict[str, str](), 0
    with path.open("rb") as file:
        for number, line in enumerate(file):
            try:
                data = orjson.loads(line)
                if number == 0:
                    salt = bytes.fromhex(data["salt"]) if data["format"] == FORMAT else b""
                else:
                    erased[str(data["key"])] = max(str(data["at"]), erased.get(str(data["key"]), ""))
                    entries += 1
            except (ValueError, KeyError, TypeError):
                continue
    if len(salt) != 32:
        raise IntegrityError(
            "this is not an erasure ledger",
            code="erasure_ledger_unreadable",
            hint="Use state/erasures.jsonl of the workspace, or the copy beside its backups.",
        )
    return LedgerPage(salt, erased, entries)


def _hashed(salt: bytes, key: DocumentKey) -> str:
    text = orjson.dumps([key.tenant, key.source, key.external_id])
    return hmac.digest(salt, text, "sha256").hex()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
