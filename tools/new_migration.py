"""Write the migration that brings the last committed schema to the one in `storage/tables`.

Usage: python tools/new_migration.py REVISION "What changes". Then set `NEWEST` in `storage/migrate.py` to REVISION.
With `--initial` the first migration is written again from nothing: only before the first release.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from countersign.storage import migrate
from countersign.storage.database import Database

VERSIONS = Path(migrate.__file__).parent / "migrations" / "versions"


def main(arguments: list[str]) -> None:
    initial = arguments == ["--initial"]
    revision, message = ("0001", "The first schema") if initial else arguments
    if initial:
        for old in VERSIONS.glob("*.py"):
            old.unlink()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/schema.db")
        if not initial:
            migrate.upgrade(database)
        path = migrate.write_revision(message, revision, database)
        database.close()
    print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
