"""The git connector: the files of one branch or tag, each commit that changes one of them a new version of it.

Whoever wrote a commit is not believed: neither rights nor an owner follow from it. They come from a manifest in the
repository or from rules, as with files.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from countersign.domain.errors import SourceError
from countersign.domain.workspace import SourceSettings
from countersign.sources.described_files import DescribedFiles
from countersign.sources.extras import load
from countersign.sources.facts import Given
from countersign.sources.git_fetch import Remote, commit_of, failures, fetch, find_ref
from countersign.sources.git_times import GitFile, describe, is_pointer
from countersign.sources.options import Objection, Option
from countersign.sources.registry import Surroundings
from countersign.sources.ssh import SSH_OPTIONS
from countersign.sources.stores import ssh_settings
from countersign.sources.trees import (
    MAX_FILES,
    FileEntry,
    file_gone,
    folder_missing,
    is_hidden,
    moment_of,
    objection,
    sound_path,
    unreachable,
)

POINTER = "source_lfs_pointer"
_SCHEMES = ("", "file", "https", "http", "ssh")
_MAX_DEFAULT_BYTES = 2 * 1024**3


class GitConnector(DescribedFiles):
    OPTIONS: tuple[Option, ...] = (
        Option("ref", "text", "The one branch or tag that is read.", "HEAD"),
        Option("folder", "text", "Only what lies below it; ids begin there.", "everything"),
        Option("depth", "whole", "How many commits to fetch; older changes have no date then. 0 = all.", "0"),
        Option("max_size", "size", "The most that is fetched at once and kept.", "2 GiB"),
        Option("allow_http", "yes_no", "Let documents and credentials travel unencrypted.", "false"),
        *SSH_OPTIONS,
    )
    NEEDS_URL = True

    def __init__(self, settings: SourceSettings, around: Surroundings) -> None:
        load("dulwich.repo", "git")
        super().__init__(settings, around.tenants, GitTree(settings, around))

    @staticmethod
    def objections(settings: SourceSettings) -> Iterator[Objection]:
        scheme = urlsplit(settings.url).scheme if "://" in settings.url else ""
        given = settings.options
        if scheme not in _SCHEMES or (not scheme and "@" in settings.url.split("/")[0]):
            yield Objection(
                "url",
                "is not a repository's address",
                "write a folder, https://HOST/PATH or ssh://USER@HOST/PATH",
            )
        if scheme == "http" and not given.get("allow_http"):
            yield Objection(
                "url", "documents would travel unencrypted", "use https, or say `options.allow_http: true`"
            )
        if scheme == "ssh" and not {"known_hosts", "host_key"} & given.keys():
            yield Objection(
                "", "the server's key must be known", "add `options.host_key` or `options.known_hosts`"
            )

    def read(self, external_id: str, max_bytes: int) -> bytes:
        content = super().read(external_id, max_bytes)
        if is_pointer(content):
            raise SourceError(
                f"{external_id} is kept outside the repository (git LFS)",
                code=POINTER,
                hint="Its content is not fetched. Put the file into the repository, or read its folder with `files`.",
            )
        return content


class GitTree:
    """The files of one commit. Links and submodules are left out; nothing is ever checked out."""

    kind: Literal["local", "remote"] = "remote"

    def __init__(self, settings: SourceSettings, around: Surroundings) -> None:
        given = Given(settings.options)
        self._settings = settings
        self._around = around
        self._ref = given.text("ref", "HEAD")
        self._folder = given.text("folder").strip("/")
        self._lock = threading.Lock()
        self._repo: Any = None
        self._head: Any = None

    def connect(self) -> None:
        """Fetch what is new; a repository in a folder of this machine is read where it lies."""
        with self._lock:
            self._connect()

    def _connect(self) -> None:
        parts = urlsplit(self._settings.url) if "://" in self._settings.url else None
        if parts is None or parts.scheme == "file":
            place = Path(unquote(parts.path)) if parts else self._around.root / self._settings.url
            repo, name = self._local(place)
        else:
            repo, name = fetch(self._remote(), self._around.cache)
        weakref.finalize(self, repo.close)
        try:
            head = commit_of(repo, name)
            if self._folder:
                self._tree_of(repo, head)
        except failures() as error:
            raise unreachable(self._settings.name, error) from error
        self._repo, self._head = repo, head

    def entries(self) -> Iterator[FileEntry]:
        with self._lock:
            blobs = self._blobs()
            cache = self._around.cache / "times.json"
            try:
                files = describe(self._repo, self._head, blobs, cache)
            except failures() as error:
                raise unreachable(self._settings.name, error) from error
        for full, known in files.items():
            path = full.removeprefix(f"{self._folder}/") if self._folder else full
            yield _entry(path, known)

    def read(self, path: str, max_bytes: int) -> bytes:
        if not sound_path(path):
            raise SourceError(f"{path!r} is outside its source", code="source_file_gone")
        lookup = load("dulwich.object_store", "git").tree_lookup_path
        full = f"{self._folder}/{path}" if self._folder else path
        with self._lock:
            if self._repo is None:
                self._connect()
            repo: Any = self._repo
            store = repo.object_store
            try:
                mode, blob = lookup(
                    store.__getitem__, self._head.tree, full.encode("utf-8", "surrogateescape")
                )
                if not S_ISREG(mode):
                    raise file_gone(path, "it is not a file")
                _, content = store.get_raw(blob)
            except failures() as error:
                raise file_gone(path, "it is not in this commit") from error
        return bytes(content[: max_bytes + 1])

    def close(self) -> None:
        if self._repo is not None:
            self._repo.close()

    def _blobs(self) -> dict[str, bytes]:
        """Path in the repository → id of the content."""
        found: dict[str, bytes] = {}
        prefix = f"{self._folder}/" if self._folder else ""
        try:
            tree = self._tree_of(self._repo, self._head)
            for entry in self._repo.object_store.iter_tree_contents(tree):
                below = bytes(entry.path).decode("utf-8", "surrogateescape")
                if not S_ISREG(entry.mode) or any(
                    is_hidden(step) and sound_path(step) for step in below.split("/")
                ):
                    continue
                found[prefix + below] = bytes(entry.sha)
                if len(found) > MAX_FILES:
                    raise SourceError(f"more than {MAX_FILES} files", code="source_too_large")
        except failures() as error:
            raise unreachable(self._settings.name, error) from error
        return found

    def _tree_of(self, repo: Any, head: Any) -> bytes:
        if not self._folder:
            return bytes(head.tree)
        lookup = load("dulwich.object_store", "git").tree_lookup_path
        missing: type[Exception] = load("dulwich.errors", "git").NotTreeError
        try:
            mode, tree = lookup(repo.object_store.__getitem__, head.tree, self._folder.encode())
        except (KeyError, missing):
            raise folder_missing(self._settings.name) from None
        if mode != 0o040000:
            raise folder_missing(self._settings.name)
        return bytes(tree)

    def _local(self, place: Path) -> tuple[Any, bytes]:
        repos = load("dulwich.repo", "git")
        try:
            repo = repos.Repo(str(place))
        except failures():
            raise folder_missing(self._settings.name) from None
        try:
            refs: dict[bytes, bytes | None] = repo.get_refs()
            return repo, find_ref(self._settings.name, self._ref, refs)
        except SourceError:
            repo.close()
            raise

    def _remote(self) -> Remote:
        given, settings = Given(self._settings.options), self._settings
        parts = urlsplit(settings.url)
        return Remote(
            source=settings.name,
            address=parts,
            ref=self._ref,
            user=given.text("user") or unquote(parts.username or ""),
            password=given.secret("password"),
            ssh=ssh_settings(settings, self._around.root),
            depth=given.whole("depth", 0),
            max_bytes=given.whole("max_size", _MAX_DEFAULT_BYTES),
            timeout_s=given.seconds("timeout", 30.0),
        )


def _entry(path: str, known: GitFile) -> FileEntry:
    problem = objection(path) or (POINTER if known.is_pointer else "")
    return FileEntry(path, known.size, known.blob, moment_of(known.changed_s), problem)
