"""Which backups exist and until when they are kept: an append-only file outside the database."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson


@dataclass(frozen=True, slots=True)
class TakenBackup:
    """`taken` and `kept_until` are ISO times; `kept_until` is empty when nobody said."""

    path: str
    taken: str
    kept_until: str = ""


class BackupRegister:
    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, backup: TakenBackup) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write(orjson.dumps(asdict(backup)) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def existing(self) -> tuple[TakenBackup, ...]:
        """Those that are still where they were written."""
        return tuple(backup for backup in self._all() if Path(backup.path).exists())

    def holding(self, since: str) -> tuple[TakenBackup, ...]:
        """Those taken after ISO time `since`. One that was moved away is listed too: moving does not clean it."""
        return tuple(backup for backup in self._all() if backup.taken >= since)

    def folders(self) -> tuple[Path, ...]:
        return tuple(sorted({Path(backup.path).parent for backup in self.existing()}))

    def _all(self) -> Sequence[TakenBackup]:
        if not self.path.exists():
            return ()
        found: list[TakenBackup] = []
        for line in self.path.read_bytes().splitlines():
            try:
                found.append(TakenBackup(**orjson.loads(line)))
            except (ValueError, TypeError):  # a torn line
                continue
        return found
