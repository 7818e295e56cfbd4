"""A folder on an SFTP server whose host key is known."""

from __future__ import annotations

import stat
import threading
import weakref
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from countersign.domain.errors import SourceError
from countersign.sources.extras import load
from countersign.sources.ssh import SshAddress, SshSettings, ending, open_transport
from countersign.sources.trees import (
    FileEntry,
    Found,
    PosixNode,
    file_gone,
    folder_missing,
    folder_unreadable,
    moment_of,
    settled,
    sound_path,
    unreachable,
    walk,
)

_GRAIN_S = 120.0
"""The protocol tells whole seconds, by the server's clock, which need not be ours."""


class SftpTree:
    """Links are not followed. Files are read on a channel of their own, so that a listing may go on meanwhile."""

    kind: Literal["local", "remote"] = "remote"

    def __init__(self, address: SshAddress, root: str, settings: SshSettings) -> None:
        self._paramiko = load("paramiko", "SFTP")
        self._address = address
        self._root = root.rstrip("/") or "/"
        self._settings = settings
        self._lock = threading.Lock()
        self._transport: Any = None
        self._reader: Any = None
        self._folders: set[str] = set()
        self._failures: tuple[type[Exception], ...] = (self._paramiko.SSHException, EOFError, OSError)

    def connect(self) -> None:
        with self._lock, self._telling():
            try:
                status = self._channel().stat(self._root)
            except FileNotFoundError:
                raise folder_missing(self._settings.source) from None
            if not stat.S_ISDIR(status.st_mode or 0):
                raise folder_missing(self._settings.source)

    def entries(self) -> Iterator[FileEntry]:
        with self._lock, self._telling():
            self._channel()
            lister = self._open()
            root = _node("", lister.stat(self._root))
        yield from walk(lambda folder: self._listing(lister, folder), (root,) if root else ())
        with self._telling():
            lister.close()

    def read(self, path: str, max_bytes: int) -> bytes:
        if not sound_path(path):
            raise SourceError(f"{path!r} is outside its source", code="source_file_gone")
        place = self._place(path)
        with self._lock, self._telling():
            channel = self._channel()
            try:
                self._check_way(channel, path)
                status = channel.lstat(_encoded(place))
                if not stat.S_ISREG(status.st_mode or 0):
                    raise file_gone(path, "it is not a file")
                with channel.open(_encoded(place), "rb") as file:
                    file.prefetch(min(int(status.st_size or 0), max_bytes + 1), max_concurrent_requests=16)
                    return bytes(file.read(max_bytes + 1))
            except (TimeoutError, ConnectionError):
                raise
            except OSError as error:
                if not self._transport.is_active():
                    raise
                raise file_gone(path, "the server does not open it") from error

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _check_way(self, channel: Any, path: str) -> None:
        """No folder on the way may be a link: it could lead out of the source."""
        steps = path.split("/")[:-1]
        for count in range(1, len(steps) + 1):
            folder = "/".join(steps[:count])
            if folder in self._folders:
                continue
            if not stat.S_ISDIR(channel.lstat(_encoded(self._place(folder))).st_mode or 0):
                raise SourceError(f"{path!r} is outside its source", code="source_file_gone")
            self._folders.add(folder)

    def _place(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}" if path else self._root

    def _listing(self, lister: Any, folder: str) -> Iterator[Found]:
        try:
            with self._telling():
                for name, known in self._names(lister, self._place(folder)):
                    found = _found(name, known)
                    if found is not None:
                        yield found
        except FileNotFoundError:
            if not folder:
                raise folder_missing(self._settings.source) from None
        except PermissionError as error:
            raise folder_unreadable(self._settings.source) from error

    def _names(self, lister: Any, place: str) -> Iterator[tuple[str, Any]]:
        """What `listdir_iter` does, but with names as bytes: one in an old code page would end the whole listing there.

        The server's "end of folder" is the only `EOFError`; a connection that breaks off is an `SSHException`.
        """
        sftp = self._paramiko.sftp
        attributes = self._paramiko.SFTPAttributes
        _, opened = lister._request(sftp.CMD_OPENDIR, _encoded(place))
        handle = opened.get_string()
        try:
            while True:
                _, reply = lister._request(sftp.CMD_READDIR, handle)
                for _ in range(reply.get_int()):
                    name = reply.get_string().decode("utf-8", "surrogateescape")
                    reply.get_string()  # a line for people to read
                    yield name, attributes._from_msg(reply, name)
        except EOFError:
            lister._request(sftp.CMD_CLOSE, handle)

    def _channel(self) -> Any:
        """The channel for reading, opened again after the connection was lost."""
        if self._reader is None or not self._transport.is_active():
            if self._transport is not None:
                self._transport.close()
            self._transport = open_transport(self._address, self._settings)
            weakref.finalize(self, self._transport.close)  # a thread of its own keeps it open otherwise
            self._reader = self._open()
        return self._reader

    def _open(self) -> Any:
        limit_s = self._settings.timeout_s
        with ending(self._transport, limit_s):
            session = self._transport.open_session(timeout=limit_s)
            session.settimeout(limit_s)
            session.invoke_subsystem("sftp")
            return self._paramiko.SFTPClient(session)

    @contextmanager
    def _telling(self) -> Generator[None]:
        try:
            yield
        except (FileNotFoundError, PermissionError):
            raise
        except self._failures as error:
            raise unreachable(self._settings.source, error) from error


def _encoded(place: str) -> bytes:
    return place.encode("utf-8", "surrogateescape")


def _found(name: str, known: Any) -> Found | None:
    mode = known.st_mode or 0
    if stat.S_ISDIR(mode):
        return Found(name, is_folder=True, node=_node(name, known))
    if not stat.S_ISREG(mode):
        return None
    size, modified = int(known.st_size or 0), float(known.st_mtime or 0)
    revision = settled(f"{size}-{modified:.0f}", modified, _GRAIN_S) if modified else ""
    return Found(
        name,
        is_folder=False,
        size=size,
        revision=revision,
        modified=moment_of(modified),
        node=_node(name, known),
    )


def _node(name: str, known: Any) -> PosixNode | None:
    if known.st_mode is None or known.st_uid is None or known.st_gid is None:
        return None
    return PosixNode(name, int(known.st_mode), int(known.st_uid), int(known.st_gid))
