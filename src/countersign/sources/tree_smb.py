"""A folder of a Windows or Samba share (SMB 2 and 3)."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from countersign.domain.errors import SourceError
from countersign.domain.workspace import Secret
from countersign.sources.extras import load
from countersign.sources.trees import (
    FileEntry,
    Found,
    file_gone,
    folder_missing,
    folder_unreadable,
    moment_of,
    refused,
    settled,
    sound_path,
    unreachable,
    walk,
)

_GRAIN_S = 120.0
_FOLDER, _REPARSE_POINT = 0x10, 0x400
_NAME_SURROGATE = 0x20000000
"""In a reparse tag: it stands for another place. A deduplicated or archived file has a tag without it, and is a file."""


@dataclass(frozen=True, slots=True, repr=False)
class SmbSettings:
    source: str
    host: str
    port: int
    share: str
    folder: str
    user: str
    password: Secret | None
    encrypt: bool
    timeout_s: float


class SmbTree:
    """Messages are signed, and encrypted when asked for. Links and junctions are not followed."""

    kind: Literal["local", "remote"] = "remote"

    def __init__(self, settings: SmbSettings) -> None:
        self._settings = settings
        self._smb = load("smbclient", "SMB")
        self._paths = load("smbclient.path", "SMB")
        errors = load("smbprotocol.exceptions", "SMB")
        self._refusals: tuple[type[Exception], ...] = (errors.SMBAuthenticationError, errors.LogonFailure)
        self._failures: tuple[type[Exception], ...] = (errors.SMBException, OSError, ValueError)
        folder = settings.folder.replace("/", "\\").strip("\\")
        share = f"\\\\{settings.host}\\{settings.share}"
        self._root = f"{share}\\{folder}" if folder else share
        self._how: dict[str, Any] = {"port": settings.port, "connection_cache": {}}
        self._is_open = False

    def connect(self) -> None:
        with self._telling():
            self._open()
            if not self._paths.isdir(self._root, **self._how):
                raise folder_missing(self._settings.source)

    def entries(self) -> Iterator[FileEntry]:
        with self._telling():
            self._open()
        yield from walk(self._listing)

    def read(self, path: str, max_bytes: int) -> bytes:
        if not sound_path(path) or "\\" in path:
            raise SourceError(f"{path!r} is outside its source", code="source_file_gone")
        try:
            with (
                self._telling(),
                self._smb.open_file(self._place(path), mode="rb", share_access="rwd", **self._how) as file,
            ):
                return bytes(file.read(max_bytes + 1))
        except (FileNotFoundError, PermissionError) as error:
            raise file_gone(path, "it cannot be opened") from error

    def close(self) -> None:
        self._smb.reset_connection_cache(fail_on_error=False, connection_cache=self._how["connection_cache"])

    def _open(self) -> None:
        if self._is_open:
            return
        settings = self._settings
        self._smb.register_session(
            settings.host,
            username=settings.user or None,
            password=settings.password.value if settings.password else None,
            encrypt=settings.encrypt or None,
            connection_timeout=settings.timeout_s,
            **self._how,
        )
        self._is_open = True

    def _place(self, path: str) -> str:
        return self._root + "\\" + path.replace("/", "\\") if path else self._root

    def _listing(self, folder: str) -> Iterator[Found]:
        try:
            with self._telling(), self._smb.scandir(self._place(folder), **self._how) as names:
                for known in names:
                    found = _found(known)
                    if found is not None:
                        yield found
        except FileNotFoundError:
            if not folder:
                raise folder_missing(self._settings.source) from None
        except PermissionError as error:
            raise folder_unreadable(self._settings.source) from error

    @contextmanager
    def _telling(self) -> Generator[None]:
        try:
            yield
        except (FileNotFoundError, PermissionError):
            raise
        except self._refusals:
            raise refused(self._settings.source) from None
        except self._failures as error:
            raise unreachable(self._settings.source, error) from None


def _found(known: Any) -> Found | None:
    """From the listing itself, without another request for each file."""
    told = known.smb_info
    if told.file_attributes & _REPARSE_POINT and told.ea_size & _NAME_SURROGATE:
        return None
    name = str(known.name)
    if told.file_attributes & _FOLDER:
        return Found(name, is_folder=True)
    written, changed = _stamp(told.last_write_time), _stamp(told.change_time)
    revision = f"{told.end_of_file}-{written}-{changed}"
    return Found(
        name,
        is_folder=False,
        size=int(told.end_of_file),
        revision=settled(revision, changed or written, _GRAIN_S),
        modified=moment_of(written),
    )


def _stamp(moment: datetime | None) -> float:
    if moment is None:
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
