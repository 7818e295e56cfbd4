"""Blobs in a local folder, in an S3-compatible object store, or under whatever fsspec knows by URL.

Locally a blob appears under its name only when it is whole and on disk (temporary file, fsync, rename, fsync of the
folder). Object stores write objects whole by themselves.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from countersign.corpus.blobs import Blobs
from countersign.domain.errors import IntegrityError, NotFound, StorageError, UsageError
from countersign.domain.workspace import ObjectStorage
from countersign.storage.shared_place import ObjectPlace

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_REF = re.compile(
    r"(?P<tenant>[A-Za-z0-9][A-Za-z0-9_.-]{0,63})/(?P<two>[0-9a-f]{2})/(?P<digest>[0-9a-f]{64})"
)
_TEMPORARY = ".part-"


def open_blobs(url: str, settings: ObjectStorage | None = None) -> Blobs:
    """Blobs under `url`: a local path, `file://…`, `s3://bucket/prefix` (the extra `scale`), or anything fsspec knows."""
    if url.startswith("s3://"):
        return ObjectBlobs(ObjectPlace(url, settings or ObjectStorage()))
    from fsspec.core import url_to_fs

    system, root = url_to_fs(url)
    if "file" in ([system.protocol] if isinstance(system.protocol, str) else system.protocol):
        return LocalBlobs(Path(root))
    return RemoteBlobs(system, root)


def ref_of(content: bytes, tenant: str) -> str:
    if not _TENANT.fullmatch(tenant):
        raise UsageError("this tenant's name cannot be a folder", code="tenant_name_invalid")
    digest = sha256(content).hexdigest()
    return f"{tenant}/{digest[:2]}/{digest}"


def _checked(ref: str) -> str:
    """`ref` if it is one of ours: whatever was stored elsewhere never becomes a path."""
    match = _REF.fullmatch(ref)
    if match is None or match["digest"][:2] != match["two"]:
        raise NotFound("there is no such blob", code="blob_not_found")
    return ref


def _whole(ref: str, content: bytes) -> bytes:
    if sha256(content).hexdigest() != ref.rsplit("/", 1)[1]:
        raise IntegrityError(
            "a stored file is not the one that was stored",
            code="blob_damaged",
            hint=f"Restore {ref} from a backup, or push the document again.",
        )
    return content


class LocalBlobs(Blobs):
    def __init__(self, root: Path) -> None:
        self.root = root

    async def put(self, content: bytes, tenant: str = "main") -> str:
        ref = ref_of(content, tenant)
        await asyncio.to_thread(self._put, self.root / ref, content)
        return ref

    def _put(self, path: Path, content: bytes) -> None:
        if path.exists() and path.stat().st_size == len(content):
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.parent / f"{_TEMPORARY}{secrets.token_hex(8)}"
            try:
                with part.open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
            for folder in (path.parent, path.parent.parent):
                _fsync_folder(folder)
        except OSError as error:
            raise _disk_error(error) from error

    async def get(self, ref: str) -> bytes:
        async with self.path(ref) as path:
            return _whole(ref, await asyncio.to_thread(path.read_bytes))

    @asynccontextmanager
    async def path(self, ref: str) -> AsyncGenerator[Path]:
        path = self.root / _checked(ref)
        if not path.is_file():
            raise NotFound("there is no such blob", code="blob_not_found")
        yield path

    async def exists(self, ref: str) -> bool:
        return (self.root / _checked(ref)).is_file()

    async def delete(self, ref: str) -> bool:
        return await asyncio.to_thread(self._delete, self.root / _checked(ref))

    def _delete(self, path: Path) -> bool:
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _disk_error(error) from error
        _fsync_folder(path.parent)
        return True

    async def refs(self, tenant: str = "") -> AsyncIterator[str]:
        for ref in await asyncio.to_thread(lambda: list(self._refs(tenant))):
            yield ref

    def _refs(self, tenant: str) -> Iterator[str]:
        for path in sorted((self.root / tenant).rglob("*") if tenant else self.root.rglob("*")):
            ref = path.relative_to(self.root).as_posix()
            if _REF.fullmatch(ref):
                yield ref


class ObjectBlobs(Blobs):
    """An S3-compatible bucket."""

    def __init__(self, place: ObjectPlace) -> None:
        self._place = place

    async def put(self, content: bytes, tenant: str = "main") -> str:
        ref = ref_of(content, tenant)
        if not await self.exists(ref):
            await asyncio.to_thread(self._place.write, ref, content)
        return ref

    async def get(self, ref: str) -> bytes:
        found = await asyncio.to_thread(self._place.read, _checked(ref))
        if found is None:
            raise NotFound("there is no such blob", code="blob_not_found")
        return _whole(ref, found[0])

    @asynccontextmanager
    async def path(self, ref: str) -> AsyncGenerator[Path]:
        async with _as_file(await self.get(ref)) as path:
            yield path

    async def exists(self, ref: str) -> bool:
        return await asyncio.to_thread(self._place.facts, _checked(ref)) is not None

    async def delete(self, ref: str) -> bool:
        if not await self.exists(ref):
            return False
        await asyncio.to_thread(self._place.remove_file, ref)
        return True

    async def refs(self, tenant: str = "") -> AsyncIterator[str]:
        for name in await asyncio.to_thread(self._place.names, tenant):
            if _REF.fullmatch(name):
                yield name


@asynccontextmanager
async def _as_file(content: bytes) -> AsyncGenerator[Path]:
    with tempfile.TemporaryDirectory(prefix="countersign-") as folder:
        path = Path(folder) / "blob"
        await asyncio.to_thread(path.write_bytes, content)
        yield path


class RemoteBlobs(Blobs):
    """Any fsspec file system whose writes are whole or nothing."""

    def __init__(self, system: Any, root: str) -> None:
        self._system = system
        self._root = root.rstrip("/")

    async def put(self, content: bytes, tenant: str = "main") -> str:
        ref = ref_of(content, tenant)
        if not await self.exists(ref):
            await self._call("pipe_file", self._at(ref), content)
        return ref

    async def get(self, ref: str) -> bytes:
        return _whole(ref, await self._call("cat_file", self._at(_checked(ref))))

    @asynccontextmanager
    async def path(self, ref: str) -> AsyncGenerator[Path]:
        async with _as_file(await self.get(ref)) as path:
            yield path

    async def exists(self, ref: str) -> bool:
        return bool(await self._call("isfile", self._at(_checked(ref))))

    async def delete(self, ref: str) -> bool:
        if not await self.exists(ref):
            return False
        await self._call("rm_file", self._at(ref))
        return True

    async def refs(self, tenant: str = "") -> AsyncIterator[str]:
        base = f"{self._root}/{tenant}" if tenant else self._root
        for found in sorted(await self._call("find", base)):
            match = _REF.search(str(found))
            if match:
                yield match[0]

    def _at(self, ref: str) -> str:
        return f"{self._root}/{ref}"

    async def _call(self, verb: str, *arguments: Any) -> Any:
        try:
            return await asyncio.to_thread(getattr(self._system, verb), *arguments)
        except FileNotFoundError:
            raise NotFound("there is no such blob", code="blob_not_found") from None
        except OSError as error:
            raise StorageError(
                "the object store did not answer",
                code="blobs_unavailable",
                hint="Check its address and credentials.",
            ) from error


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _disk_error(error: OSError) -> StorageError:
    import errno

    if error.errno == errno.ENOSPC:
        return StorageError(
            "the disk is full", code="disk_full", hint="Nothing was stored. Free space and retry."
        )
    return StorageError(
        "the blob folder cannot be written",
        code="blobs_unavailable",
        hint="Check that it exists and is ours.",
    )
