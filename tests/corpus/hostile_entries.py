"""Parsers that misbehave, loaded into the zygote by tests through its door for parsers of other packages."""

from __future__ import annotations

import ctypes
import importlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from countersign.corpus.zygote import Output, Refusal


def hang(_source: int, _params: Mapping[str, Any], _output: Output) -> None:
    time.sleep(600)


def hang_until_told(source: int, _params: Mapping[str, Any], output: Output) -> None:
    """Hangs while its file says so; whoever starts it after the file was changed sees it end."""
    if os.pread(source, 4, 0) == b"hang":
        time.sleep(600)
    output.record({"end": "finished"})


def spin(_source: int, _params: Mapping[str, Any], output: Output) -> None:
    output.record({"element": {"kind": "paragraph", "text": "before"}})
    while True:
        pass


def flood(_source: int, _params: Mapping[str, Any], output: Output) -> None:
    while True:
        output.raw(b"x" * 65536)


def eat_memory(_source: int, _params: Mapping[str, Any], _output: Output) -> None:
    kept = [bytearray(8 << 20) for _ in range(100_000)]
    del kept


def abort(_source: int, _params: Mapping[str, Any], _output: Output) -> None:
    os.abort()


def crash(_source: int, _params: Mapping[str, Any], _output: Output) -> None:
    ctypes.string_at(0)


def lie(_source: int, _params: Mapping[str, Any], output: Output) -> None:
    output.raw(b'{"end": [1, 2\n\xff\xfe not json\n')


def refuse(_source: int, _params: Mapping[str, Any], _output: Output) -> None:
    raise Refusal("encrypted", "password")


def fail(_source: int, _params: Mapping[str, Any], _output: Output) -> None:
    raise KeyError("secret content of the file")


def import_late(_source: int, params: Mapping[str, Any], _output: Output) -> None:
    importlib.import_module(str(params["module"]))


def echo(source: int, params: Mapping[str, Any], output: Output) -> None:
    output.record(
        {"text": os.pread(source, 100, 0).decode(), "params": dict(params), "environment": dict(os.environ)}
    )


def attempts(_source: int, params: Mapping[str, Any], output: Output) -> None:
    """What each attempt met: `done`, or the name of the error."""
    path = str(params["secret"])
    tries: dict[str, Callable[[], object]] = {
        "read_passwd": lambda: Path("/etc/passwd").read_text(),
        "read_secret": lambda: Path(path).read_text(),
        "list_root_home": lambda: os.listdir("/root/.ssh"),
        "write_outside": lambda: Path("/usr/marker").write_text("x"),
        "connect": lambda: socket.create_connection(("127.0.0.1", int(params["port"])), timeout=1),
        "unix_socket": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
        "fork": _fork,
        "run_program": lambda: subprocess.run(["/bin/true"], check=True),
        "kill_parent": lambda: os.kill(os.getppid(), 9),
        "new_session": os.setsid,
        "big_file": lambda: Path("big").write_bytes(b"x" * (80 << 20)),
        "write_source": lambda: os.pwrite(_source, b"x", 0),
    }
    result: dict[str, str] = {}
    for name, attempt in tries.items():
        try:
            attempt()
            result[name] = "done"
        except (OSError, subprocess.SubprocessError) as error:
            result[name] = type(error).__name__
    output.record({"attempts": result})


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)
