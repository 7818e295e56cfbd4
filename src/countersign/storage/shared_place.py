"""A folder that several processes share, on a disk or in an object store: small files that are replaced whole, or not at all.

`swap` replaces a file only if it is still the one that was read. That, and nothing about time, is what keeps a process
that believes it leads from undoing the work of the one that does.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from countersign.domain.errors import ConfigError, Conflict, StorageError
from countersign.domain.workspace import ObjectStorage

_SCHEME = "s3"


class Place(Protocol):
    """`name` is a path below the place, of our own making; nothing from outside becomes one."""

    @property
    def uri(self) -> str: ...

    @property
    def options(self) -> Mapping[str, str]:
        """What a library that opens `uri` itself has to be told; holds secrets."""
        ...

    def below(self, name: str) -> Place: ...

    def read(self, name: str) -> tuple[bytes, str] | None:
        """Content and a tag that names exactly this content; None when there is none."""
        ...

    def write(self, name: str, content: bytes) -> None: ...

    def swap(self, name: str, content: bytes, tag: str | None) -> str:
        """Replace what `tag` names (None = nothing there yet); returns the new tag. `Conflict` when it is another."""
        ...

    def names(self, prefix: str = "") -> list[str]:
        """Every file below `prefix`, which ends a folder's name or is empty."""
        ...

    def remove(self, prefix: str) -> None:
        """A file, or a folder with all that is in it; nothing when absent."""
        ...


def open_place(url: str, settings: ObjectStorage) -> Place:
    """A local folder or `s3://bucket/prefix`. Raises `ConfigError` for another kind of address."""
    if "://" not in url:
        return LocalPlace(Path(url))
    if urlsplit(url).scheme != _SCHEME:
        raise ConfigError(
            f"{urlsplit(url).scheme}:// cannot be shared by several machines",
            code="storage_unsupported",
            hint="Use s3://bucket/prefix, or a folder that all of them mount.",
        )
    return ObjectPlace(url, settings)


class LocalPlace:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def uri(self) -> str:
        return str(self.folder)

    @property
    def options(self) -> Mapping[str, str]:
        return {}

    def below(self, name: str) -> LocalPlace:
        return LocalPlace(self.folder / name)

    def read(self, name: str) -> tuple[bytes, str] | None:
        try:
            content = (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unavailable(error) from error
        return content, _tag(content)

    def write(self, name: str, content: bytes) -> None:
        put_file(self.folder / name, content)

    def swap(self, name: str, content: bytes, tag: str | None) -> str:
        with self._alone(name):
            known = self.read(name)
            if (known[1] if known else None) != tag:
                raise _changed(name)
            self.write(name, content)
        return _tag(content)

    @contextmanager
    def _alone(self, name: str) -> Generator[None]:
        import fcntl

        path = self.folder / f"{name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def names(self, prefix: str = "") -> list[str]:
        found = (self.folder / prefix).rglob("*") if self.folder.is_dir() else iter(())
        return sorted(path.relative_to(self.folder).as_posix() for path in found if path.is_file())

    def remove(self, prefix: str) -> None:
        path = self.folder / prefix
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    size: int
    versioned: bool
    """The bucket keeps what is deleted or replaced as an old version."""


class ObjectPlace:
    """An S3-compatible bucket, through obstore. Needs the extra `scale`."""

    def __init__(self, url: str, settings: ObjectStorage) -> None:
        self.uri = url.rstrip("/")
        self._settings = settings
        self.options: Mapping[str, str] = lance_options(settings)
        self.store: Any = open_store(url, settings)

    def below(self, name: str) -> ObjectPlace:
        return ObjectPlace(f"{self.uri}/{name}", self._settings)

    def read(self, name: str) -> tuple[bytes, str] | None:
        with object_errors():
            try:
                found = self.store.get(name)
            except FileNotFoundError:
                return None
            return bytes(found.bytes()), str(found.meta["e_tag"])
        return None

    def write(self, name: str, content: bytes) -> None:
        with object_errors():
            self.store.put(name, content)

    def swap(self, name: str, content: bytes, tag: str | None) -> str:
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with object_errors():
            try:
                mode: Any = "create" if tag is None else {"e_tag": tag}
                return str(self.store.put(name, content, mode=mode)["e_tag"])
            except (AlreadyExistsError, PreconditionError):
                raise _changed(name) from None
        raise _changed(name)

    def names(self, prefix: str = "") -> list[str]:
        return sorted(self._paths(prefix))

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Every object with its size in bytes."""
        with object_errors():
            for batch in self.store.list():
                yield from ((str(entry["path"]), int(entry["size"])) for entry in batch)

    def _paths(self, prefix: str) -> Iterator[str]:
        with object_errors():
            for batch in self.store.list(prefix or None):
                yield from (str(entry["path"]) for entry in batch)

    def facts(self, name: str) -> ObjectFacts | None:
        with object_errors():
            try:
                found = self.store.head(name)
            except FileNotFoundError:
                return None
            return ObjectFacts(int(found["size"]), found.get("version") not in (None, "", "null"))
        return None

    def remove(self, prefix: str) -> None:
        for name in [*self._paths(prefix), prefix]:
            self.remove_file(name)

    def remove_file(self, name: str) -> None:
        with object_errors(), suppress(FileNotFoundError):
            self.store.delete(name)


def open_store(url: str, settings: ObjectStorage) -> Any:
    """obstore's store at `s3://bucket/prefix`. Raises `ConfigError` when the extra is not installed."""
    try:
        from obstore.store import S3Store
    except ImportError:
        raise missing("obstore") from None
    parts = urlsplit(url)
    said: dict[str, Any] = {
        "endpoint": settings.endpoint,
        "region": settings.region,
        "access_key_id": settings.key.value if settings.key else "",
        "secret_access_key": settings.secret.value if settings.secret else "",
    }
    return S3Store(
        parts.netloc,
        prefix=parts.path.strip("/") or None,
        client_options={"allow_http": settings.allow_http},
        **{name: value for name, value in said.items() if value},
    )


def lance_options(settings: ObjectStorage) -> dict[str, str]:
    """The same as the library behind the index wants it."""
    said = {
        "aws_endpoint": settings.endpoint,
        "aws_region": settings.region,
        "aws_access_key_id": settings.key.value if settings.key else "",
        "aws_secret_access_key": settings.secret.value if settings.secret else "",
        "allow_http": "true" if settings.allow_http else "",
    }
    return {name: value for name, value in said.items() if value}


def missing(package: str) -> ConfigError:
    return ConfigError(
        f"the package {package} is not installed",
        code="scale_missing",
        hint="Install the extra `scale`: pip install 'countersign[scale]'.",
    )


@contextmanager
def object_errors() -> Generator[None]:
    """What an object store fails with, as an error of ours; the library's own text may hold addresses and stays out."""
    from obstore.exceptions import BaseError

    try:
        yield
    except BaseError as error:
        raise StorageError(
            "the object store did not answer",
            code="object_store_unavailable",
            hint="Check its address, its credentials and that the bucket exists.",
        ) from error


def put_file(path: Path, content: bytes) -> None:
    """Under its name only when it is whole and on disk. Raises `StorageError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.parent / f".{path.name}.{os.getpid()}.new"
        with scratch.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _unavailable(error) from error


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _tag(content: bytes) -> str:
    return sha256(content).hexdigest()


def _changed(name: str) -> Conflict:
    return Conflict(
        f"another process has replaced {name}",
        code="index_owned",
        hint="One process leads at a time; this one has been followed by another.",
    )


def _unavailable(error: OSError) -> StorageError:
    return StorageError(
        f"the shared folder cannot be used: {error.strerror}",
        code="object_store_unavailable",
        hint="Check that it is mounted, that it is ours, and that its disk has room.",
    )
