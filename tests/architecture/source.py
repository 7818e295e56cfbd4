"""The shipped source as these tests see it."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "countersign"


@cache
def modules() -> dict[str, ast.Module]:
    """Path below the package → tree; migrations are written by a tool and left out."""
    return {
        path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(SOURCE.rglob("*.py"))
        if "migrations" not in path.parts
    }


def nodes(*kinds: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    for place, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, kinds):
                yield place, node


@cache
def repository_files() -> tuple[Path, ...]:
    """Everything that is or would be committed; outside a git checkout, the whole tree without generated folders."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        names = [name for name in listed.stdout.decode().split("\0") if name]
        return tuple(path for name in names if (path := ROOT / name).is_file())
    found = (path for path in ROOT.rglob("*") if path.is_file())
    return tuple(p for p in found if not any(part.startswith(".") for part in p.relative_to(ROOT).parts))
