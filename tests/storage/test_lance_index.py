"""The index on shared storage passes the suite that any adapter inherits, on a folder and on an S3 server."""

from __future__ import annotations

from pathlib import Path

import pytest

from countersign.storage.lance_index import LanceIndex
from countersign.testing.passage_index_suite import PassageIndexSuite
from tests.storage.lance_parts import local, open_leased

pytest.importorskip("lancedb")


class TestLanceIndex(PassageIndexSuite):
    kills = 5

    def open_index(self, folder: Path, tenant: str, *, owner: bool) -> LanceIndex:
        return open_leased(local(folder), folder / "leases", tenant, owner=owner)

    def writer_program(self, folder: Path) -> str:
        return (
            "from pathlib import Path\n"
            "from countersign.testing.passage_index_suite import write_for_ever\n"
            "from tests.storage.lance_parts import local, open_leased\n"
            f"folder = Path({str(folder)!r})\n"
            "write_for_ever(open_leased(local(folder), folder / 'leases', 'main', owner=True))\n"
        )
