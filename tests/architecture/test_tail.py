"""The tail, not the average: the largest file, the longest function, the widest catch."""

from __future__ import annotations

import ast
from collections import Counter

from tests.architecture.source import SOURCE, nodes

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
LONG = {"app/house.py:_join": 120}
"""The wiring: one line for each part, chosen and joined in the order they need each other, and nothing decided."""
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

BROAD = {
    "api/edge.py": 1,  # the one handler of HTTP: what is not ours becomes `internal`, with its cause in the log
    "api/walk.py": 1,  # hands the line's failure to the stream that waits for it
    "app/office.py": 1,  # closes what it opened, and raises on
    "app/worker.py": 1,  # a job that fails in any way is handed back, and the worker lives on
    "cli/init.py": 1,  # removes the half-made workspace, and raises on
    "corpus/parsers/packages.py": 1,  # a foreign parser in a sandboxed child may raise anything
    "corpus/zygote.py": 3,  # the sandboxed child: whatever happens becomes a status
    "storage/database.py": 3,  # rolls back, and hands the failure to whoever waits for the write
    "storage/passage_index.py": 1,  # closes a half-opened index, and raises on
}
"""Where everything is caught, how often and why. A new place needs a reason as good as these."""

SPEAKS = ("cli/", "demo/", "config/reference.py")


def test_no_file_is_longer_than_a_few_screens() -> None:
    lengths = {
        path.relative_to(SOURCE).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in SOURCE.rglob("*.py")
        if "migrations" not in path.parts
    }
    assert {place: lines for place, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    tail: dict[str, int] = {}
    for place, node in nodes(*FUNCTIONS):
        assert isinstance(node, FUNCTIONS)
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        name = f"{place}:{node.name}"
        if lines > LONG.get(name, MAX_FUNCTION_LINES):
            tail[name] = lines
    assert tail == {}


def test_everything_is_caught_only_where_a_reason_is_written_down() -> None:
    found: Counter[str] = Counter()
    for place, node in nodes(ast.ExceptHandler):
        assert isinstance(node, ast.ExceptHandler)
        caught = [node.type] if not isinstance(node.type, ast.Tuple) else node.type.elts
        if any(kind is None or ast.unparse(kind) in ("Exception", "BaseException") for kind in caught):
            found[place] += 1
    assert dict(found - Counter(BROAD)) == {}


def test_only_doors_print() -> None:
    printing = {
        f"{place}:{node.lineno}"
        for place, node in nodes(ast.Call)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        if not place.startswith(SPEAKS)
    }
    assert printing == set()
