"""`countersign audit data` and acceptances at the command line, and audits over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from countersign.cli.main import run
from countersign.cli.readiness_out import limits_said
from countersign.domain.errors import UsageError
from tests.api.conftest import serving
from tests.cli.conftest import fill
from tests.workspaces import workspace, write_files

FEES = "# Fees\n\nA transfer to another bank costs 200 tenge and takes one day.\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COUNTERSIGN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COUNTERSIGN_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path / "in", {"a.md": FEES, "b.md": FEES, "c.pdf": b"%PDF-1.7 broken %%EOF"}, [])
    (tmp_path / "in" / "manifest.jsonl").unlink()
    return tmp_path / "in"


def called(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capfd.readouterr()
    code = run(arguments)
    return code, *capfd.readouterr()


def test_a_bare_folder_needs_no_workspace(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = called(capfd, "audit", "data", str(folder))
    assert code == 0 and err == ""
    assert "of 100 over 3 documents" in out and "What to do first:" in out and "corrupt" in out
    assert "--out report.html" in out and "Rights were not looked at" in out

    code, out, _ = called(capfd, "audit", "data", str(folder / "a.md"), "--json")
    assert code == 0 and json.loads(out)["documents"] == 1
    assert not list(folder.glob(".*")) and len(list(folder.iterdir())) == 3


def test_limits_decide_the_exit_code(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def code_of(*limits: str) -> int:
        said = [part for limit in limits for part in ("--fail-on", limit)]
        return called(capfd, "audit", "data", str(folder), *said)[0]

    assert code_of("error") == 3
    assert code_of("corrupt:2") == 0
    assert code_of("corrupt:33%") == 3
    assert code_of("corrupt:34%") == 0
    assert code_of("encrypted", "exact_duplicate:1") == 3
    assert code_of("encrypted") == 0
    code, _, err = called(capfd, "audit", "data", str(folder), "--fail-on", "corupt")
    assert code == 2 and "Did you mean corrupt" in err
    for wrong in ("corrupt:0", "corrupt:", "corrupt:-1", "CORRUPT"):
        with pytest.raises(UsageError):
            limits_said([wrong])


def test_the_report_is_written(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "out" / "report.html"
    code, out, _ = called(capfd, "audit", "data", str(folder), "--out", str(page), "--language", "ru")
    assert code == 0 and str(page) in out
    assert '<html lang="ru"' in page.read_text(encoding="utf-8")
    beside = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    assert beside["documents"] == 3 and {code["code"] for code in beside["codes"]} >= {"corrupt"}
    assert page.stat().st_mode & 0o077 == 0
    cells = page.with_suffix(".csv").read_text(encoding="utf-8")
    assert (
        cells.startswith("\ufeff")
        and "c.pdf" in cells
        and page.with_suffix(".csv").stat().st_mode & 0o077 == 0
    )
    code, out, _ = called(capfd, "audit", "data", str(folder), "--out", str(tmp_path / "there"))
    assert (tmp_path / "there" / "readiness.html").is_file()
    code, out, _ = called(capfd, "audit", "data", str(folder), "--out", str(tmp_path / "march.json"))
    assert (tmp_path / "march.html").is_file() and json.loads((tmp_path / "march.json").read_text("utf-8"))


def test_what_changed_since_the_report_that_lies_there_is_said(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    page, kept = tmp_path / "report.html", tmp_path / "first.json"
    _, out, _ = called(capfd, "audit", "data", str(folder), "--out", str(page))
    assert "no longer found" not in out and "Since the last audit" not in page.read_text(encoding="utf-8")
    (folder / "c.pdf").unlink()
    (folder / "d.md").write_text(FEES)
    _, out, _ = called(capfd, "audit", "data", str(folder), "--out", str(page))
    assert "1 new, 1 no longer found" in out
    assert "Since the last audit" in page.read_text(encoding="utf-8")
    kept.write_text("[]")
    code, _, err = called(capfd, "audit", "data", str(folder), "--since", str(kept))
    assert code == 2 and "report_unreadable" in err
    code, _, err = called(
        capfd, "audit", "data", str(folder / "a.md"), "--since", str(page.with_suffix(".json"))
    )
    assert code == 0 and "not compared" in err
    page.with_suffix(".json").write_text("no report at all")
    code, out, _ = called(capfd, "audit", "data", str(folder), "--out", str(page), "--json")
    assert code == 0 and json.loads(out)["changes"] is None


def test_the_terminal_says_the_verdict_first_and_five_actions_at_most(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = called(capfd, "audit", "data", str(folder))
    assert out.startswith("NOT READY: 1 of 3 documents with an error")
    assert "1 document, 33%" in out and "1 documents" not in out
    assert "  6. " not in out
    (folder / "c.pdf").unlink()
    (folder / "b.md").write_text("# Rooms\n\nVisitors leave their coats at the entrance of the branch.\n")
    _, out, _ = called(capfd, "audit", "data", str(folder))
    assert out.startswith("READY: nothing was found that would make answers wrong")
    (folder / "none").mkdir()
    _, out, _ = called(capfd, "audit", "data", str(folder / "none"))
    assert out.startswith("NOTHING WAS READ")


def test_what_cannot_be_is_said(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, _, err = called(capfd, "audit", "data", "absent")
    assert code == 1 and "path_not_found" in err
    for command in (
        ("accept", "stale", "x", "--reason", "y", "--expires", "9d"),
        ("accepted",),
        ("unaccept", "stale", "x"),
    ):
        code, _, err = called(capfd, "audit", *command)
        assert code == 2 and "workspace_missing" in err


def test_rights_come_from_a_manifest_that_is_named(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "m.jsonl").write_text('{"file": "a.md", "acl": ["staff"]}\n')
    _, out, _ = called(capfd, "audit", "data", str(folder), "--manifest", "m.jsonl", "--json")
    missing = next(code for code in json.loads(out)["codes"] if code["code"] == "rights_missing")
    assert missing["documents"] == 2
    _, out, _ = called(capfd, "audit", "data", str(folder), "--manifest", "m.jsonl")
    assert "Rights were not looked at" not in out


STOPPED_BY_HAND = """
import os, signal
from countersign.cli.main import main
from countersign.corpus.readiness.working import WorkingFile

store, signals = WorkingFile.store, [signal.SIGINT]  # one: a second would interrupt what says how to go on

def stopped_after_one(*arguments):
    store(*arguments)
    if signals:
        os.kill(os.getpid(), signals.pop())

WorkingFile.store = stopped_after_one
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's work in the background ignores it
main()
"""


def test_stopped_by_hand_it_says_how_to_go_on(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for number in range(50):
        (folder / f"n{number}.md").write_text(FEES.replace("200", str(number)))
    stopped = subprocess.run(
        [sys.executable, "-c", STOPPED_BY_HAND, "audit", "data", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert stopped.returncode == 1, stopped.stderr
    assert "goes on from here" in stopped.stderr and "Traceback" not in stopped.stderr
    code, out, _ = called(capfd, "audit", "data", str(folder), "--json")
    assert code == 0 and json.loads(out)["documents"] == 53


def test_a_workspace_is_audited_and_findings_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COUNTERSIGN_WORKSPACE", str(tmp_path / "w"))
    assert called(capfd, "init", str(tmp_path / "w"))[0] == 0
    fill(tmp_path / "w")
    files = tmp_path / "w" / "files"
    (files / "lost.md").write_text(FEES + "\nThe key is sk-abcdefghijklmnop1234 as ever.\n")
    code, out, err = called(capfd, "audit", "data", "--json")
    assert code == 0, err
    report = json.loads(out)
    source = report["sources"][0]["source"]
    found = {(f["code"], f["document"]["external_id"]) for f in report["findings"]}
    assert ("secret_present", "lost.md") in found
    code, out, err = called(
        capfd, "audit", "accept", "secret_present", "lost.md", "--reason", "a draft", "--expires", "9d"
    )
    assert code == 0 and "lost.md is accepted until" in out, err
    _, out, _ = called(capfd, "audit", "accepted", "--json")
    assert [item["reason"] for item in json.loads(out)["items"]] == ["a draft"]
    _, out, _ = called(capfd, "audit", "data", source, "--json")
    accepted = next(code for code in json.loads(out)["codes"] if code["code"] == "secret_present")
    assert accepted["documents"] == 0 and accepted["accepted"] == 1
    assert called(capfd, "audit", "unaccept", "secret_present", "lost.md")[0] == 0
    assert called(capfd, "audit", "unaccept", "secret_present", "lost.md")[0] == 1
    assert called(capfd, "audit", "data", "push")[0] in (1, 2)
    assert called(capfd, "audit", "verify")[0] == 0


@pytest.mark.anyio
async def test_over_http(tmp_path: Path) -> None:
    write_files(tmp_path / "files", {"a.md": FEES, "b.md": FEES}, [{"file": "a.md", "acl": ["staff"]}])
    async with serving(workspace(tmp_path), tmp_path / "cache", ingest=False) as service:

        async def call(method: str, path: str, key: str, **more: Any) -> tuple[int, Any]:
            status, body, _ = await service.call(method, path, key, **more)
            return status, body

        key = await service.key("olga", ["staff"], ["operator"])
        user = await service.key("aigerim", ["staff"])
        assert (await call("GET", "/api/readiness", user))[0] == 403
        status, body = await call("GET", "/api/readiness", key)
        assert (status, body["items"]) == (200, [])
        assert (await call("GET", "/api/readiness/latest", key))[0] == 404
        await service.house.audits.run([], lambda step: None, actor="owner")
        _, body = await call("GET", "/api/readiness", key)
        audit_id = body["items"][0]["audit_id"]
        _, body = await call("GET", f"/api/readiness/{audit_id}", key)
        assert body["documents"] == 2 and body["withheld"] >= 1
        assert "b.md" not in json.dumps(body)

        said = {
            "code": "exact_duplicate",
            "source": "intranet",
            "external_id": "a.md",
            "reason": "fine",
            "days": 9,
        }
        accept = "/api/readiness-acceptances"
        assert (await call("POST", accept, user, json=said))[0] == 403
        status, body = await call("POST", accept, key, json={**said, "code": "no_such"})
        assert (status, body["error"]["code"]) == (400, "readiness_code_unknown")
        assert (await call("POST", accept, key, json={**said, "external_id": "absent.md"}))[0] == 404
        assert (
            await call("POST", accept, key, json={**said, "external_id": "b.md", "code": "rights_missing"})
        )[0] == 201
        _, body = await call("GET", accept, key)
        assert [(item["document"]["external_id"], item["reason"]) for item in body["items"]] == [("", "")]
        gone = {"code": "rights_missing", "source": "intranet", "external_id": "b.md"}
        assert (await call("POST", f"{accept}/withdraw", key, json=gone))[0] == 200
        assert (await call("POST", f"{accept}/withdraw", key, json=gone))[0] == 404
