"""`countersign demo`, as a newcomer runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from countersign.demo.workspace import MARK, prepare, read_cast
from countersign.domain.errors import Conflict

EXECUTABLE = Path(sys.executable).parent / "countersign"


@pytest.mark.timeout(600)
def test_the_demo_shows_what_it_promises_and_then_serves(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    done = subprocess.run(
        [EXECUTABLE, "demo", "--once", "--json", "--dir", str(folder)],
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["as_expected"] is True
    assert told["audit"] == {"ok": True}
    assert told["documents"] >= 45
    assert told["statuses"]["indexed/ok"] >= 45

    first, second, third, injected, personal, invented, broke = told["answers"]
    assert [each["status"] for each in (first, second, third)] == ["delivered", "held", "refused"]
    assert "990" in first["text"]
    cited = first["citations"][0]
    assert (cited["external_id"], cited["page"]) == ("bank/tariffs/card_tariff_guide_en.pdf", 2)
    assert second["citations"] == [] == third["citations"]
    assert "1,490" not in done.stdout

    assert all(claim["supported"] for claim in injected["claims"])
    assert "attacker.example" not in injected["text"]
    assert injected["cost"]["amount"] > 0
    assert "850415300736" not in done.stdout
    assert "[IIN-" in personal["text"]
    assert invented["hold_reasons"] == ["unsupported_claims"]
    assert broke["degraded_because"] == "scripted: budget_exceeded"

    _serves(folder)


def _serves(folder: Path) -> None:
    """Once more over the same workspace: nothing is read twice, and the printed key opens the door."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [EXECUTABLE, "demo", "--keep", "--port", "0", "--dir", str(folder)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        printed = ""
        while "Ctrl-C ends it" not in printed:
            line = process.stdout.readline()
            assert line, printed
            printed += line
        address = re.search(r"http://127\.0\.0\.1:\d+", printed)
        key = re.search(r"cs_\w+", printed)
        assert address, printed
        assert key, printed
        with urlopen(
            Request(f"{address[0]}/v1/models", headers={"Authorization": f"Bearer {key[0]}"})
        ) as response:
            assert "staff-help" in response.read().decode()
        for person in read_cast().people:
            assert re.search(rf"^{person.name} +\w+-\w+-\w+ ", printed, re.MULTILINE)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 0


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").touch()
    with pytest.raises(Conflict):
        prepare(tmp_path, "http://127.0.0.1:1/v1", keep=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]


def test_it_is_made_anew_each_time(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    prepare(folder, "http://127.0.0.1:1/v1", keep=False)
    (folder / "state").mkdir()
    prepare(folder, "http://127.0.0.1:1/v1", keep=True)
    assert (folder / "state").exists()
    prepare(folder, "http://127.0.0.1:1/v1", keep=False)
    assert sorted(path.name for path in folder.iterdir()) == [MARK, "countersign.yaml"]
