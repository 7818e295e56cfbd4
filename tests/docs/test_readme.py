"""The README runs as it stands: every block that is marked is executed, in its order, in one folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(
    r"<!-- run(?:: while serving (?P<served>\S+))? -->\n```(?P<kind>bash|python)\n(?P<code>.*?)```", re.DOTALL
)
_PORT = "8321"
_READY_S = 240


@dataclass(frozen=True, slots=True)
class Block:
    kind: str
    code: str
    served: str


def blocks() -> list[Block]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return [Block(m["kind"], m["code"], m["served"] or "") for m in _BLOCK.finditer(text)]


class Reader:
    """Types what stands in the README: one folder, one environment, variables that live on from block to block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "NO_COLOR": "1"}

    def run(self, block: Block) -> str:
        if block.kind == "python":
            command = [sys.executable, "-c", block.code]
        else:
            command = ["bash", "-c", f"{block.code}\nenv -0 > .environment"]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        if block.kind == "bash":
            pairs = (self.folder / ".environment").read_text(encoding="utf-8").split("\0")
            self.environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        return done.stdout + done.stderr

    @contextmanager
    def serving(self, workspace: str) -> Generator[str]:
        """The port of a server over `workspace`."""
        command = ["countersign", "-w", workspace, "serve", "--port", "0", "--json"]
        with (self.folder / "serve.log").open("wb") as log:
            server = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=log
            )
            assert server.stdout is not None
            try:
                with server.stdout as said:
                    port = self._port(server, said.readline())
                    yield port
            finally:
                server.terminate()
                server.wait(120)

    def _port(self, server: subprocess.Popen[bytes], said: bytes) -> str:
        assert said, (self.folder / "serve.log").read_text(encoding="utf-8")
        port = str(json.loads(said)["url"]).rsplit(":", 1)[1]
        self._wait(server, port)
        return port

    def _wait(self, server: subprocess.Popen[bytes], port: str) -> None:
        until = time.monotonic() + _READY_S
        while time.monotonic() < until and server.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=30):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise AssertionError((self.folder / "serve.log").read_text(encoding="utf-8"))


@pytest.mark.timeout(900)
def test_the_readme_runs(tmp_path: Path) -> None:
    found = blocks()
    assert [block.served != "" for block in found] == [False, False, False, True, True]
    reader = Reader(tmp_path)
    quickstart = reader.run(found[0])
    assert "12 000" in quickstart and "900 000" in quickstart
    assert quickstart.count("900 000") >= 1 and "hr" in quickstart
    assert "ready.html" in reader.run(found[1])
    assert (tmp_path / "ready.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    reader.run(found[2])
    with reader.serving(found[3].served) as port:
        for block in found[3:]:
            said = reader.run(Block(block.kind, block.code.replace(_PORT, port), block.served))
            assert "cards.md" in said and "delivered" in said


def test_the_first_screen_holds_the_two_commands() -> None:
    first = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:25])
    assert "make demo" in first and "make test" in first and "sudo apt install" in first


def test_every_target_of_make_that_is_named_exists() -> None:
    targets = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        named = set(re.findall(r"[`\n]make ([a-z]+)", page.read_text(encoding="utf-8")))
        assert named <= targets, page


def test_every_command_that_is_named_exists() -> None:
    from countersign.cli.main import COMMANDS

    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        text = page.read_text(encoding="utf-8")
        named = set(re.findall(r"[`\n]countersign (?:-w \S+ )?([a-z]+)", text))
        assert named <= set(COMMANDS), page
