"""The index on shared storage passes the suite that any adapter inherits, on a folder and on an S3 server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from countersign.domain.errors import Conflict, StorageError
from countersign.retrieval.seams import PassageIndex
from countersign.storage.lance_index import LanceIndex
from countersign.testing.passage_index_suite import (
    DIMENSION,
    PassageIndexSuite,
    found,
    make_row,
    make_scope,
    search_all,
)
from tests.storage.lance_parts import local, on_s3, open_leased, s3_server

pytest.importorskip("lancedb")


class TestLanceIndex(PassageIndexSuite):
    kills = 2

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


# -- one leader -------------------------------------------------------------------------------------------------
def test_a_leader_that_was_followed_changes_nothing_any_more(tmp_path: Path) -> None:
    place = local(tmp_path)
    before = LanceIndex(place, DIMENSION, epoch=1)
    before.apply([make_row(n) for n in range(1, 6)], 5)
    after = LanceIndex(place, DIMENSION, epoch=2)
    reader = LanceIndex(place, DIMENSION)
    with pytest.raises(Conflict):
        before.apply([make_row(9, text="brought back")], 6)
    reader.refresh()
    assert search_all(reader, make_scope(1)) == search_all(after, make_scope(1)) == set(range(1, 6))
    after.apply([make_row(1, live=False, vector=None, seq=6)], 6)
    assert after.passage_ids() == {2, 3, 4, 5}
    with pytest.raises(Conflict):
        LanceIndex(place, DIMENSION, epoch=2)


def test_a_reader_that_is_behind_a_rebuilt_index_follows_by_itself(tmp_path: Path) -> None:
    place = local(tmp_path)
    leader = LanceIndex(place, DIMENSION, epoch=1)
    leader.apply([make_row(n) for n in range(1, 6)], 5)
    reader = LanceIndex(place, DIMENSION)
    fresh = leader.rebuild()
    fresh.apply([make_row(2)], 6)
    fresh.publish()
    assert search_all(reader, make_scope(1)) == {2}


def test_many_small_changes_do_not_pile_up(tmp_path: Path) -> None:
    """Indexes are brought up to date now and then, and what answered before answers after."""
    leader = LanceIndex(local(tmp_path), DIMENSION, epoch=1)
    leader.apply([make_row(n) for n in range(1, 1_200)], 1)
    for seq in range(2, 12):
        leader.apply([make_row(2_000 + seq, text=f"only{seq} here")], seq)
    assert leader.passage_ids() == set(range(1, 1_200)) | set(range(2_002, 2_012))
    assert found(leader.search_text("only7 here", make_scope(1), 1)) == {2_007}


def test_a_leader_takes_over_from_a_manifest_whose_table_is_gone(tmp_path: Path) -> None:
    place = local(tmp_path)
    LanceIndex(place, DIMENSION, epoch=1).apply([make_row(1)], 1)
    place.remove("g1.lance")
    again = LanceIndex(place, DIMENSION, epoch=2)
    assert (again.applied_seq, again.passage_ids()) == (0, set())
    again.apply([make_row(1)], 1)
    assert again.passage_ids() == {1}


def test_mutations_that_concern_no_row_of_it_count_as_applied(tmp_path: Path) -> None:
    """Other tenants' and other index versions': who brings it up to date would else ask for them again for ever."""
    leader = LanceIndex(local(tmp_path), DIMENSION, epoch=1)
    leader.apply([make_row(1)], 3)
    leader.apply([], 7)
    assert leader.applied_seq == 7
    fresh = leader.rebuild()
    fresh.apply([make_row(1)], 5)
    fresh.publish()
    assert leader.applied_seq == 5


def test_a_damaged_manifest_says_what_to_do(tmp_path: Path) -> None:
    place = local(tmp_path)
    place.write("manifest.json", b"{")
    with pytest.raises(StorageError) as caught:
        LanceIndex(place, DIMENSION, epoch=1)
    assert caught.value.code == "index_damaged"


def test_other_settings_start_an_empty_index(tmp_path: Path) -> None:
    place = local(tmp_path)
    LanceIndex(place, DIMENSION, epoch=1, settings="chunker 1").apply([make_row(1)], 1)
    with pytest.raises(StorageError) as caught:
        LanceIndex(place, DIMENSION, settings="chunker 2")
    assert caught.value.code == "index_version_differs"
    assert LanceIndex(place, DIMENSION, epoch=2, settings="chunker 2").passage_ids() == set()


def test_without_a_dimension_it_searches_words_only(tmp_path: Path) -> None:
    index = LanceIndex(local(tmp_path), None, epoch=1)
    index.apply([make_row(1), make_row(2)], 2)
    assert search_all(index, make_scope(1)) == {1, 2}
