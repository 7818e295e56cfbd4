"""A repository on a server, kept as a bounded bare copy in the connector's cache; losing the cache costs a fetch."""

from __future__ import annotations

import shutil
import struct
import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any
from urllib.parse import SplitResult, unquote, urlunsplit

from countersign.domain.errors import SourceError
from countersign.sources.extras import load
from countersign.sources.ssh import SshAddress, SshSettings, ending, open_transport
from countersign.sources.trees import refused, unreachable


@dataclass(frozen=True, slots=True, repr=False)
class Remote:
    """Where the repository is and how much of it may come."""

    source: str
    address: SplitResult
    ref: str
    user: str
    password: str
    ssh: SshSettings
    depth: int
    max_bytes: int
    timeout_s: float


def failures() -> tuple[type[Exception], ...]:
    """What the library raises on a reply that broke off or is no git: it checks sums, lengths and formats as it reads."""
    errors = load("dulwich.errors", "git")
    submodule: type[Exception] = load("dulwich.objects", "git").SubmoduleEncountered
    return (
        submodule,
        errors.GitProtocolError,
        errors.NotGitRepository,
        errors.ChecksumMismatch,
        errors.FileFormatException,
        errors.ObjectFormatException,
        errors.WrongObjectException,
        errors.MissingCommitError,
        OSError,
        EOFError,
        ValueError,
        KeyError,
        AssertionError,
        struct.error,
        zlib.error,
    )


def fetch(remote: Remote, cache: Path) -> tuple[Any, bytes]:
    """(repository, id of what `ref` means now). A cache that cannot be used is thrown away, once."""
    place = cache / "repository.git"
    if place.exists() and _size(place) <= remote.max_bytes:
        try:
            return _fetch(remote, place)
        except SourceError as error:
            if error.code != "source_unavailable" or not _is_damaged(place):
                raise
    shutil.rmtree(place, ignore_errors=True)
    return _fetch(remote, place)


def find_ref(source: str, ref: str, refs: Mapping[bytes, bytes | None]) -> bytes:
    """The id that a branch, a tag or a full name stands for. Raises `SourceError` (`source_ref_missing`)."""
    name = ref.encode()
    for candidate in (name, b"refs/heads/" + name, b"refs/tags/" + name):
        found = refs.get(candidate)
        if found:
            return found
    raise SourceError(
        f"source {source}: the repository has no branch or tag {ref!r}",
        code="source_ref_missing",
        hint=f"Check `sources.{source}.options.ref`; nothing was removed from the index.",
    )


def _fetch(remote: Remote, place: Path) -> tuple[Any, bytes]:
    repos = load("dulwich.repo", "git")
    unauthorized: type[Exception] = load("dulwich.client", "git").HTTPUnauthorized
    wanted: list[bytes] = []
    repo: Any = None
    try:
        repo = _opened(repos, place)
        client, path = _client(remote)

        def determine_wants(refs: Mapping[bytes, bytes | None], depth: int | None = None) -> Sequence[bytes]:
            wanted.append(find_ref(remote.source, remote.ref, refs))
            return [] if wanted[0] in repo.object_store and not remote.depth else [wanted[0]]

        with tempfile.TemporaryFile(dir=place) as pack:
            result = client.fetch_pack(
                path,
                determine_wants,
                repo.get_graph_walker(),
                _counted(remote, pack.write),
                depth=remote.depth or None,
            )
            if pack.tell():
                pack.seek(0)
                repo.object_store.add_thin_pack(pack.read, None)
        repo.update_shallow(result.new_shallow, result.new_unshallow)
        head = wanted[0]
        _ = repo.object_store[head]  # what was promised has come
        repo.refs[b"refs/heads/read"] = head
    except unauthorized:
        _close(repo)
        raise refused(remote.source) from None
    except failures() as error:
        _close(repo)
        raise unreachable(remote.source, error) from None  # its text may repeat the address
    except SourceError:
        _close(repo)
        raise
    return repo, head


def _opened(repos: Any, place: Path) -> Any:
    if place.exists():
        return repos.Repo(str(place))
    place.mkdir(parents=True)
    return repos.Repo.init_bare(str(place))


def _close(repo: Any) -> None:
    if repo is not None:
        repo.close()


def _is_damaged(place: Path) -> bool:
    """Whether the copy itself is at fault: it does not open, or lacks what it says it has."""
    repos = load("dulwich.repo", "git")
    try:
        repo = repos.Repo(str(place))
    except failures():
        return True
    try:
        head = repo.refs[b"refs/heads/read"]
        for _ in repo.get_walker([head], max_entries=100):
            pass
        for entry in repo.object_store.iter_tree_contents(commit_of(repo, head).tree):
            if S_ISREG(entry.mode) and entry.sha not in repo.object_store:
                return True
    except failures():
        return True
    finally:
        repo.close()
    return False


def commit_of(repo: Any, name: bytes) -> Any:
    """The commit behind an id, through annotated tags."""
    found = repo.object_store[name]
    while found.type_name == b"tag":
        found = repo.object_store[found.object[1]]
    if found.type_name != b"commit":
        raise ValueError("not a commit")
    return found


def _counted(remote: Remote, write: Callable[[bytes], int]) -> Callable[[bytes], int]:
    came = 0

    def counted(data: bytes) -> int:
        nonlocal came
        came += len(data)
        if came > remote.max_bytes:
            raise SourceError(
                f"source {remote.source}: the repository is larger than `max_size` allows",
                code="source_too_large",
                hint=f"Raise `sources.{remote.source}.options.max_size`, or say `depth`. Nothing was removed.",
            )
        return write(data)

    return counted


def _size(place: Path) -> int:
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())


def _client(remote: Remote) -> tuple[Any, str]:
    clients = load("dulwich.client", "git")
    parts = remote.address
    if parts.scheme in ("https", "http"):
        host = parts.netloc.rsplit("@", 1)[-1]
        base = urlunsplit((parts.scheme, host, "/", "", ""))
        client = clients.Urllib3HttpGitClient(
            base, username=remote.user or None, password=remote.password or None, timeout=remote.timeout_s
        )
        return client, parts.path
    address = SshAddress(parts.hostname or "", parts.port or 22, remote.user)
    vendor = _Vendor(address, remote.ssh)
    return clients.SSHGitClient(address.host, address.port, remote.user, vendor=vendor), unquote(parts.path)


class _Vendor:
    """How the library starts a command on a server: over our own connection, with a known host key."""

    def __init__(self, address: SshAddress, settings: SshSettings) -> None:
        self._address = address
        self._settings = settings

    def run_command(self, host: str, command: bytes, **_: object) -> _Command:
        transport = open_transport(self._address, self._settings)
        with ending(transport, self._settings.timeout_s):
            session = transport.open_session(timeout=self._settings.timeout_s)
            session.settimeout(self._settings.timeout_s)
            session.exec_command(command)
        return _Command(transport, session)


class _Command:
    """The ends of a running command, as the library wants them."""

    def __init__(self, transport: Any, session: Any) -> None:
        self._transport = transport
        self._session = session
        self._out = session.makefile("rb", 65536)

    def read(self, count: int | None = None) -> bytes:
        return bytes(self._out.read(count))

    def write(self, data: bytes) -> int:
        self._session.sendall(data)
        return len(data)

    def can_read(self) -> bool:
        return bool(self._session.recv_ready())

    def close(self) -> None:
        self._session.close()
        self._transport.close()
