"""A tree of files, wherever it lies: what the files connector asks of a folder, a bucket, a share or a repository."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

from countersign.domain.errors import SourceError
from countersign.domain.text import storable

MAX_FILES = 5_000_000
MAX_DEPTH = 64
UNREADABLE_NAME = "source_name_unreadable"
TOO_DEEP = "source_folder_too_deep"
TOO_LONG = "source_name_too_long"
OF_ATTACHMENT = "source_name_of_attachment"
FOLDER_UNREADABLE = "source_folder_unreadable"
_MAX_PATH_BYTES = 2_000
"""Of an id: what an index of a database can still hold."""
_AHEAD = timedelta(days=1)
_ATTACHED = re.compile(r"\.(?:eml|msg)#", re.IGNORECASE)
"""An attachment is called by its mail's name, `#` and its own: a file of that name would be taken for it."""
_OF_SYSTEMS = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini"})
_MAX_UNREADABLE = 1_000
_LOCK = "~$"
"""Office lays `~$report.docx` beside a document while somebody has it open."""


@dataclass(frozen=True, slots=True)
class PosixNode:
    """What a file system says of who may pass a folder or read a file."""

    name: str
    mode: int
    owner: int
    group: int
    acl: bytes = b""
    """`system.posix_acl_access` as the kernel gives it; empty where there is none."""
    strange: bool = False
    """There are rights of a kind that is not read here."""


@dataclass(frozen=True, slots=True)
class Found:
    """One name in a folder."""

    name: str
    is_folder: bool
    size: int = 0
    revision: str = ""
    modified: datetime | None = None
    node: PosixNode | None = None


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file: its path below the root with `/` between names, and what is known before it is read."""

    path: str
    size: int
    revision: str = ""
    """Changes whenever the content may have changed; empty where that cannot be told."""
    modified: datetime | None = None
    problem: str = ""
    way: tuple[PosixNode, ...] = ()
    """From the root to the file itself, where the file system tells."""


class FileTree(Protocol):
    """Every method raises `SourceError` when the store as a whole fails: a listing is whole or it is an error."""

    kind: Literal["local", "remote"]

    def connect(self) -> None:
        """Reach the store and find the root there (`source_folder_missing`)."""
        ...

    def entries(self) -> Iterator[FileEntry]: ...

    def read(self, path: str, max_bytes: int) -> bytes:
        """At most `max_bytes` + 1 bytes. Raises `SourceError` (`source_file_gone`)."""
        ...

    def close(self) -> None:
        """Let go of connections; nothing is asked of it afterwards."""
        ...


def walk(listing: Callable[[str], Iterable[Found]], way: tuple[PosixNode, ...] = ()) -> Iterator[FileEntry]:
    """Every file below the root, folder by folder. `listing` takes a path below the root, "" for the root itself.

    Hidden names are left out; what cannot be descended into, or has a name that could lead elsewhere, is told. A folder
    that cannot be read is told and ends the listing, but only once all the others were listed.
    """
    folders: list[tuple[str, tuple[PosixNode, ...]]] = [("", way)]
    unreadable: list[SourceError] = []
    count = 0
    while folders:
        folder, nodes = folders.pop()
        for found in _readable(listing, folder, unreadable):
            if isinstance(found, FileEntry):
                yield found
                continue
            if is_hidden(found.name):
                continue
            count += 1
            if count > MAX_FILES:
                raise SourceError(f"more than {MAX_FILES} files", code="source_too_large")
            path = f"{folder}/{found.name}" if folder else found.name
            passed = (*nodes, found.node) if found.node is not None else nodes
            if not sound_name(found.name):
                yield FileEntry(path, found.size, problem=UNREADABLE_NAME)
            elif not found.is_folder:
                yield FileEntry(path, found.size, found.revision, found.modified, objection(path), passed)
            elif path.count("/") >= MAX_DEPTH:
                yield FileEntry(path, 0, problem=TOO_DEEP)
            else:
                folders.append((path, passed))
    if unreadable:
        raise unreadable[0]


def _readable(
    listing: Callable[[str], Iterable[Found]], folder: str, unreadable: list[SourceError]
) -> Iterator[Found | FileEntry]:
    """What `folder` holds; an entry for itself where it cannot be read."""
    try:
        yield from listing(folder)
    except SourceError as error:
        if error.code != FOLDER_UNREADABLE:
            raise
        unreadable.append(error)
        if len(unreadable) > _MAX_UNREADABLE:
            raise
        if folder:
            yield FileEntry(folder, 0, problem=FOLDER_UNREADABLE if storable(folder) else UNREADABLE_NAME)


def is_hidden(name: str) -> bool:
    """Names that people do not see in their folder: no documents."""
    return name.startswith((".", _LOCK)) or name.casefold() in _OF_SYSTEMS


def sound_name(name: str) -> bool:
    """May this be one step of a path: a server can name a file `..` or `a/b`."""
    return name not in ("", ".", "..") and not set(name) & {"/", "\0"}


def sound_path(path: str) -> bool:
    return all(sound_name(name) for name in path.split("/"))


def objection(path: str) -> str:
    """Why this path cannot be an id; empty where it can."""
    if not storable(path) or not sound_path(path):
        return UNREADABLE_NAME
    if _ATTACHED.search(path):
        return OF_ATTACHMENT
    return TOO_LONG if len(path.encode()) > _MAX_PATH_BYTES else ""


def believed(moment: datetime | None) -> datetime | None:
    """A file's own time; None for one that cannot be true (before 1980, or in the future)."""
    if moment is None or moment.year < 1980 or moment > datetime.now(UTC) + _AHEAD:
        return None
    return moment


def moment_of(stamp_s: float | None) -> datetime | None:
    """Seconds since 1970, from a server that may say anything."""
    try:
        return believed(datetime.fromtimestamp(stamp_s, UTC)) if stamp_s else None
    except (ValueError, OverflowError, OSError):
        return None


def settled(revision: str, modified_s: float, grain_s: float) -> str:
    """The revision, or empty while another change could fall into the same tick of the store's clock and look the same.

    As git does with its index ("racily clean" entries): a file changed just now is read again at the next pass.
    """
    return "" if time.time() - modified_s < grain_s else revision


def folder_missing(source: str) -> SourceError:
    return SourceError(
        f"source {source}: the folder is not there",
        code="source_folder_missing",
        hint=f"Check `sources.{source}.url`; nothing was removed from the index.",
    )


def folder_unreadable(source: str) -> SourceError:
    return SourceError(
        f"source {source}: a folder could not be read",
        code=FOLDER_UNREADABLE,
        hint="Let the service's user read every folder of it; nothing was removed from the index.",
    )


def file_gone(path: str, why: str) -> SourceError:
    return SourceError(f"{path} could not be read: {why}", code="source_file_gone")


def unreachable(source: str, error: BaseException) -> SourceError:
    """Only the kind of failure is told: what a library says of it may hold an address with a key in it."""
    return SourceError(
        f"source {source}: the server does not answer, or broke off ({type(error).__name__})",
        code="source_unavailable",
        hint="Nothing was removed from the index. Check the address and the server; the next pass begins again.",
    )


def refused(source: str) -> SourceError:
    return SourceError(
        f"source {source}: the server refuses these credentials",
        code="source_credentials_refused",
        hint=f"Check `sources.{source}.options`; nothing was removed from the index.",
    )
