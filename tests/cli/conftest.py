"""A workspace made by the command line itself, and ways to run commands: in this process, or as the shell would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from countersign.cli.main import run

EXECUTABLE = Path(sys.executable).parent / "countersign"
FILES = {
    "fees.md": "# Card tariffs\n\nThe monthly service fee of the Gold card is 990 tenge.\n",
    "hr/bands.md": "# Salary bands\n\nThe maximum salary of grade 8 is 1020000 tenge a month.\n",
}
QUESTION = "What is the monthly service fee of the Gold card?"


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Raises when standard output is anything but one JSON object on one line."""
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)


Cli = Callable[..., Ended]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """`cli("user", "list")` in the workspace `tmp_path/w`."""
    monkeypatch.delenv("COUNTERSIGN_WORKSPACE", raising=False)

    def call(*arguments: str, at: Path | None = None) -> Ended:
        capfd.readouterr()
        code = run(["-w", str(at or tmp_path / "w"), *arguments])
        return Ended(code, *capfd.readouterr())

    return call


def shell(*arguments: str, at: Path, said: str = "") -> Ended:
    """The installed command in a process of its own."""
    environment = {**os.environ, "COUNTERSIGN_WORKSPACE": str(at)}
    done = subprocess.run(
        [EXECUTABLE, *arguments], env=environment, input=said, capture_output=True, text=True, timeout=240
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def workspace(cli: Cli, tmp_path: Path) -> Path:
    """Fresh from `init`, with two files, searched by words only."""
    root = tmp_path / "w"
    assert cli("init", str(root)).code == 0
    fill(root)
    return root


def fill(root: Path) -> None:
    config = root / "countersign.yaml"
    text = config.read_text("utf-8")
    config.write_text(text + "\nembeddings: none\nparsing: {ocr: false, workers: 1}\n", "utf-8")
    for name, content in FILES.items():
        path = root / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


@pytest.fixture
def filled(cli: Cli, workspace: Path) -> Path:
    """…with people and everything ingested."""
    cli("user", "set", "aigerim", "--groups", "staff")
    cli("user", "set", "boss", "--groups", "hr,reviewers", "--roles", "user,reviewer")
    assert cli("ingest").code == 0
    return workspace
