"""The samples of the guide are files that can be used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from countersign.config import load
from countersign.sources.registry import Surroundings, open_connector

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "sources.md"
SAMPLES = re.findall(r"(?ms)^```yaml\n(sources:\n.*?)^```$", GUIDE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda text: text.split()[1].rstrip(":"))
def test_every_sample_is_read_and_its_connector_made(tmp_path: Path, sample: str) -> None:
    names = re.findall(r"\$\{env:(\w+)\}", sample)
    for name in re.findall(r"\$\{file:([^}]+)\}", sample):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("k-4f9a1c77e2b0d5-of-nobody")
        (tmp_path / name).chmod(0o600)
    path = tmp_path / "countersign.yaml"
    path.write_text(f"name: w\n{sample}", encoding="utf-8")
    workspace = load(path, {name: "k-4f9a1c77e2b0d5-of-nobody" for name in names})
    for source in workspace.sources.values():
        if source.connector != "push":
            open_connector(source, Surroundings(tmp_path, workspace.tenants, tmp_path / "cache"))
