"""Signed notes of how far a chain had come, kept outside the database that they vouch for.

A hash chain alone does not stop an administrator from rewriting its tail. A checkpoint says, under a key that the
database does not hold, "at sequence n the head was h". Checkpoints are chained among themselves. One JSON line each:
`{"format", "tenant", "seq", "head", "at", "key_id", "previous", "signature"}`; `signature` (hex) is over the compact
JSON array `[format, tenant, seq, head, at, key_id, previous]`, `previous` the SHA-256 of the line before, without its
newline. Copy the file to write-once storage regularly: what was copied can no longer be rewritten unseen.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import orjson

from countersign.domain.clock import iso
from countersign.domain.errors import IntegrityError
from countersign.record.chain import GENESIS, Head
from countersign.record.keys import PublicKey
from countersign.record.seams import Signer

FORMAT = "countersign-checkpoint/1"
_TAIL_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Checkpoint:
    tenant: str
    seq: int
    head: str
    at: str
    key_id: str
    previous: str
    signature: str

    def message(self) -> bytes:
        fields = [FORMAT, self.tenant, self.seq, self.head, self.at, self.key_id, self.previous]
        return orjson.dumps(fields)

    def line(self) -> bytes:
        return orjson.dumps(
            {
                "format": FORMAT,
                "tenant": self.tenant,
                "seq": self.seq,
                "head": self.head,
                "at": self.at,
                "key_id": self.key_id,
                "previous": self.previous,
                "signature": self.signature,
            }
        )

    def signed_by(self, keys: Sequence[PublicKey]) -> bool:
        try:
            signature = bytes.fromhex(self.signature)
        except ValueError:
            return False
        return any(key.key_id == self.key_id and key.verifies(self.message(), signature) for key in keys)


def sign_head(head: Head, at: datetime, previous: Checkpoint | None, signer: Signer) -> Checkpoint:
    link = sha256(previous.line()).hexdigest() if previous else GENESIS
    unsigned = Checkpoint(head.tenant, head.seq, head.hash, iso(at), signer.key_id, link, "")
    return Checkpoint(
        unsigned.tenant,
        unsigned.seq,
        unsigned.head,
        unsigned.at,
        unsigned.key_id,
        unsigned.previous,
        signer.sign(unsigned.message()).hex(),
    )


class CheckpointLog:
    """One file a tenant, `{folder}/{tenant}.jsonl`, appended and fsynced. One process writes it."""

    def __init__(self, folder: Path, tenant: str) -> None:
        self.path = folder / f"{tenant}.jsonl"

    def append(self, checkpoint: Checkpoint) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            self._drop_torn_line()
            file.write(checkpoint.line() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def last(self) -> Checkpoint | None:
        """The newest whole line. Raises `IntegrityError` when it is not a checkpoint."""
        lines = self._tail().split(b"\n")[:-1]
        return read_checkpoint(lines[-1], -1) if lines else None

    def _tail(self) -> bytes:
        if not self.path.exists():
            return b""
        with self.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            return file.read()

    def _drop_torn_line(self) -> None:
        """A crash may have left half a line: it was never acknowledged, and would spoil the next."""
        torn = len(self._tail().rsplit(b"\n", 1)[-1])
        if torn:
            os.truncate(self.path, self.path.stat().st_size - torn)

    def __iter__(self) -> Iterator[Checkpoint]:
        """Raises `IntegrityError` at a line that is not a checkpoint; a torn last line is left out."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                yield read_checkpoint(line, number)


def read_checkpoint(line: bytes, number: int) -> Checkpoint:
    try:
        data = orjson.loads(line)
        if data["format"] != FORMAT or not isinstance(data["seq"], int):
            raise ValueError("another format")
        return Checkpoint(
            seq=data["seq"],
            **{name: str(data[name]) for name in ("tenant", "head", "at", "key_id", "previous", "signature")},
        )
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            f"line {number} of the checkpoints is not a checkpoint",
            code="checkpoint_unreadable",
            hint="Compare the file with your copy of it.",
        ) from error
