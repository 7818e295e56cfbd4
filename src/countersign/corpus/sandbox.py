"""Runs parsers where they can do no harm: one short-lived, confined child per job, forked from a zygote process.

The zygote is restarted when it dies; a job that was under way then is tried once more. What a child writes is untrusted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from countersign.corpus.confine import IsolationFact
from countersign.corpus.zygote import MESSAGE_BYTES
from countersign.domain.errors import StorageError

End = Literal["finished", "refused", "crashed", "limit", "timeout", "overflow", "lost"]
PARSER_MODULES = (
    "countersign.corpus.parsers.pdf",
    "countersign.corpus.parsers.office",
    "countersign.corpus.parsers.word",
    "countersign.corpus.parsers.slides",
    "countersign.corpus.parsers.sheets",
    "countersign.corpus.parsers.mail",
    "countersign.corpus.parsers.plain",
    "countersign.corpus.parsers.images",
)
LIBRARIES = (
    "xberg", "pypdfium2", "python_calamine", "charset_normalizer.md", "PIL.Image", "PIL.PngImagePlugin",
    "PIL.JpegImagePlugin", "PIL.TiffImagePlugin", "olefile", "asyncio", "zipfile", "xml.etree.ElementTree",
    "encodings.cp1251", "encodings.koi8_r", "encodings.cp866", "encodings.kz1048", "encodings.mac_cyrillic",
    "encodings.utf_16", "encodings.idna", "html.parser", "email.policy", "email.parser", "csv", "uuid",
)  # fmt: skip
"""Loaded once where installed, so that children fork with them in place."""
_GRACE_S = 10.0


@dataclass(frozen=True, slots=True)
class Job:
    """`entry` is `module:function` of a loaded parser; `argv` instead replaces the child by that program."""

    entry: str
    params: Mapping[str, object] = field(default_factory=dict[str, object])
    wall_s: float = 60.0
    cpu_s: int = 60
    memory_bytes: int = 2 * 1024**3
    max_output_bytes: int = 64 * 1024 * 1024
    raw: bool = False
    """The output is bytes, not lines of JSON."""
    argv: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended, with everything it had written until then."""

    end: End
    output: bytes = b""
    status: str = ""
    reason: str = ""
    cpu_s: float = 0.0
    max_rss_bytes: int = 0

    def records(self) -> list[dict[str, Any]]:
        """The JSON objects written, a broken last line left out."""
        found: list[dict[str, Any]] = []
        for line in self.output.splitlines():
            with contextlib.suppress(ValueError, RecursionError):
                value = json.loads(line)
                if isinstance(value, dict):
                    found.append(value)
        return found


@dataclass(slots=True)
class _Running:
    job: Job
    reader: int
    done: asyncio.Future[Outcome]
    parts: list[bytes] = field(default_factory=list[bytes])
    size: int = 0
    overflow: bool = False
    closed: bool = False
    exit: Mapping[str, Any] | None = None


class Sandbox:
    """Belongs to the event loop it is started on. `search_path` and `preload` let a package bring parsers of its own."""

    def __init__(
        self,
        temp: Path,
        *,
        workers: int = 2,
        preload: Sequence[str] = PARSER_MODULES,
        search_path: Sequence[Path] = (),
    ) -> None:
        self._temp = temp
        self._slots = asyncio.Semaphore(max(1, workers))
        self._preload = tuple(preload)
        self._search_path = tuple(search_path)
        self._starting = asyncio.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._ready: asyncio.Future[None] | None = None
        self._running: dict[int, _Running] = {}
        self._next_id = 0
        self._closed = False

    @property
    def zygote_pid(self) -> int | None:
        """Process id of the zygote, None while it is not running."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    async def start(self) -> None:
        """Start the zygote if it is not there. Raises `StorageError` (`sandbox_unavailable`) when it does not come up."""
        async with self._starting:
            if self._control is not None and self.zygote_pid is not None:
                return
            self._closed = False
            self._drop_zygote()
            await asyncio.to_thread(self._temp.mkdir, 0o711, parents=True, exist_ok=True)
            loop = asyncio.get_running_loop()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._process = self._spawn(theirs.fileno())
            ours.setblocking(False)
            self._control, self._ready = ours, loop.create_future()
            loop.add_reader(ours.fileno(), self._on_control)
            settings = {
                "scratch": str(self._temp.resolve()),
                "preload": self._preload,
                "libraries": LIBRARIES,
                "search_path": [str(path.resolve()) for path in self._search_path],
            }
            ours.send(json.dumps(settings).encode())
            try:
                await asyncio.wait_for(asyncio.shield(self._ready), 60.0)
            except (TimeoutError, ConnectionError) as error:
                self._drop_zygote()
                raise StorageError(
                    f"the parser process did not start ({error})",
                    code="sandbox_unavailable",
                    hint="run `countersign doctor`; check free memory and that the interpreter can start itself",
                ) from error

    def _spawn(self, handle: int) -> subprocess.Popen[bytes]:
        environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        command = [sys.executable, "-I", "-X", "utf8", "-m", "countersign.corpus.zygote", str(handle)]
        return subprocess.Popen(  # noqa: S603 - our own interpreter, fixed arguments
            command,
            env=environment,
            cwd="/",
            close_fds=True,
            pass_fds=(handle,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    async def close(self) -> None:
        """Kill what runs and let the zygote go."""
        process, self._closed = self._process, True
        self._drop_zygote()
        if process is not None:
            await asyncio.to_thread(process.wait)

    async def run(self, job: Job, source: int) -> Outcome:
        """Run `job` on the open handle `source` (given read-only). Waits for a free worker; never raises for content."""
        async with self._slots:
            outcome = Outcome("lost")
            for _ in range(2):
                outcome = await self._attempt(job, source)
                if outcome.end != "lost" or self._closed:
                    break
            return outcome

    async def report(self) -> tuple[IsolationFact, ...]:
        """How a child is confined on this machine, asked of a real child."""
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            outcome = await self.run(Job("countersign.corpus.zygote:report", wall_s=20.0), nothing)
        finally:
            os.close(nothing)
        facts = [fact for record in outcome.records() for fact in record.get("facts", [])]
        return tuple(IsolationFact(str(f["name"]), bool(f["active"]), str(f["detail"])) for f in facts)

    async def _attempt(self, job: Job, source: int) -> Outcome:
        await self.start()
        control = self._control
        if control is None:
            return Outcome("lost")
        loop = asyncio.get_running_loop()
        self._next_id += 1
        job_id = self._next_id
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        running = _Running(job, reader, loop.create_future())
        self._running[job_id] = running
        loop.add_reader(reader, self._on_output, job_id)
        message = {
            "op": "run", "id": job_id, "entry": job.entry, "params": dict(job.params), "wall_s": job.wall_s,
            "cpu_s": job.cpu_s, "memory_bytes": job.memory_bytes, "raw": job.raw,
            "argv": list(job.argv) if job.argv else None,
        }  # fmt: skip
        try:
            try:
                socket.send_fds(control, [json.dumps(message).encode()], [source, writer])
            finally:
                os.close(writer)
            return await asyncio.wait_for(asyncio.shield(running.done), job.wall_s + _GRACE_S)
        except (BrokenPipeError, ConnectionError, BlockingIOError):
            return Outcome("lost")
        except TimeoutError:
            self._drop_zygote()  # it should have killed the child itself: it no longer answers
            return Outcome("timeout", b"".join(running.parts))
        finally:
            self._forget(job_id)

    def _forget(self, job_id: int) -> None:
        running = self._running.pop(job_id, None)
        if running is None:
            return
        if not running.closed:
            asyncio.get_running_loop().remove_reader(running.reader)
            os.close(running.reader)
        if running.exit is None and self._control is not None:
            with contextlib.suppress(OSError):
                self._control.send(json.dumps({"op": "kill", "id": job_id}).encode())

    def _on_output(self, job_id: int) -> None:
        running = self._running[job_id]
        try:
            data = os.read(running.reader, 1 << 18)
        except BlockingIOError:
            return
        if not data:
            self._close_reader(running)
            self._settle(running)
            return
        running.size += len(data)
        if running.size <= running.job.max_output_bytes:
            running.parts.append(data)
        elif not running.overflow and self._control is not None:
            running.overflow = True
            with contextlib.suppress(OSError):
                self._control.send(json.dumps({"op": "kill", "id": job_id}).encode())

    def _close_reader(self, running: _Running) -> None:
        if not running.closed:
            asyncio.get_running_loop().remove_reader(running.reader)
            os.close(running.reader)
            running.closed = True

    def _drain(self, running: _Running) -> None:
        """The child is gone: take what it left in the pipe."""
        while not running.closed:
            try:
                data = os.read(running.reader, 1 << 18)
            except BlockingIOError:
                data = b""
            if not data:
                self._close_reader(running)
            elif running.size + len(data) <= running.job.max_output_bytes:
                running.size += len(data)
                running.parts.append(data)
            else:
                running.overflow = True
                self._close_reader(running)

    def _on_control(self) -> None:
        control = self._control
        if control is None:
            return
        try:
            data = control.recv(MESSAGE_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self._drop_zygote()
            return
        message = json.loads(data)
        if "failed" in message:
            self._drop_zygote(str(message["failed"]))
            return
        if message.get("ready"):
            if self._ready is not None and not self._ready.done():
                self._ready.set_result(None)
            return
        running = self._running.get(int(message["id"]))
        if running is not None:
            running.exit = message
            self._drain(running)
            self._settle(running)

    def _settle(self, running: _Running) -> None:
        if running.exit is not None and not running.done.done():
            running.done.set_result(
                _judge(running.job, running.exit, b"".join(running.parts), running.overflow)
            )

    def _drop_zygote(self, why: str = "the zygote ended before it was ready") -> None:
        control, self._control = self._control, None
        process, self._process = self._process, None
        if control is not None:
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop().remove_reader(control.fileno())
            control.close()
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(ConnectionError(why))
            self._ready.exception()  # whoever waited may be gone: then nobody is left to be told
        for running in self._running.values():
            if not running.done.done():
                running.done.set_result(Outcome("lost", b"".join(running.parts)))


def _judge(job: Job, exit_info: Mapping[str, Any], output: bytes, overflow: bool) -> Outcome:
    cpu_s, rss = float(exit_info["cpu_s"]), int(exit_info["max_rss_bytes"])
    code = int(exit_info["exit"])

    def end(kind: End, status: str = "", reason: str = "") -> Outcome:
        return Outcome(kind, output, status, reason, cpu_s, rss)

    if overflow:
        return end("overflow", "refused_limit", "output_size")
    if exit_info["timed_out"]:
        return end("timeout", "timeout", "wall_clock")
    if code == -signal.SIGXCPU or (code == -signal.SIGKILL and cpu_s >= job.cpu_s):
        return end("timeout", "timeout", "cpu_time")
    if code in (-signal.SIGABRT, -signal.SIGKILL):
        # native engines abort when an allocation fails; the kernel kills when memory runs out
        return end("limit", "refused_limit", "memory")
    if code != 0:
        return end("crashed", "corrupt", f"parser_exit_{code}")
    if job.raw and not output.startswith(b'{"end"'):
        return end("finished")
    last = output.rstrip(b"\n").rsplit(b"\n", 1)[-1]
    try:
        ending = json.loads(last)
    except (ValueError, RecursionError):
        return end("crashed", "corrupt", "parser_output")
    if not isinstance(ending, dict) or "end" not in ending:
        return end("crashed", "corrupt", "parser_output")
    if ending["end"] == "finished":
        return end("finished")
    return end("refused", str(ending.get("status", "corrupt"))[:40], str(ending.get("reason", ""))[:80])
