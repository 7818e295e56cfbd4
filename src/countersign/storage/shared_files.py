"""The few files of the state folder that every machine must have: signed checkpoints, and what was erased.

They stay files on each machine, so that the record can be verified without the object store. The process that leads puts
what it appends beside the blobs; everybody else fetches it. A folder that all machines mount needs none of this.
"""

from __future__ import annotations

import logging
from pathlib import Path

from countersign.domain.workspace import Workspace
from countersign.storage.backup import LEDGER
from countersign.storage.shared_place import ObjectPlace, Place, put_file

logger = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"


class SharedFiles:
    def __init__(self, place: Place, state: Path) -> None:
        self._place = place
        self._state = state
        self._known: dict[str, tuple[bytes, str]] = {}

    def pull(self) -> None:
        """Bring this machine's copies up to what is shared. Raises `StorageError`."""
        for name in self._place.names():
            found = self._place.read(name)
            if found is None or not self._is_ours(name):
                continue
            self._known[name] = found
            path = self._state / name
            mine = path.read_bytes() if path.exists() else b""
            if found[0].startswith(mine):
                if found[0] != mine:
                    put_file(path, found[0])
            elif not mine.startswith(found[0]):
                # Written here by a leader that another had followed: kept for whoever asks, and no longer used.
                logger.warning(
                    "%s differs from the shared one; this machine's is kept as %s.aside", name, name
                )
                put_file(path.with_name(f"{path.name}.aside"), mine)
                put_file(path, found[0])

    def push(self) -> None:
        """Share what was appended here. The leader only: `Conflict` when another has written since."""
        for path in [self._state / LEDGER, *sorted((self._state / CHECKPOINTS).glob("*.jsonl"))]:
            if not path.exists():
                continue
            name, mine = path.relative_to(self._state).as_posix(), path.read_bytes()
            known = self._known.get(name)
            if known is None or known[0] != mine:
                self._known[name] = (mine, self._place.swap(name, mine, known[1] if known else None))

    def _is_ours(self, name: str) -> bool:
        """Nothing else that lies there becomes a file of this machine."""
        folder, _, file = name.rpartition("/")
        return name == LEDGER or (
            folder == CHECKPOINTS and file.endswith(".jsonl") and not file.startswith(".")
        )


def shared_files(workspace: Workspace) -> SharedFiles | None:
    """None where the state folder itself is shared, or belongs to one machine alone."""
    if workspace.index != "lance" or not workspace.storage.startswith("s3://"):
        return None
    place = ObjectPlace(f"{workspace.storage.rstrip('/')}/record", workspace.object_storage)
    return SharedFiles(place, workspace.state)
