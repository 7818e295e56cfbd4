"""What a new workspace needs besides its file: folders, keys, and a database with its tables."""

from __future__ import annotations

from pathlib import Path

from countersign.access.keys import create_server_key, server_key_path
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
    if not server_key_path(state).exists():
        create_server_key(state)
    keys = state / "keys"
    if not any(keys.glob("signing*")):
        create_signer(keys)
