"""What may be made again from a source, and so is deleted whole where it could hold an erased document.

Connectors keep caches (`sources/NAME`), audits keep working files (`audits/…`) and measurements of retrieval keep
documents cut in other ways (`tune/work-…`), and their vectors (`tune/vectors.db`), below the state folder. All may hold text in forms that a search does not find, a packed repository say.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from countersign.record.ledger import DocumentKey

_WORKING_FILE = "working.db"


def holding(state: Path, keys: Sequence[DocumentKey]) -> list[Path]:
    """Folders below `state` that may hold one of these documents."""
    caches = [state / "sources" / source for source in sorted({key.source for key in keys})]
    audits = sorted(path for path in (state / "audits").glob("*") if _may_hold(path, keys))
    measurements = sorted((state / "tune").glob("work-*")) + sorted((state / "tune").glob("vectors.db*"))
    return [folder for folder in (*caches, *audits, *measurements) if folder.exists()]


def delete(folders: Sequence[Path]) -> int:
    """Returns how many files went. A process that has one open writes into nothing from now on."""
    deleted = 0
    for folder in folders:
        if folder.is_dir() and not folder.is_symlink():
            deleted += sum(path.is_file() for path in folder.rglob("*"))
            shutil.rmtree(folder)
        else:
            deleted += 1
            folder.unlink(missing_ok=True)
    return deleted


def _may_hold(audit: Path, keys: Sequence[DocumentKey]) -> bool:
    """What cannot be looked into counts as holding it."""
    if any(key.external_id.startswith("erased:") for key in keys):
        return True  # its name is forgotten already
    path = audit / _WORKING_FILE
    if not path.is_file():
        return True
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as database:
            return any(
                database.execute(
                    "SELECT 1 FROM doc WHERE source = ? AND tenant = ? AND external_id = ?",
                    (key.source, key.tenant, key.external_id),
                ).fetchone()
                for key in keys
            )
    except sqlite3.Error:
        return True
