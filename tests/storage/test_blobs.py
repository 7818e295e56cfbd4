"""Blobs on a local folder and on a remote file system pass the same suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from countersign.corpus.blobs import Blobs
from countersign.domain.errors import IntegrityError, StorageError
from countersign.storage.blobs import LocalBlobs, RemoteBlobs, open_blobs
from countersign.testing.blobs_suite import BlobsSuite

pytestmark = pytest.mark.anyio


class TestLocalBlobs(BlobsSuite):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> Blobs:
        return open_blobs(str(tmp_path / "blobs"))


class TestRemoteBlobs(BlobsSuite):
    @pytest.fixture
    def blobs(self) -> Iterator[Blobs]:
        from fsspec.implementations.memory import MemoryFileSystem

        blobs = open_blobs("memory://workspace/blobs")
        assert isinstance(blobs, RemoteBlobs)
        yield blobs
        MemoryFileSystem.store.clear()
        MemoryFileSystem.pseudo_dirs[:] = [""]


async def test_bytes_changed_on_disk_are_never_served(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    ref = await blobs.put(b"the tariff is 45")
    (tmp_path / ref).write_bytes(b"the tariff is 54")
    with pytest.raises(IntegrityError) as caught:
        await blobs.get(ref)
    assert caught.value.code == "blob_damaged"


async def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "bank").write_text("a file where a folder should be")
    with pytest.raises(StorageError):
        await LocalBlobs(tmp_path).put(b"x", "bank")
    assert [p.name for p in tmp_path.rglob("*")] == ["bank"]


async def test_a_half_written_blob_is_written_again(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    ref = await blobs.put(b"whole content")
    (tmp_path / ref).write_bytes(b"whole")
    assert await blobs.put(b"whole content") == ref
    assert await blobs.get(ref) == b"whole content"
