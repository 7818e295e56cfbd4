"""A bucket, or what lies under a prefix of it, on anything that speaks S3."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Literal

from countersign.domain.errors import SourceError
from countersign.sources.extras import load
from countersign.sources.trees import (
    MAX_FILES,
    FileEntry,
    believed,
    file_gone,
    folder_missing,
    is_hidden,
    objection,
    refused,
    sound_path,
    unreachable,
)

_AT_A_TIME = 1_000
_RETRIES: Mapping[str, Any] = {"max_retries": 3, "retry_timeout": timedelta(seconds=60)}


class S3Tree:
    """`config` is as obstore's `S3Store` takes it. Keys of a bucket are no folders: one listing tells them all, page by page."""

    kind: Literal["local", "remote"] = "remote"

    def __init__(
        self, source: str, bucket: str, prefix: str, config: Mapping[str, Any], client: Mapping[str, Any]
    ) -> None:
        self._source = source
        self._failure: type[Exception] = load("obstore.exceptions", "S3").BaseError
        self._bad_path: type[Exception] = load("obstore.exceptions", "S3").InvalidPathError
        store = load("obstore.store", "S3").S3Store
        with self._telling():
            self._store = store(
                bucket,
                prefix=prefix or None,
                client_options=dict(client),
                retry_config=dict(_RETRIES),
                **config,
            )

    def connect(self) -> None:
        with self._telling():
            next(iter(self._store.list(chunk_size=1)), None)

    def entries(self) -> Iterator[FileEntry]:
        with self._telling():
            count = 0
            for page in self._store.list(chunk_size=_AT_A_TIME):
                count += len(page)
                if count > MAX_FILES:
                    raise SourceError(f"more than {MAX_FILES} files", code="source_too_large")
                for known in page:
                    entry = _entry(known)
                    if entry is not None:
                        yield entry

    def read(self, path: str, max_bytes: int) -> bytes:
        if not sound_path(path):
            raise SourceError(f"{path!r} is outside its source", code="source_file_gone")
        content = bytearray()
        try:
            with self._telling():
                for piece in self._store.get(path).stream(min_chunk_size=1024 * 1024):
                    content += bytes(piece)
                    if len(content) > max_bytes:
                        break
        except FileNotFoundError as error:
            raise file_gone(path, "no such object") from error
        return bytes(content[: max_bytes + 1])

    def close(self) -> None:
        """It holds nothing open."""

    @contextmanager
    def _telling(self) -> Generator[None]:
        try:
            yield
        except self._bad_path as error:
            raise SourceError(
                f"source {self._source}: an object's key has an empty step, `..` or a control character",
                code="source_key_invalid",
                hint="Rename that object or point `url` at another prefix; nothing was removed from the index.",
            ) from error
        except self._failure as error:
            raise self._told(str(error)) from None  # its text repeats what the server said

    def _told(self, text: str) -> SourceError:
        """The library has one kind of error for most replies; their status is in its text."""
        if any(sign in text for sign in ("401 Unauthorized", "403 Forbidden", "missing or failing")):
            return refused(self._source)
        if "404 Not Found" in text:
            return folder_missing(self._source)
        return unreachable(self._source, OSError())


def _entry(known: Mapping[str, Any]) -> FileEntry | None:
    path, size = str(known["path"]), int(known["size"])
    steps = path.split("/")
    is_marker = size == 0 and "." not in steps[-1]  # of a folder: the library drops its last slash
    if is_marker or any(is_hidden(step) for step in steps):
        return None
    tag, version = known.get("e_tag") or "", known.get("version") or ""
    modified = believed(known.get("last_modified"))
    return FileEntry(path, size, f"{tag}{version}-{size}" if tag else "", modified, objection(path))
