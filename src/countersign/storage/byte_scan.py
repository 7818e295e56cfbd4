"""Looking for erased text in the files themselves.

A scan that finds nothing is evidence for stores that keep text as it is (database pages, logs, JSON). It proves nothing
about compressed or tokenised files: those are deleted or rebuilt, and the scan only confirms.
"""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_LENGTH = 32
_SHORTEST = 12
_PLAIN = re.compile(r'[^\x00-\x1f"\\]+')


@dataclass(frozen=True, slots=True)
class Scan:
    """`found` names files, relative to the scanned folder; never what was found in them."""

    probes: int
    files: int
    size_bytes: int
    found: tuple[str, ...]
    unreadable: tuple[str, ...] = ()


def distinctive(texts: Iterable[str], limit: int) -> tuple[str, ...]:
    """Up to `limit` strings of at most 32 characters from the middle of the longest runs of `texts`, spread over them."""
    runs: list[str] = []
    for text in texts:
        longest = max(_PLAIN.findall(text), key=len, default="").strip()
        if len(longest) >= _SHORTEST:
            start = max(0, (len(longest) - _LENGTH) // 2)
            runs.append(longest[start : start + _LENGTH].strip())
    unique = list(dict.fromkeys(run for run in runs if len(run) >= _SHORTEST))
    stride = max(1, len(unique) // limit)
    return tuple(unique[::stride][:limit])


def spellings(probe: str) -> tuple[str, ...]:
    """How text columns may hold it: as it is, and as JSON with escapes."""
    escaped = json.dumps(probe)[1:-1]
    return (probe,) if escaped == probe else (probe, escaped)


def scan(folders: Sequence[Path], probes: Sequence[str], skip: Sequence[Path] = ()) -> Scan:
    """Search every file under `folders` for `probes` as UTF-8, escaped JSON and UTF-16."""
    patterns = patterns_of(probes)
    left_out = {path.resolve() for path in skip}
    files, size, found, unreadable = 0, 0, list[str](), list[str]()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or not path.is_file() or path.resolve() in left_out:
                continue
            name = path.relative_to(folder).as_posix()
            try:
                length = path.stat().st_size
                hit = length > 0 and _holds(path, patterns)
            except OSError:
                unreadable.append(name)
                continue
            files, size = files + 1, size + length
            if hit:
                found.append(name)
    return Scan(len(probes), files, size, tuple(found), tuple(unreadable))


def patterns_of(probes: Sequence[str]) -> list[bytes]:
    """Every way in which text stores may hold them."""
    return [pattern for probe in probes for pattern in _patterns(probe)]


def _patterns(probe: str) -> list[bytes]:
    return [*(spelling.encode() for spelling in spellings(probe)), probe.encode("utf-16-le")]


def _holds(path: Path, patterns: Sequence[bytes]) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(content.find(pattern) >= 0 for pattern in patterns)
