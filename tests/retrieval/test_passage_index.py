"""The embedded passage index passes the suite that any adapter inherits."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from countersign.domain.errors import StorageError
from countersign.storage.passage_index import PassageIndexes, TantivyIndex
from countersign.testing.passage_index_suite import (
    DIMENSION,
    PassageIndexSuite,
    batch_of,
    live_after,
    make_row,
    make_scope,
    search_all,
)


class TestTantivyIndex(PassageIndexSuite):
    def open_index(self, folder: Path, tenant: str, *, owner: bool) -> TantivyIndex:
        return PassageIndexes(folder, DIMENSION, owner=owner).of(tenant)

    def writer_program(self, folder: Path) -> str:
        return (
            "from pathlib import Path\n"
            "from countersign.storage.passage_index import PassageIndexes\n"
            "from countersign.testing.passage_index_suite import DIMENSION, write_for_ever\n"
            f"write_for_ever(PassageIndexes(Path({str(folder)!r}), DIMENSION, owner=True).of('main'))\n"
        )


def test_other_settings_start_an_empty_index(tmp_path: Path) -> None:
    first = TantivyIndex(tmp_path, DIMENSION, owner=True, settings="chunker 1")
    first.apply([make_row(1)], 1)
    first.close()
    with pytest.raises(StorageError, match="other settings"):
        TantivyIndex(tmp_path, DIMENSION, owner=False, settings="chunker 2")
    second = TantivyIndex(tmp_path, DIMENSION, owner=True, settings="chunker 2")
    assert second.applied_seq == 0 and second.passage_ids() == set()
    second.close()


def test_a_vector_of_another_size_is_refused(tmp_path: Path) -> None:
    index = TantivyIndex(tmp_path, DIMENSION + 1, owner=True)
    with pytest.raises(StorageError) as caught:
        index.apply([make_row(1)], 1)
    assert caught.value.code == "index_dimension"
    index.close()


def test_without_a_dimension_it_searches_words_only(tmp_path: Path) -> None:
    index = TantivyIndex(tmp_path, None, owner=True)
    index.apply([make_row(1), make_row(2)], 2)
    assert search_all(index, make_scope(1)) == {1, 2}
    assert not list(tmp_path.rglob("*.f32"))
    index.close()


def test_a_damaged_manifest_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(StorageError) as caught:
        TantivyIndex(tmp_path, DIMENSION, owner=True)
    assert caught.value.code == "index_damaged" and "rebuilt" in caught.value.hint


def test_deletes_of_a_writer_that_died_before_its_commit_do_not_stop_the_next_one(tmp_path: Path) -> None:
    def extended(folder: Path, to: int) -> None:
        index = TantivyIndex(folder, DIMENSION, owner=True)
        for seq in range(index.applied_seq + 1, to + 1):
            index.apply(batch_of(seq), seq)
        index.close()

    before, after = tmp_path / "before", tmp_path / "after"
    extended(before, 6)
    shutil.copytree(before, after)
    extended(after, 7)
    known = {path.relative_to(before) for path in before.rglob("*.del")}
    left_behind = [path for path in after.rglob("*.del") if path.relative_to(after) not in known]
    assert left_behind
    for path in left_behind:
        shutil.copy(path, before / path.relative_to(after))
    extended(before, 7)
    index = TantivyIndex(before, DIMENSION, owner=True)
    assert index.passage_ids() == live_after(7)
    index.close()


def test_a_writer_that_dies_when_segments_are_due_for_merging_loses_no_delete(tmp_path: Path) -> None:
    """Tantivy begins to merge at eight segments; the next writer's first deletes meet the merge that it takes up again."""
    program = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from countersign.storage.passage_index import TantivyIndex\n"
        "from countersign.testing.passage_index_suite import DIMENSION, batch_of\n"
        f"index = TantivyIndex(Path({str(tmp_path)!r}), DIMENSION, owner=True)\n"
        "for seq in range(index.applied_seq + 1, index.applied_seq + 9):\n"
        "    index.apply(batch_of(seq), seq)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    for life in range(1, 4):
        died = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, check=False)
        assert died.returncode == -signal.SIGKILL, died.stderr.decode()
        index = TantivyIndex(tmp_path, DIMENSION, owner=True)
        for seq in range(index.applied_seq + 1, index.applied_seq + 3):
            index.apply(batch_of(seq), seq)
        assert index.applied_seq == 10 * life
        assert index.passage_ids() == live_after(index.applied_seq)
        index.close()
