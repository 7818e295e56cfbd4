"""The process that parser children are forked from: libraries loaded once, nothing of the caller's left in it.

Started by `sandbox.Sandbox` as `python -m countersign.corpus.zygote FD` with an empty environment. Over that socket come
messages of one JSON object each; a `run` message carries two open handles, the input (read-only) and the output pipe.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countersign.corpus import confine

MESSAGE_BYTES = 128 * 1024
INPUT_FD, OUTPUT_FD = 3, 4
EXEC_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "OMP_THREAD_LIMIT": "1", "TMPDIR": "."}


class Refusal(Exception):
    """Raised by a parser to end with a named status (`encrypted`, `corrupt`, …) and a reason code."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Output:
    """Where a parser writes: one JSON object a line, or raw bytes (one or the other)."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def record(self, value: Mapping[str, object]) -> None:
        self.raw(
            json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
        )

    def raw(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._handle, view) :]


Entry = Callable[[int, Mapping[str, Any], Output], None]
"""A parser: (open input handle, parameters, output). Runs confined; may raise `Refusal`."""


@dataclass(slots=True)
class _Child:
    job_id: int
    pid: int
    deadline: float
    folder: Path
    timed_out: bool = False


class Zygote:
    def __init__(self, control: socket.socket, settings: Mapping[str, Any]) -> None:
        self._control = control
        self._children: dict[int, _Child] = {}
        self._preload = [str(name) for name in settings["preload"]]
        self._libraries = [str(name) for name in settings["libraries"]]
        self._search = [Path(str(path)) for path in settings["search_path"]]
        sys.path.extend(str(path) for path in self._search)
        _follow_links()
        self._folders = confine.code_folders(self._search)
        self._facts, self._scratch = confine.confine_zygote(Path(str(settings["scratch"])), self._folders)

    def serve(self) -> None:
        """Fork a child for every `run` message until the other end closes."""
        for name in self._preload:
            importlib.import_module(name)
        for name in self._libraries:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        gc.collect()
        gc.freeze()
        wake_read, wake_write = os.pipe()
        for handle in (wake_read, wake_write):
            os.set_blocking(handle, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _ignore)
        self._send({"ready": True, "facts": [fact.as_json() for fact in self._facts]})
        while True:
            ready, _, _ = select.select([self._control, wake_read], [], [], self._wait_s())
            if wake_read in ready:
                os.read(wake_read, 4096)
            if self._control in ready and not self._receive():
                break
            self._kill_late()
            self._reap()
        for child in list(self._children.values()):
            _kill(child.pid)

    def _wait_s(self) -> float | None:
        pending = [child.deadline for child in self._children.values() if not child.timed_out]
        return max(0.0, min(pending) - time.monotonic()) if pending else None

    def _send(self, message: Mapping[str, object]) -> None:
        self._control.send(json.dumps(message).encode())

    def _receive(self) -> bool:
        data, handles, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, 2)
        if not data:
            return False
        message = json.loads(data)
        if message["op"] == "run":
            self._fork(message, handles)
        elif message["op"] == "kill":
            for child in self._children.values():
                if child.job_id == message["id"]:
                    _kill(child.pid)
        for handle in handles:
            os.close(handle)
        return True

    def _fork(self, message: Mapping[str, Any], handles: list[int]) -> None:
        folder = self._scratch / f"{os.getpid()}-{message['id']}"
        folder.mkdir(mode=0o700)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _child(message, handles, folder, self._folders, self._facts, parent)
        deadline = time.monotonic() + float(message["wall_s"])
        self._children[pid] = _Child(int(message["id"]), pid, deadline, folder)

    def _kill_late(self) -> None:
        now = time.monotonic()
        for child in self._children.values():
            if not child.timed_out and child.deadline <= now:
                child.timed_out = True
                _kill(child.pid)

    def _reap(self) -> None:
        for pid in list(self._children):
            done, status, usage = os.wait4(pid, os.WNOHANG)
            if done == 0:
                continue
            child = self._children.pop(pid)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            shutil.rmtree(child.folder, ignore_errors=True)
            self._send({
                "id": child.job_id,
                "exit": os.waitstatus_to_exitcode(status),
                "timed_out": child.timed_out,
                "cpu_s": usage.ru_utime + usage.ru_stime,
                "max_rss_bytes": usage.ru_maxrss * 1024,
            })  # fmt: skip


def _follow_links() -> None:
    """Look for modules where they really lie: a link that leads there is not below the bare root."""
    sys.path[:] = [os.path.realpath(path) for path in sys.path]
    for module in list(sys.modules.values()):
        if isinstance(where := getattr(module, "__path__", None), list):
            where[:] = [os.path.realpath(path) for path in where]
    sys.path_importer_cache.clear()


def _ignore(_number: int, _frame: object) -> None:
    """A handler must exist for the signal to reach the wake-up pipe."""


def _kill(pid: int) -> None:
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def _child(
    message: Mapping[str, Any],
    handles: list[int],
    folder: Path,
    folders: tuple[Path, ...],
    outer: list[confine.IsolationFact],
    parent: int,
) -> None:
    """Runs in the forked child and never returns."""
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        _arrange_handles(handles)
        cage = confine.Cage(int(message["memory_bytes"]), int(message["cpu_s"]))
        argv = message.get("argv")
        facts = confine.confine_child(cage, folder, folders, may_exec=argv is not None)
        if os.getppid() != parent:  # the zygote died before the kernel was told to take this child along
            os._exit(71)
        if argv is not None:
            os.dup2(INPUT_FD, 0)
            os.dup2(OUTPUT_FD, 1)
            os.execve(argv[0], argv, EXEC_ENVIRONMENT)  # noqa: S606 - fixed program, no shell
        _run(message, [*outer, *facts])
    except BaseException:  # noqa: BLE001 - whatever happened, a forked child must not go on in the zygote's loop
        os._exit(70)
    os._exit(0)


def _arrange_handles(handles: list[int]) -> None:
    source, target = (os.dup(handle) for handle in handles)
    high = [os.dup2(source, 1000, inheritable=False), os.dup2(target, 1001, inheritable=False)]
    os.dup2(high[0], INPUT_FD)
    os.dup2(high[1], OUTPUT_FD)
    os.closerange(OUTPUT_FD + 1, 4096)


def _run(message: Mapping[str, Any], facts: list[confine.IsolationFact]) -> None:
    output = Output(OUTPUT_FD)
    params = dict(message["params"])
    if message["entry"] == "countersign.corpus.zygote:report":
        params["facts"] = [fact.as_json() for fact in facts]
    module, _, name = str(message["entry"]).partition(":")
    entry: Entry = getattr(importlib.import_module(module), name)
    ending: dict[str, object] = {"end": "finished"}
    try:
        entry(INPUT_FD, params, output)
    except Refusal as refusal:
        ending = {"end": "refused", "status": refusal.status, "reason": refusal.reason}
    except (MemoryError, RecursionError) as error:
        ending = {"end": "refused", "status": "refused_limit", "reason": type(error).__name__.lower()}
    except Exception as error:  # noqa: BLE001 - any error of a parser library is an answer: the file is corrupt to us
        ending = {
            "end": "refused",
            "status": "corrupt",
            "reason": type(error).__name__,
            "detail": str(error)[:300],
        }
    if not message.get("raw") or ending["end"] != "finished":
        output.record(ending)


def report(_source: int, params: Mapping[str, Any], output: Output) -> None:
    """A job that only says how it is confined."""
    output.record({"facts": params["facts"]})


def main() -> None:
    os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"})
    os.umask(0o022)  # folders of the bare root must be open to the unprivileged user
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    try:
        Zygote(control, json.loads(control.recv(MESSAGE_BYTES))).serve()
    except (ConnectionResetError, BrokenPipeError, KeyboardInterrupt):
        return
    except Exception as error:  # noqa: BLE001 - there is nobody else to tell: said over the socket, then over
        control.send(json.dumps({"failed": f"{type(error).__name__}: {error}"[:500]}).encode())
        sys.exit(1)


if __name__ == "__main__":
    from countersign.corpus.zygote import main as run_zygote  # so that `Refusal` is one class, not two

    run_zygote()
