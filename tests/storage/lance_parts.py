"""What the tests of the index on shared storage have in common: a lease that dies with its process, an S3 server."""

from __future__ import annotations

import fcntl
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from countersign.domain.errors import Conflict
from countersign.domain.workspace import ObjectStorage, Secret
from countersign.storage.lance_index import LanceIndex
from countersign.storage.shared_place import Place, open_place
from countersign.testing.passage_index_suite import DIMENSION


class FileLease:
    """One holder a file; every holder gets a higher number than those before it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._handle)
            raise Conflict("somebody leads already") from None
        self.epoch = int(os.read(self._handle, 20) or b"0") + 1
        os.pwrite(self._handle, str(self.epoch).encode(), 0)

    def release(self) -> None:
        os.close(self._handle)


class LeasedIndex(LanceIndex):
    """Gives its lease back when it is closed."""

    lease: FileLease | None = None

    def close(self) -> None:
        super().close()
        if self.lease is not None:
            self.lease.release()
            self.lease = None


def open_leased(place: Place, leases: Path, tenant: str, *, owner: bool) -> LanceIndex:
    name = tenant.encode().hex()
    lease = FileLease(leases / f"{name}.lease") if owner else None
    index = LeasedIndex(place.below(name), DIMENSION, epoch=lease.epoch if lease else None)
    index.lease = lease
    return index


def local(folder: Path) -> Place:
    return open_place(str(folder / "shared"), ObjectStorage())


def settings_for(address: str) -> ObjectStorage:
    return ObjectStorage(
        endpoint=address,
        region="us-east-1",
        key=Secret("${env:S3_KEY}", "tester"),
        secret=Secret("${env:S3_SECRET}", "nothing to guess"),
        allow_http=True,
    )


def on_s3(folder: Path, address: str) -> Place:
    """A prefix of its own for each folder."""
    return open_place(f"s3://shared/{sha256(str(folder).encode()).hexdigest()[:12]}", settings_for(address))


def _client(address: str) -> Any:
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="tester",
        aws_secret_access_key="nothing to guess",
    )


def keep_versions(address: str) -> None:
    _client(address).put_bucket_versioning(Bucket="shared", VersioningConfiguration={"Status": "Enabled"})


@contextmanager
def s3_server() -> Iterator[str]:
    """A real S3 server on loopback with one bucket `shared`; yields its address."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    _client(address).create_bucket(Bucket="shared")
    try:
        yield address
    finally:
        # What one server held, and how its bucket was set, outlives it within the process.
        with urllib.request.urlopen(f"{address}/moto-api/reset", data=b"", timeout=30):
            pass
        server.stop()
