"""The whole way through the installed command, as somebody at a shell walks it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.cli.conftest import EXECUTABLE, QUESTION, fill, shell


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose assistant holds every answer."""
    root = tmp_path_factory.mktemp("shell") / "w"
    process = ("--asks", "staff", "--decides", "an offer", "--costs", "a fine", "--risk", "high")
    made = shell(
        "init", str(root), *process, "--reviewers", "reviewers", "--deadline", "30m", "--json", at=root
    )
    assert made.code == 0, made.err
    assert made.json["tenants"] == ["main"]
    fill(root)
    for user in (("aigerim", "--groups", "staff"), ("boss", "--groups", "reviewers", "--roles", "reviewer")):
        assert shell("user", "set", *user, at=root).code == 0
    return root


def test_from_an_empty_folder_to_a_verified_record(root: Path) -> None:
    key = shell("key", "create", "--user", "aigerim", "--expires", "90d", at=root)
    assert key.out.startswith("cs_")
    assert key.out.count("\n") == 1, "a key can be captured by $(…)"

    taken = shell("ingest", "--json", at=root).json
    assert {file["external_id"]: file["status"] for file in taken["documents"]} == {
        "fees.md": "indexed",
        "hr/bands.md": "indexed",
    }
    held = shell("ask", QUESTION, "--assistant", "staff-help", "--as", "aigerim", "--json", at=root).json
    assert held["status"] == "held"
    assert "990 tenge" not in json.dumps(held)

    [item] = shell("review", "list", "--as", "boss", "--json", at=root).json["items"]
    shown = shell("review", "show", item["review_id"], "--as", "boss", at=root)
    assert "990 tenge" in shown.out
    assert shell("review", "claim", item["review_id"], "--as", "boss", at=root).code == 0
    decided = shell("review", "decide", item["review_id"], "--approve", "--as", "boss", "--json", at=root)
    assert decided.json["decision"] == "approve"
    assert shell("review", "list", "--as", "boss", "--json", at=root).json == {"items": []}

    verified = shell("audit", "verify", "--json", at=root)
    assert verified.code == 0
    assert verified.json["ok"] is True
    assert verified.json["tenants"][0]["unanchored"] > 0, "what came after the last signature is named"


@pytest.fixture
def server(root: Path) -> Iterator[str]:
    environment = {**os.environ, "COUNTERSIGN_WORKSPACE": str(root)}
    process = subprocess.Popen(
        [EXECUTABLE, "serve", "--port", "0", "--json"], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        yield json.loads(process.stdout.readline())["url"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 0


def test_a_server_works_while_commands_ask_it_to(root: Path, server: str) -> None:
    with urlopen(f"{server}/healthz", timeout=120) as response:
        assert response.status == 200
    (root / "files" / "parking.md").write_text(
        "# Parking\n\nThe parking fee is 700 tenge.\n", encoding="utf-8"
    )
    followed = shell("ingest", "--json", at=root).json
    assert {file["external_id"]: file["status"] for file in followed["documents"]}["parking.md"] == "indexed"
    asked = shell(
        "ask", "What is the parking fee?", "--assistant", "staff-help", "--as", "aigerim", "--json", at=root
    )
    assert asked.json["status"] == "held"
    rebuilt = shell("index", "rebuild", at=root)
    assert rebuilt.code == 1
    assert rebuilt.err.startswith("workspace_owned: ")


def test_a_worker_ends_when_it_is_told_to(root: Path) -> None:
    environment = {**os.environ, "COUNTERSIGN_WORKSPACE": str(root)}
    process = subprocess.Popen(
        [EXECUTABLE, "worker", "--json"], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        assert json.loads(process.stdout.readline())["ready"] is True
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 0


def test_help_is_quick_and_loads_no_library() -> None:
    code = (
        "import sys, countersign.cli.main as m, click\n"
        "c = click.Context(m.countersign)\n"
        "[m.countersign.get_command(c, name) for name in m.COMMANDS]\n"
        "print(*sorted({'sqlalchemy', 'numpy', 'rich', 'fastapi', 'aiohttp', 'yaml'} & set(sys.modules)), len(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=240
    )
    assert int(done.stdout) < 400, "and not many small ones either"


def test_a_reader_that_goes_away_is_no_error(root: Path) -> None:
    line = f"{EXECUTABLE} -w {root} documents list --help | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"], capture_output=True, text=True, timeout=240
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_password_comes_from_standard_input(root: Path) -> None:
    assert shell("user", "password", "aigerim", "--stdin", at=root, said="correct horse battery\n").code == 0
    weak = shell("user", "password", "aigerim", "--stdin", at=root, said="password1\n")
    assert weak.code == 2
    assert weak.err.startswith("weak_secret: ")
    assert "password1" not in weak.err
