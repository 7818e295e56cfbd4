"""One workspace on several machines: each has its own folder and its own processes; database and storage are shared."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, text

COMMAND = Path(sys.executable).parent / "countersign"
PATIENCE_S = 180.0
"""Generous: a slow machine is no failure. Each wait ends as soon as what it waits for is so."""

_WORKSPACE = """
name: tolkyn
tenants: [bank]
database: {database}
storage: {storage}
index: lance
{object_storage}
sources:
  push: {{connector: push, publishers: {{groups: [editors]}}}}
embeddings: none
parsing: {{workers: 1, ocr: false}}
assistants:
  staff-help:
    process: {{asks: branch staff, decides: what is said, wrong_answer_costs: a complaint, risk: low}}
    sources: [push]
"""
_OBJECT_STORAGE = """object_storage:
  endpoint: {address}
  region: us-east-1
  key: ${{env:SHARED_KEY}}
  secret: ${{env:SHARED_SECRET}}
  allow_http: true
"""
SECRETS = {"SHARED_KEY": "AKIASEVERALMACHINES", "SHARED_SECRET": "k9Gq-2vXw-71LmTz-0Pq"}


@dataclass
class Process:
    host: Path
    child: subprocess.Popen[str]
    url: str = ""

    def kill(self) -> None:
        os.killpg(self.child.pid, signal.SIGKILL)
        self.child.communicate(timeout=30)


@dataclass
class Estate:
    """`server` is the S3 server's address, or empty for a folder that every machine mounts."""

    root: Path
    database: str
    server: str = ""
    processes: list[Process] = field(default_factory=list[Process])

    def __post_init__(self) -> None:
        self.engine: Engine = create_engine(self.database)
        self._hosts = 0

    # -- machines ---------------------------------------------------------------------------------------------
    def machine(self) -> Path:
        """A folder with the workspace's file, and the keys that the first machine made."""
        host = self.root / f"host{self._hosts}"
        self._hosts += 1
        host.mkdir(parents=True)
        shared = self.root / "shared"
        (host / "countersign.yaml").write_text(
            _WORKSPACE.format(
                database=re.sub(r"^postgresql\+psycopg", "postgresql", self.database),
                storage=f"s3://shared/{self.root.name}" if self.server else shared,
                object_storage=_OBJECT_STORAGE.format(address=self.server) if self.server else "",
            )
        )
        first = self.root / "host0" / "state"
        if self.server and host != first.parent:
            shutil.copytree(first, host / "state", ignore=shutil.ignore_patterns("tmp", "index"))
        return host

    def found(self, host: Path) -> None:
        """Keys and tables, as `countersign init` makes them."""
        from countersign.app.founding import found
        from countersign.config import load

        found(load(host / "countersign.yaml", SECRETS))

    def run(self, host: Path, *arguments: str) -> Any:
        """A command that ends; its JSON."""
        done = subprocess.run(
            [COMMAND, "-w", host, *arguments, "--json"],
            env=self._environment(host),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def begin(self, host: Path, *arguments: str) -> Process:
        """A process that goes on; returns when it says that it is ready."""
        with (host / "log").open("a") as log:
            child = subprocess.Popen(
                [COMMAND, "-w", host, *arguments, "--json"],
                env=self._environment(host),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        process = Process(host, child)
        self.processes.append(process)
        assert child.stdout is not None
        line = child.stdout.readline()
        assert line, (host / "log").read_text()
        process.url = json.loads(line).get("url", "")
        return process

    def end(self) -> None:
        for process in self.processes:
            if process.child.poll() is None:
                process.kill()
        self.engine.dispose()

    def _environment(self, host: Path) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(host), **SECRETS}

    # -- looking ----------------------------------------------------------------------------------------------
    def rows(self, query: str) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(query)).all())

    def leader(self) -> Process | None:
        """The process whose lease has not run out, if it lives."""
        held = self.rows("SELECT holder FROM lease WHERE until > extract(epoch from clock_timestamp())")
        pids = [int(row.holder.split("/")[1]) for row in held]
        return next((p for p in self.processes if p.child.poll() is None and p.child.pid in pids), None)


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """The condition's first true value."""
    ends = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < ends, f"waited in vain for: {what}"
        time.sleep(0.1)
    return found


def call(method: str, url: str, key: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any]:
    request = urllib.request.Request(
        url,
        method=method,
        data=json.dumps(body).encode() if body is not None else None,
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())
