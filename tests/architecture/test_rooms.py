"""Data walks one way through the rooms, and what a room loads is bounded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, SOURCE, modules

HEAVY = {
    "aiohttp", "alembic", "cryptography", "fastapi", "fsspec", "jinja2", "numkong", "numpy", "onnx", "onnxruntime",
    "pdfplumber", "psycopg", "pydantic", "pypdfium2", "rich", "sentencepiece", "sqlalchemy", "tantivy", "uvicorn", "xberg",
}  # fmt: skip


def test_the_rooms_import_downwards_only() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_domain_imports_nothing_of_ours_and_no_library() -> None:
    loaded = _loaded(
        "from countersign.domain import answers, clock, documents, errors, events, ids, jobs, workspace"
    )
    assert loaded == {"countersign"}


def test_no_room_is_a_drawer_for_the_rest() -> None:
    rooms = {path.name for path in SOURCE.rglob("*") if path.suffix in ("", ".py")}
    for word in ("utils", "core", "common", "helpers", "manager"):
        assert word not in {name.removesuffix(".py") for name in rooms}


@pytest.mark.parametrize(
    ("statement", "may_load"),
    [
        ("import countersign.cli.main", set[str]()),
        ("import countersign.config", set[str]()),
        ("import countersign.guard.pipeline", set[str]()),
        ("import countersign.gateway.ladder", set[str]()),
        ("import countersign.answer.ask", {"numpy"}),
        ("import countersign.app.house", {"numpy", "sqlalchemy"}),
    ],
)
def test_importing_stays_light(statement: str, may_load: set[str]) -> None:
    assert (_loaded(statement) & HEAVY) - may_load == set()


def _loaded(statement: str) -> set[str]:
    """Top-level names, other than the standard library's, that a fresh interpreter holds after `statement`."""
    code = f"import sys; before = set(sys.modules); {statement}; print(*sorted(set(sys.modules) - before))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE.parent)},
    )
    names = {name.split(".")[0] for name in run.stdout.split()}
    return {name for name in names if name not in sys.stdlib_module_names and not name.startswith("_")}


def test_every_module_says_what_it_is() -> None:
    import ast

    silent = [place for place, tree in modules().items() if tree.body and not ast.get_docstring(tree)]
    assert silent == []
