"""A folder of this machine."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from countersign.domain.errors import SourceError
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
    walk,
)

_GRAIN_S = 2.0
_AT_A_TIME = 1_000
_POSIX_ACL = "system.posix_acl_access"
_STRANGE_ACLS = frozenset({"system.nfs4_acl", "system.cifs_acl", "system.richacl", "security.NTACL"})
_NO_ACL = frozenset({errno.ENODATA, errno.ENOTSUP, errno.EOPNOTSUPP})


class LocalTree:
    kind: Literal["local", "remote"] = "local"

    def __init__(self, source: str, root: Path, *, rights: bool = False) -> None:
        """`rights` also reads modes and ACLs of every file and folder."""
        self._source = source
        self._root = root
        self._rights = rights

    def connect(self) -> None:
        if not self._root.is_dir():
            raise folder_missing(self._source)

    def entries(self) -> Iterator[FileEntry]:
        """Raises `SourceError` at the end when the root is another folder by then: an unmounted share looks empty."""
        before = self._root_status()
        way = (_node(str(self._root), "", before),) if self._rights else ()
        yield from walk(self._listing, way)
        if not os.path.samestat(before, self._root_status()):
            raise folder_missing(self._source)

    def _root_status(self) -> os.stat_result:
        try:
            return self._root.stat()
        except FileNotFoundError:
            raise folder_missing(self._source) from None
        except OSError as error:
            raise folder_unreadable(self._source) from error

    def read(self, path: str, max_bytes: int) -> bytes:
        place = self._inside(path)
        try:
            # without waiting: a pipe that took the file's place would never end
            with os.fdopen(os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise file_gone(path, "it is not a file")
                return file.read(max_bytes + 1)
        except OSError as error:
            raise file_gone(path, error.strerror or type(error).__name__) from error

    def close(self) -> None:
        """It holds nothing open."""

    def _inside(self, path: str) -> Path:
        """An id is data: it must not climb out of the source, by dots or by a link."""
        try:
            root = self._root.resolve()
            if sound_path(path) and (root / path).resolve() == root / path:
                return root / path
        except (OSError, ValueError, RuntimeError):  # a loop of links, a name too long
            pass
        raise SourceError(f"{path!r} is outside its source", code="source_file_gone")

    def _listing(self, folder: str) -> Iterator[Found]:
        """Names first: a million of them fit into memory, a million of everything known about them would not."""
        place = f"{self._root}/{folder}" if folder else str(self._root)
        try:
            with os.scandir(place) as entries:
                names = sorted(entry.name for entry in entries)
        except FileNotFoundError:
            if folder:  # it went away since its parent was read
                return
            raise folder_missing(self._source) from None
        except OSError as error:
            raise folder_unreadable(self._source) from error
        for start in range(0, len(names), _AT_A_TIME):
            found = [self._look(f"{place}/{name}", name) for name in names[start : start + _AT_A_TIME]]
            yield from (each for each in found if each is not None)

    def _look(self, place: str, name: str) -> Found | None:
        """None for what is neither a file nor a folder, or gone by now. A link is neither: it would show a file under
        the rights of another place."""
        try:
            status = os.lstat(place)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise folder_unreadable(self._source) from error
        if stat.S_ISDIR(status.st_mode):
            node = _node(place, name, status) if self._rights else None
            return Found(name, is_folder=True, node=node)
        if not stat.S_ISREG(status.st_mode):
            return None
        revision = f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"
        return Found(
            name,
            is_folder=False,
            size=status.st_size,
            revision=settled(revision, status.st_ctime, _GRAIN_S),
            modified=moment_of(status.st_mtime),
            node=_node(place, name, status) if self._rights else None,
        )


def _node(place: str, name: str, status: os.stat_result) -> PosixNode:
    acl, strange = b"", False
    try:
        attributes = set(os.listxattr(place)) if hasattr(os, "listxattr") else set[str]()
        strange = bool(attributes & _STRANGE_ACLS)
        if _POSIX_ACL in attributes:
            acl = os.getxattr(place, _POSIX_ACL)
    except OSError as error:
        strange = error.errno not in _NO_ACL
    return PosixNode(name, status.st_mode, status.st_uid, status.st_gid, acl, strange)
