"""The smallest compound file that a reader accepts: storages and streams, every stream in sectors of its own."""

from __future__ import annotations

import struct
from collections.abc import Mapping

_SECTOR = 512
_END, _FREE, _FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
_LEAST = 4096
"""Shorter streams would live in the mini stream; filled up with NULs they need not."""


def compound_file(content: Mapping[str, bytes]) -> bytes:
    """`folder/name` or `name` → bytes, which come back filled up with NULs."""
    names: list[tuple[str, int]] = [("Root Entry", 5)]
    parents: dict[str, int] = {"": 0}
    children: dict[int, list[int]] = {0: []}
    data: dict[int, bytes] = {}
    for path, body in content.items():
        folder, _, name = path.rpartition("/")
        if folder not in parents:
            parents[folder] = len(names)
            children[0].append(len(names))
            children[len(names)] = []
            names.append((folder, 1))
        children[parents[folder]].append(len(names))
        data[len(names)] = body.ljust(_LEAST, b"\0")
        names.append((name, 2))
    sectors: list[bytes] = []
    chain: list[int] = []
    starts: dict[int, int] = {}
    for entry, body in data.items():
        starts[entry] = len(sectors)
        _append(sectors, chain, body)
    directory_at = len(sectors)
    _append(sectors, chain, b"".join(_entry(i, names, children, starts, data) for i in range(len(names))))
    fat_at = len(sectors)
    count = -(-(len(sectors) + 8) // 128)
    fat = chain + [_FAT] * count
    fat += [_FREE] * (128 * count - len(fat))
    sectors.append(struct.pack(f"<{len(fat)}I", *fat))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    places = (0, count, directory_at, 0, _LEAST, _END, 0, _END, 0)
    header += struct.pack("<HHHHH6x9I", 62, 3, 0xFFFE, 9, 6, *places)
    difat = [fat_at + i for i in range(count)]
    difat += [_FREE] * (109 - len(difat))
    return header + struct.pack("<109I", *difat) + b"".join(sectors)


def _append(sectors: list[bytes], chain: list[int], body: bytes) -> None:
    body = body.ljust(-(-len(body) // _SECTOR) * _SECTOR, b"\0")
    for at in range(0, len(body), _SECTOR):
        sectors.append(body[at : at + _SECTOR])
        chain.append(len(sectors))
    chain[-1] = _END


def _entry(
    index: int,
    names: list[tuple[str, int]],
    children: dict[int, list[int]],
    starts: dict[int, int],
    data: dict[int, bytes],
) -> bytes:
    """A directory entry; the children of one storage hang on each other's right."""
    name, kind = names[index]
    right = _FREE
    for siblings in children.values():
        if index in siblings[:-1]:
            right = siblings[siblings.index(index) + 1]
    below = children.get(index) or [_FREE]
    text = name.encode("utf-16-le") + b"\0\0"
    start, size = starts.get(index, _END if kind == 5 else 0), len(data.get(index, b""))
    return (
        text.ljust(64, b"\0")
        + struct.pack("<HBBIII", len(text), kind, 1, _FREE, right, below[0])
        + bytes(36)
        + struct.pack("<IQ", start, size)
    )
