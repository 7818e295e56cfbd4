"""The index on shared storage passes the suite that any adapter inherits, on a folder and on an S3 server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from countersign.retrieval.seams import PassageIndex
from countersign.storage.lance_index import LanceIndex
from countersign.testing.passage_index_suite import PassageIndexSuite, make_row, make_scope, search_all
from tests.storage.lance_parts import local, on_s3, open_leased, s3_server

pytest.importorskip("lancedb")


class TestLanceIndex(PassageIndexSuite):
    kills = 4

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


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_server() as address:
        yield address


class TestLanceIndexOnS3(PassageIndexSuite):
    """The same table behind a real S3 interface; only leases lie in the test's folder."""

    kills = 0

    @pytest.fixture(autouse=True)
    def server(self, s3: str) -> None:
        self.address = s3

    def open_index(self, folder: Path, tenant: str, *, owner: bool) -> LanceIndex:
        return open_leased(on_s3(folder, self.address), folder / "leases", tenant, owner=owner)

    def writer_program(self, folder: Path) -> str:
        return (
            "from pathlib import Path\n"
            "from countersign.testing.passage_index_suite import write_for_ever\n"
            "from tests.storage.lance_parts import on_s3, open_leased\n"
            f"folder, address = Path({str(folder)!r}), {self.address!r}\n"
            "write_for_ever(open_leased(on_s3(folder, address), folder / 'leases', 'main', owner=True))\n"
        )

    def test_no_row_outside_the_scope(self, open_: Callable[..., PassageIndex]) -> None:  # type: ignore[override]
        """Drawn at random on the folder above; the filter is the same here."""
        index = open_()
        index.apply([make_row(n, rights_id=n % 3) for n in range(1, 31)], 30)
        assert search_all(index, make_scope(2)) == set(range(2, 31, 3))
