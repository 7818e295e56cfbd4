"""Single checks of the doctor that a whole workspace does not easily show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from countersign.app import doctor
from countersign.app.doctor import APT_LINE, Look, isolation, recognition, stray_startup_files
from countersign.domain.workspace import ParseLimits
from countersign.testing.scripted_model import ScriptedModel
from tests.workspaces import workspace


def test_without_a_language_it_names_the_package(tmp_path: Path) -> None:
    settings = workspace(tmp_path, parsing=ParseLimits(ocr_languages="zzz"))
    [check] = recognition(settings)
    assert (check.level, check.fix) == ("warn", APT_LINE)
    [off] = recognition(replace(settings, parsing=ParseLimits(ocr=False)))
    assert off.level == "ok"


def test_a_startup_file_that_nobody_owns_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stray.pth").write_text("import os; os.getpid()\n")
    (tmp_path / "harmless.pth").write_text("/some/folder\n")
    monkeypatch.setattr(doctor.site, "getsitepackages", lambda: [str(tmp_path)])
    found = [check for check in stray_startup_files(Look(production=True)) if check.level != "ok"]
    assert [check.message.split()[0] for check in found] == ["stray.pth"]
    assert found[0].level == "fail"


@pytest.mark.anyio
async def test_every_layer_of_isolation_is_named(tmp_path: Path) -> None:
    checks = await isolation(workspace(tmp_path), Look())
    assert checks
    assert all(check.fix for check in checks if check.level != "ok")


@pytest.mark.anyio
async def test_endpoints_on_this_machine_are_asked_and_others_are_not() -> None:
    async with ScriptedModel() as server:
        here = await doctor.reach("model main", server.base_url, Look())
    assert here.level == "ok"
    assert "HTTP 200" in here.message
    gone = await doctor.reach("model main", server.base_url, Look())
    assert gone.level == "warn"
    assert (await doctor.reach("model main", server.base_url, Look(production=True))).level == "fail"
    away = await doctor.reach("model far", "https://models.example/v1", Look())
    assert (away.level, "not asked" in away.message) == ("ok", True)
    plain = await doctor.reach("model far", "http://models.example/v1", Look(production=True))
    assert plain.level == "fail"
