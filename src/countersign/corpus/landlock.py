"""Landlock: the kernel's own list of folders a process may use, kept by everything it starts."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
REFER, TRUNCATE, IOCTL = 1 << 13, 1 << 14, 1 << 15
CREATE_AND_REMOVE = 0b1_1111_1111_0000
NET_ALL = 0b11
SCOPE_ALL = 0b11
PATH_BENEATH = 1
O_PATH = 0o10000000


class _Ruleset(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent_fd", ctypes.c_int32)]


def _syscall(number: int, *args: object) -> int:
    result = int(ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *args))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def restrict(*, read: Sequence[Path], write: Sequence[Path], execute: bool) -> str:
    """Confine this thread and its future children. Returns a short description; raises OSError where it cannot."""
    version = _syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    handled = EXECUTE | WRITE_FILE | READ_FILE | READ_DIR | CREATE_AND_REMOVE
    handled |= (
        (REFER if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0) | (IOCTL if version >= 5 else 0)
    )
    rules = _Ruleset(handled, NET_ALL if version >= 4 else 0, SCOPE_ALL if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _syscall(CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0))
    try:
        for path in read:
            _allow(ruleset, path, READ_FILE | READ_DIR | (EXECUTE if execute else 0))
        for device in ("/dev/null", "/dev/zero", "/dev/urandom"):
            _allow(ruleset, Path(device), READ_FILE | WRITE_FILE)
        for path in write:
            _allow(ruleset, path, handled & ~(EXECUTE | IOCTL | REFER))
        _syscall(RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)
    return f"version {version}: reads code and fonts, writes its own folder"


def _allow(ruleset: int, path: Path, rights: int) -> None:
    with contextlib.suppress(FileNotFoundError, PermissionError):
        handle = os.open(path, O_PATH | os.O_CLOEXEC)
        try:
            if not path.is_dir():
                rights &= EXECUTE | READ_FILE | WRITE_FILE | TRUNCATE
            rule = _PathRule(rights, handle)
            _syscall(
                ADD_RULE,
                ctypes.c_int(ruleset),
                ctypes.c_int(PATH_BENEATH),
                ctypes.byref(rule),
                ctypes.c_uint32(0),
            )
        finally:
            os.close(handle)
