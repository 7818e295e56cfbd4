"""Every benchmark runs in its quick mode, so that none rots: figures are printed, not judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import run

pytestmark = [pytest.mark.serial, pytest.mark.timeout(300)]


@pytest.mark.parametrize("name", run.names())
def test_a_benchmark_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_DATA", str(tmp_path / "absent"))
    monkeypatch.setenv("COUNTERSIGN_BENCH_CACHE", str(tmp_path / "cache"))
    measured = run.measure(name, quick=True)
    assert measured.error == ""
    json.dumps(measured.figures)
    print(*run.table([measured]), sep="\n")


def test_a_gate_is_judged_by_its_limit_and_by_the_load() -> None:
    figures = {"a": {"cpu_ms": 2.0, "wall_ms": 9.0}}
    cpu = run.Gate("x", "a.cpu_ms", "<=", 3.0)
    wall = run.Gate("x", "a.wall_ms", "<=", 3.0, wall=True)
    assert run.verdict(cpu, figures, load=9.0) == "ok"
    assert run.verdict(run.Gate("x", "a.cpu_ms", ">=", 3.0), figures, load=0.1) == "MISSED"
    assert run.verdict(wall, figures, load=2.5) == "not judged: load 2.5"
    assert run.verdict(wall, figures, load=0.5) == "MISSED"
    assert run.verdict(run.Gate("x", "b.c", "<=", 1.0), figures, load=0.5) == "not measured"


def test_figures_are_flattened_for_the_table() -> None:
    assert dict(run.flat({"a": {"b": [1, {"c": "x"}]}, "d": True})) == {"a.b.0": 1, "a.b.1.c": "x", "d": True}
