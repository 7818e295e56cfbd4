"""One process at a time owns a workspace's index and runs its jobs; everyone else reads and enqueues."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from countersign.domain.errors import Conflict


class WorkspaceLock:
    """An advisory lock that the operating system releases when its process dies, however it dies."""

    def __init__(self, state: Path) -> None:
        self._path = state / "owner.lock"
        self._handle: int | None = None

    def try_acquire(self) -> bool:
        """True when this process now owns the workspace."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        self._handle = handle
        return True

    def require(self) -> None:
        """Raises `Conflict` when another process owns the workspace."""
        if self._handle is None and not self.try_acquire():
            raise Conflict(
                f"process {self.owner_pid()} is already running this workspace",
                code="workspace_owned",
                hint="Stop it first, or talk to it over HTTP.",
            )

    def owner_pid(self) -> int | None:
        """The process that owns the workspace, for messages only."""
        try:
            text = self._path.read_text()
        except FileNotFoundError:
            return None
        return int(text) if text.isdigit() else None

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> WorkspaceLock:
        self.require()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
