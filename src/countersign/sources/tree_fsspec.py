"""Whatever else fsspec reads: an archive, an in-memory file system, a store whose package is installed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal

from countersign.domain.errors import ConfigError, SourceError
from countersign.sources.trees import (
    FileEntry,
    Found,
    believed,
    file_gone,
    folder_missing,
    folder_unreadable,
    moment_of,
    sound_path,
    unreachable,
    walk,
)


class FsspecTree:
    """Takes no options: such a store finds its credentials by itself. Content is read at every pass, since what changes
    with it differs from store to store."""

    kind: Literal["local", "remote"] = "remote"

    def __init__(self, source: str, url: str) -> None:
        from fsspec.core import url_to_fs

        self._source = source
        try:
            self._fs: Any
            self._root: str
            self._fs, self._root = url_to_fs(url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise ConfigError(
                f"source {source}: nothing here reads {url.split('://', 1)[0]}://",
                code="connector_unavailable",
                hint="Use a folder, s3://, sftp://, https:// (WebDAV) or smb://, or install the fsspec package for it.",
            ) from error

    def connect(self) -> None:
        if not self._fs.isdir(self._root):
            raise folder_missing(self._source)

    def entries(self) -> Iterator[FileEntry]:
        return walk(self._listing)

    def read(self, path: str, max_bytes: int) -> bytes:
        if not sound_path(path):
            raise SourceError(f"{path!r} is outside its source", code="source_file_gone")
        try:
            with self._fs.open(self._place(path), "rb") as file:
                return bytes(file.read(max_bytes + 1))
        except OSError as error:
            raise file_gone(path, error.strerror or type(error).__name__) from error

    def close(self) -> None:
        """It holds nothing open."""

    def _place(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}" if path else self._root

    def _listing(self, folder: str) -> Iterator[Found]:
        try:
            known: list[dict[str, Any]] = self._fs.ls(self._place(folder), detail=True)
        except FileNotFoundError:
            if folder:
                return
            raise folder_missing(self._source) from None
        except PermissionError as error:
            raise folder_unreadable(self._source) from error
        except OSError as error:
            raise unreachable(self._source, error) from error
        for info in sorted(known, key=lambda info: str(info["name"])):
            name = str(info["name"]).rstrip("/").rsplit("/", 1)[-1]
            if str(info["name"]).rstrip("/") == self._place(folder).rstrip("/") or info.get("islink"):
                continue
            if info.get("type") == "directory":
                yield Found(name, is_folder=True)
            elif info.get("type") == "file":
                yield Found(name, is_folder=False, size=int(info.get("size") or 0), modified=_modified(info))


def _modified(info: dict[str, Any]) -> datetime | None:
    stamp = info.get("mtime") or info.get("LastModified") or info.get("created")
    if isinstance(stamp, datetime):
        return believed(stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC))
    return moment_of(float(stamp)) if isinstance(stamp, int | float) else None
