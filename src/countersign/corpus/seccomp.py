"""A system call filter (classic BPF) for parser processes: no sockets, no new processes, no reaching into others.

A list of denied calls, not of allowed ones: the native libraries differ between versions, and the layers beside this
one (namespaces, Landlock, an unprivileged user) do not depend on it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
ALLOW, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
CLONE_THREAD = 0x00010000
X32_BIT = 0x40000000
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# name: (x86_64, aarch64); None where the call does not exist
_DENIED: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198), "connect": (42, 203), "accept": (43, 202), "accept4": (288, 242), "bind": (49, 200),
    "listen": (50, 201), "fork": (57, None), "vfork": (58, None), "ptrace": (101, 117), "kill": (62, 129),
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "setsid": (112, 157), "setpgid": (109, 154),
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "move_mount": (429, 429), "open_tree": (428, 428), "fsopen": (430, 430),
    "fsmount": (432, 432), "mount_setattr": (442, 442), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "open_by_handle_at": (304, 265), "personality": (135, 92), "acct": (163, 89), "quotactl": (179, 60),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "syslog": (103, 116), "mknodat": (259, 33),
    "memfd_secret": (447, 447), "seccomp_unotify": (None, None),
}  # fmt: skip
_EXECUTE = {"execve": (59, 221), "execveat": (322, 281)}
_CLONE = (56, 220)
_CLONE3 = (435, 435)
_TGKILL = (234, 131)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def _instruction(code: int, value: int, on_true: int = 0, on_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, on_true, on_false, value)


def _deny(number: int, code: int) -> bytes:
    return _instruction(JUMP_EQUAL, number, 0, 1) + _instruction(RETURN, ERRNO | code)


def build(machine: str, pid: int, *, may_exec: bool) -> bytes:
    """The filter's bytes for `machine` (`x86_64` or `aarch64`); raises OSError for another."""
    if machine not in _ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no filter for {machine}")
    which = 0 if machine == "x86_64" else 1
    denied = _DENIED if may_exec else _DENIED | _EXECUTE
    parts = [
        _instruction(LOAD, 4),
        _instruction(JUMP_EQUAL, _ARCHITECTURES[machine], 1, 0),
        _instruction(RETURN, KILL_PROCESS),
        _instruction(LOAD, 0),
    ]
    if which == 0:
        parts += [_instruction(JUMP_AT_LEAST, X32_BIT, 0, 1), _instruction(RETURN, KILL_PROCESS)]
    parts += [_deny(numbers[which], errno.EPERM) for numbers in denied.values() if numbers[which] is not None]  # type: ignore[arg-type]
    # glibc falls back from clone3 (whose flags a filter cannot read) to clone, where only threads are let through.
    parts.append(_deny(_CLONE3[which], errno.ENOSYS))
    parts += [
        _instruction(JUMP_EQUAL, _CLONE[which], 0, 4),
        _instruction(LOAD, 16),
        _instruction(JUMP_ANY_BIT, CLONE_THREAD, 1, 0),
        _instruction(RETURN, ERRNO | errno.EPERM),
        _instruction(RETURN, ALLOW),
        # abort() signals itself by tgkill: allowed for this process only
        _instruction(JUMP_EQUAL, _TGKILL[which], 0, 4),
        _instruction(LOAD, 16),
        _instruction(JUMP_EQUAL, pid, 1, 0),
        _instruction(RETURN, ERRNO | errno.EPERM),
        _instruction(RETURN, ALLOW),
        _instruction(RETURN, ALLOW),
    ]
    return b"".join(parts)


def restrict(*, may_exec: bool) -> str:
    """Install the filter on this process. Raises OSError where the kernel or the machine has none."""
    code = build(os.uname().machine, os.getpid(), may_exec=may_exec)
    program = _Program(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp: {os.strerror(number)}")
    return "no sockets, no new processes, no signals to others" + ("" if may_exec else ", no programs")
