"""When each file of a repository was last changed, and how long it is: kept between passes, so that only what is new is
read. As `git log -1 -- PATH` counts: the newest commit whose file differs from that of every parent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

_MAX_COMMITS = 200_000
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class GitFile:
    """`changed_s` is the commit's own time, None where it lies before what was fetched."""

    blob: str
    changed_s: int | None
    size: int
    is_pointer: bool
    """The content is kept elsewhere (git LFS), this is only its name."""


def describe(repo: Any, head: Any, blobs: Mapping[str, bytes], cache: Path) -> dict[str, GitFile]:
    """For each path of `blobs` (path → id of its content) at the commit `head`."""
    before_head, before = _load(cache)
    follows = before_head is not None and _follows(repo, before_head, head.id)
    if not follows:
        before_head = None
    times = _times(repo, head, blobs, before_head)
    found: dict[str, GitFile] = {}
    for path, blob in blobs.items():
        old = before.get(path)
        same = old is not None and old.blob == blob.decode()
        changed = times.get(path)
        if changed is None and follows and same and old is not None:
            changed = old.changed_s
        size, is_pointer = (old.size, old.is_pointer) if same and old is not None else _look(repo, blob)
        found[path] = GitFile(blob.decode(), changed, size, is_pointer)
    _save(cache, head.id, found)
    return found


def is_pointer(content: bytes) -> bool:
    return len(content) < 1024 and content.startswith(b"version https://git-lfs.github.com/spec/")


def _look(repo: Any, blob: bytes) -> tuple[int, bool]:
    _, content = repo.object_store.get_raw(blob)
    return len(content), is_pointer(content)


def _follows(repo: Any, before: bytes, now: bytes) -> bool:
    """Whether history only went on since; after a force-push the times are counted anew."""
    graph: Any = __import__("dulwich.graph", fromlist=["can_fast_forward"])
    try:
        return bool(before in repo.object_store and graph.can_fast_forward(repo, before, now))
    except KeyError:
        return False


def _times(repo: Any, head: Any, blobs: Mapping[str, bytes], before: bytes | None) -> dict[str, int]:
    times: dict[str, int] = {}
    shallow: set[bytes] = set(repo.get_shallow())
    walker = repo.get_walker([head.id], exclude=[before] if before else None)
    for entry in islice(walker, _MAX_COMMITS):
        if entry.commit.id in shallow:  # what it changed is not known: its parents were not fetched
            continue
        for path in _changed(entry):
            if path in blobs and path not in times:
                times[path] = int(entry.commit.commit_time)
        if len(times) == len(blobs):
            break
    return times


def _changed(entry: Any) -> Iterator[str]:
    """Paths that differ from every parent."""
    for change in entry.changes():
        one = change[0] if isinstance(change, list) else change
        if one is not None and one.new is not None and one.new.path is not None:
            yield bytes(one.new.path).decode("utf-8", "surrogateescape")


def _load(cache: Path) -> tuple[bytes | None, dict[str, GitFile]]:
    """Whatever is wrong with the file, it is only a shortcut."""
    try:
        read = json.loads(cache.read_text(encoding="utf-8"))
        if read["format"] != _FORMAT:
            return None, {}
        return str(read["head"]).encode(), {path: GitFile(*row) for path, row in read["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None, {}


def _save(cache: Path, head: bytes, files: Mapping[str, GitFile]) -> None:
    rows = {path: (f.blob, f.changed_s, f.size, f.is_pointer) for path, f in files.items()}
    text = json.dumps({"format": _FORMAT, "head": head.decode(), "files": rows})
    cache.parent.mkdir(parents=True, exist_ok=True)
    fresh = cache.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(cache)
