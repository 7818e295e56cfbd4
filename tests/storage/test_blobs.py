"""Blobs on a local folder, on an S3 server and on a remote file system pass the same suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from countersign.corpus.blobs import Blobs
from countersign.domain.errors import IntegrityError, StorageError
from countersign.storage.blobs import LocalBlobs, ObjectBlobs, RemoteBlobs, open_blobs, ref_of
from countersign.testing.blobs_suite import BlobsSuite
from tests.storage.lance_parts import s3_server, settings_for

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


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    pytest.importorskip("obstore")
    with s3_server() as address:
        yield address


class TestObjectBlobs(BlobsSuite):
    @pytest.fixture
    def blobs(self, s3: str, tmp_path: Path) -> Blobs:
        blobs = open_blobs(f"s3://shared/{tmp_path.name}/blobs", settings_for(s3))
        assert isinstance(blobs, ObjectBlobs)
        return blobs


async def test_an_object_store_that_is_not_there_says_so_without_its_address() -> None:
    blobs = open_blobs("s3://shared/x", settings_for("http://127.0.0.1:9"))
    with pytest.raises(StorageError) as caught:
        await blobs.get(ref_of(b"x", "bank"))
    assert caught.value.code == "object_store_unavailable"
    assert "127.0.0.1" not in caught.value.message + caught.value.hint


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
