"""What a new workspace needs besides its file: folders, keys, and a database with its tables."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from countersign.access.keys import create_server_key
from countersign.domain.errors import Conflict
from countersign.domain.workspace import Workspace
from countersign.record.keys import create_signer
from countersign.storage.database import Database
from countersign.storage.migrate import upgrade


def found(workspace: Workspace) -> None:
    """Make the state folder of a workspace ready. Safe to run again: keys that exist are kept."""
    make_keys(workspace.state)
    database = Database(workspace.database)
    try:
        upgrade(database)
    finally:
        database.close()


def make_keys(state: Path) -> None:
    """The server key and the signing key, each readable by its owner only; existing ones stay."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(Conflict):
        create_server_key(state)
    with suppress(Conflict):
        create_signer(state / "keys")
