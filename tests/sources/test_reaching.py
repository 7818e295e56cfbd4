"""What `countersign doctor` says of sources: whether they answer, and what is missing when they do not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from countersign.app.doctor import Check, Look
from countersign.app.reaching import reach_sources
from countersign.domain.workspace import SourceSettings, Workspace
from tests.workspaces import workspace


def checks(root: Path, settings: SourceSettings, look: Look | None = None) -> Check:
    made: Workspace = workspace(root, sources={settings.name: settings}, assistants={})
    [check] = reach_sources(made, look or Look())
    return check


def test_a_folder_that_answers_shows_how_it_begins(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    settings = SourceSettings(name="intranet", connector="files", url="files")
    assert checks(tmp_path, settings).level == "warn"
    (tmp_path / "files" / "шарт.md").write_text("text")
    check = checks(tmp_path, settings)
    assert (check.level, check.name) == ("ok", "reach intranet")
    assert "шарт.md" in check.message


def test_a_source_that_does_not_answer_says_what_to_do(tmp_path: Path) -> None:
    settings = SourceSettings(name="intranet", connector="files", url="nowhere")
    check = checks(tmp_path, settings)
    assert (check.level, "the folder is not there" in check.message) == ("warn", True)
    assert "sources.intranet.url" in check.fix
    assert checks(tmp_path, settings, Look(production=True)).level == "fail"


def test_another_machine_is_asked_only_when_that_is_wanted(tmp_path: Path) -> None:
    settings = SourceSettings(name="share", connector="files", url="https://cloud.example.kz/dav")
    check = checks(tmp_path, settings)
    assert (check.level, check.message) == ("ok", "not asked")
    assert "--network" in check.fix
    closed = SourceSettings(name="share", connector="files", url="http://127.0.0.1:9/dav")
    assert "does not answer" in checks(tmp_path, closed).message


@pytest.mark.parametrize(
    ("url", "connector", "library"),
    [
        ("s3://bank/files", "files", "obstore"),
        ("sftp://host/files", "files", "paramiko"),
        ("https://host/dav", "files", "webdav4"),
        ("smb://host/share", "files", "smbclient"),
        ("https://host/rules", "git", "dulwich"),
    ],
)
def test_a_missing_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, connector: str, library: str
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    check = checks(tmp_path, SourceSettings(name="share", connector=connector, url=url))
    assert check.level == "fail"
    assert library in check.message
    assert "countersign[connectors]" in check.fix
