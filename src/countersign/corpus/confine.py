"""Layers that confine a parser process. Each is tried on its own; what did not take is reported, never assumed.

Two moments: `confine_zygote` runs once, before any parser library is loaded (network and mount namespaces need a
process with one thread); `confine_child` runs in every forked child, after which only parsing is possible.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import resource
import site
import stat
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from countersign.corpus import landlock, seccomp

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
MS_NOEXEC, MS_NOATIME, MS_NODIRATIME, MS_RELATIME = 8, 1024, 2048, 1 << 21
ST_RELATIME = 4096
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
SIGKILL = 9
NOBODY = 65534
SCRATCH_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class IsolationFact:
    """One layer: whether it holds on this machine, and what it is or why it is not there."""

    name: str
    active: bool
    detail: str

    def as_json(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Cage:
    """What one child may use. `memory_bytes` is address space; `file_bytes` the largest file it may write."""

    memory_bytes: int
    cpu_s: int
    file_bytes: int = 64 * 1024 * 1024
    open_files: int = 256


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(name: str, *args: object) -> None:
    """A libc call that raises OSError with its errno."""
    if getattr(_libc(), name)(*args) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def code_folders(extra: Iterable[Path] = ()) -> tuple[Path, ...]:
    """Folders that hold code, libraries, fonts and OCR models: the only ones a child may read."""
    paths = [
        Path(sys.prefix),
        Path(sys.base_prefix),
        Path(sys.exec_prefix),
        Path(__file__).parents[1],
        *extra,
    ]
    paths += [
        Path(p)
        for p in (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), *site.getsitepackages())
    ]
    paths += [Path(p) for p in ("/usr", "/lib", "/lib64", "/lib32", "/etc/ld.so.cache", "/etc/fonts")]
    kept: list[Path] = []
    for path in sorted({p.resolve() for p in paths if p.exists()}):
        if path != Path("/") and not any(path.is_relative_to(other) for other in kept):
            kept.append(path)
    return tuple(kept)


def confine_zygote(scratch: Path, folders: Sequence[Path]) -> tuple[list[IsolationFact], Path]:
    """Leave the network and the file system behind. Returns what took, and the folder for private files."""
    facts = [_leave_network()]
    try:
        inner = _enter_bare_root(folders)
    except OSError as error:
        return [*facts, IsolationFact("filesystem_namespace", False, str(error))], scratch
    facts.append(IsolationFact("filesystem_namespace", True, "read-only root with code and fonts only"))
    return facts, inner


def _leave_network() -> IsolationFact:
    uid, gid = os.getuid(), os.getgid()
    try:
        try:
            _call("unshare", CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWNS)
        except OSError as error:
            if error.errno != errno.EPERM:
                raise
            _call("unshare", CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWNS)
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
            Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    except (OSError, AttributeError) as error:
        return IsolationFact("network_namespace", False, str(error))
    return IsolationFact("network_namespace", True, "no interfaces but a loopback that is down")


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    _call(
        "mount", source.encode(), target.encode(), kind.encode() if kind else None, ctypes.c_ulong(flags),
        data.encode() if data else None,
    )  # fmt: skip


def _enter_bare_root(folders: Sequence[Path]) -> Path:
    """Make a tmpfs the root, with the code folders bound read-only at their own paths."""
    _mount("none", "/", None, MS_REC | MS_PRIVATE)
    base = mount_point(folders)
    _mount("tmpfs", base, "tmpfs", MS_NOSUID | MS_NODEV, f"size={SCRATCH_BYTES},mode=0755")
    try:
        return _fill_root(base, folders)
    except OSError:
        with contextlib.suppress(OSError):  # uncover what was there
            _call("umount2", base.encode(), MNT_DETACH)
        raise


def mount_point(folders: Sequence[Path]) -> str:
    """A folder to cover with the new root, where none of `folders` lies: what is covered can no longer be bound."""
    for base in ("/tmp", "/mnt", "/srv", "/media", "/var/tmp", "/run"):  # noqa: S108 - covered by an empty tmpfs at once
        if Path(base).is_dir() and not any(folder.is_relative_to(base) for folder in folders):
            return base
    raise FileNotFoundError(errno.ENOENT, "no folder that could be covered with a new root")


def _fill_root(base: str, folders: Sequence[Path]) -> Path:
    devices = [Path("/dev/null"), Path("/dev/zero"), Path("/dev/urandom")]
    for path in [*folders, *devices]:
        _bind(path, Path(base + str(path)), writable=path in devices)
    for link in (Path("/lib"), Path("/lib64"), Path("/bin")):
        if link.is_symlink():
            Path(base + str(link)).symlink_to(link.readlink())
    scratch, old = Path(base) / "scratch", Path(base) / "old"
    scratch.mkdir(mode=0o711)
    old.mkdir()
    _call_pivot(base, str(old))
    os.chdir("/")
    _call("umount2", b"/old", MNT_DETACH)
    Path("/old").rmdir()
    return Path("/scratch")


def _call_pivot(new: str, old: str) -> None:
    number = {"x86_64": 155, "aarch64": 41}.get(os.uname().machine)
    if number is None:
        raise OSError(errno.ENOSYS, "pivot_root: unknown machine")
    _call("syscall", ctypes.c_long(number), new.encode(), old.encode())


def _bind(source: Path, target: Path, *, writable: bool) -> None:
    if not source.exists():
        return
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _mount(str(source), str(target), None, MS_BIND | MS_REC)
    if not writable:
        # In a user namespace the flags that the mount already had must be kept, or the kernel refuses.
        found = os.statvfs(target).f_flag
        kept = found & (MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME)
        kept |= MS_RELATIME if found & ST_RELATIME else 0
        _mount("none", str(target), None, MS_BIND | MS_REMOUNT | MS_RDONLY | kept)


def confine_child(
    cage: Cage, scratch: Path, folders: Sequence[Path], *, may_exec: bool
) -> list[IsolationFact]:
    """Take every right away that parsing does not need. The working folder becomes `scratch`."""
    facts: list[IsolationFact] = []
    os.chdir(scratch)
    _set_limits(cage)
    facts.append(IsolationFact("resource_limits", True, "address space, CPU, file size, handles, no core"))
    facts.append(_drop_user(scratch, folders))
    with contextlib.suppress(OSError, AttributeError):
        _call("prctl", PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)  # a change of user would have cleared it
    try:
        _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        facts.append(IsolationFact("no_new_privileges", True, "prctl"))
    except (OSError, AttributeError) as error:
        # Without it the two filters below need privileges; a root process may still set them.
        facts.append(IsolationFact("no_new_privileges", False, str(error)))
    facts.append(_try("landlock", lambda: landlock.restrict(read=folders, write=(Path(),), execute=may_exec)))
    facts.append(_try("system_call_filter", lambda: seccomp.restrict(may_exec=may_exec)))
    return facts


def _try(name: str, apply: object) -> IsolationFact:
    try:
        return IsolationFact(name, True, str(apply()))  # type: ignore[operator]
    except (OSError, AttributeError) as error:
        return IsolationFact(name, False, str(error))


def _set_limits(cage: Cage) -> None:
    wanted = [
        (resource.RLIMIT_AS, cage.memory_bytes, cage.memory_bytes),
        (resource.RLIMIT_CPU, cage.cpu_s, cage.cpu_s + 2),
        (resource.RLIMIT_FSIZE, cage.file_bytes, cage.file_bytes),
        (resource.RLIMIT_NOFILE, cage.open_files, cage.open_files),
        (resource.RLIMIT_CORE, 0, 0),
    ]
    for name, soft, hard in wanted:
        ceiling = resource.getrlimit(name)[1]
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        resource.setrlimit(name, (soft, hard))


def _drop_user(scratch: Path, folders: Sequence[Path]) -> IsolationFact:
    if os.getuid() != 0:
        return IsolationFact("unprivileged_user", True, f"uid {os.getuid()}")
    blocked = next((folder for folder in folders if not _others_reach(folder)), None)
    if blocked is not None:
        return IsolationFact("unprivileged_user", False, f"others may not read {blocked}")
    try:
        os.chown(scratch, NOBODY, NOBODY)
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError as error:
        return IsolationFact("unprivileged_user", False, str(error))
    return IsolationFact("unprivileged_user", True, f"uid {NOBODY}")


def _others_reach(path: Path) -> bool:
    if not path.exists():
        return True
    ahead = all(part.stat().st_mode & stat.S_IXOTH for part in path.parents)
    return ahead and bool(path.stat().st_mode & stat.S_IROTH)
