"""Run the benchmarks: `make bench`, or `python -m bench.run [--quick] [NAME …]`.

Every module of this folder with a `run(quick) -> dict` is one, and runs in a process of its own. Prints a table of the
figures and a table of the gates, and writes JSON to `bench/results/`. Gates are CPU time, memory, ratios and shares;
wall times are judged only while the load average is at most two. Exits 3 when a gate is missed.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import multiprocessing
import os
import platform
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results"
MAX_LOAD = 2.0
_LONG = 48


@dataclass(frozen=True, slots=True)
class Gate:
    """`figure` is a dotted path into what `bench` returns; `wall` figures depend on what else the machine does."""

    bench: str
    figure: str
    relation: str
    limit: float
    wall: bool = False


GATES = (
    Gate("governed", "ratio", "<=", 3.0),
    Gate("retrieval_speed", "scopes.2 %.cpu_ms", "<=", 10.0),
    Gate("retrieval_speed", "scopes.50 %.cpu_ms", "<=", 25.0),
    Gate("retrieval_speed", "scopes.2 %.recall_at_10", ">=", 0.99),
    Gate("retrieval_speed", "scopes.50 %.recall_at_10", ">=", 0.99),
    Gate("line", "p95_ms", "<=", 60.0, wall=True),
    Gate("start", "ready.cpu_s", "<=", 3.0),
    Gate("start", "ready.rss_mib", "<=", 191.0),  # 200 MB
    Gate("start", "loaded.rss_mib", "<=", 667.0),  # 700 MB
    Gate("parsing", "pages_per_cpu_s.with_boxes_and_tables", ">=", 30.0),
    Gate("readiness", "office.documents_per_cpu_s", ">=", 20.0),
    Gate("readiness", "pdf.pages_per_cpu_s", ">=", 60.0),
)


@dataclass(frozen=True, slots=True)
class Measured:
    name: str
    figures: dict[str, Any]
    seconds: float
    load: float
    """The higher of the load averages before and after, over one minute."""
    error: str = ""


def names() -> list[str]:
    """Modules of this folder that define `run` and are not this one."""
    found: list[str] = []
    for path in sorted(FOLDER.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        if path.stem != "run" and "run" in functions:
            found.append(path.stem)
    return found


def measure(name: str, *, quick: bool) -> Measured:
    """One benchmark in a fresh process: what it loads and leaves behind is not the next one's."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    load, started = os.getloadavg()[0], time.perf_counter()
    process = context.Process(target=_child, args=(name, quick, theirs))
    process.start()
    theirs.close()
    try:
        figures, error = ours.recv()
    except EOFError:
        figures, error = {}, "it ended without a result"
    process.join()
    seconds = round(time.perf_counter() - started, 1)
    return Measured(name, figures, seconds, round(max(load, os.getloadavg()[0]), 2), error)


def _child(name: str, quick: bool, pipe: Connection) -> None:
    try:
        figures = importlib.import_module(f"bench.{name}").run(quick)
        pipe.send((json.loads(json.dumps(figures, default=str)), ""))
    except Exception:  # noqa: BLE001 - whatever a benchmark fails with is told and the others run
        pipe.send(({}, traceback.format_exc()))


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted path, plain value) for every leaf."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from flat(inner, f"{path}.{place}" if path else str(place))
    else:
        yield path, value


def table(measured: Sequence[Measured]) -> Iterator[str]:
    for one in measured:
        yield f"\n{one.name}  ({one.seconds} s, load {one.load})"
        if one.error:
            yield one.error
        for path, value in flat(one.figures):
            shown = str(value)
            yield f"  {path:<{_LONG}} {shown if len(shown) <= _LONG else shown[:_LONG] + '…'}"


def verdict(gate: Gate, figures: dict[str, Any], load: float) -> str:
    """`ok`, `MISSED`, or why it was not judged."""
    value = dict(flat(figures)).get(gate.figure)
    if not isinstance(value, int | float):
        return "not measured"
    if gate.wall and load > MAX_LOAD:
        return f"not judged: load {load}"
    reached = value <= gate.limit if gate.relation == "<=" else value >= gate.limit
    return "ok" if reached else "MISSED"


def judge(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    by_name = {one.name: one for one in measured}
    return [
        {
            **asdict(gate),
            "value": dict(flat(one.figures)).get(gate.figure),
            "verdict": verdict(gate, one.figures, one.load),
        }
        for gate in GATES
        if (one := by_name.get(gate.bench)) is not None
    ]


def write(measured: Sequence[Measured], gates: Sequence[dict[str, Any]], quick: bool) -> Path:
    RESULTS.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    path = RESULTS / f"{now:%Y%m%dT%H%M%SZ}{'-quick' if quick else ''}.json"
    machine = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
    }
    result = {
        "at": now.isoformat(),
        "quick": quick,
        "machine": machine,
        "gates": list(gates),
        "benchmarks": [asdict(one) for one in measured],
    }
    path.write_text(json.dumps(result, indent=2, ensure_ascii=False), encoding="utf-8")
    return path


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="small numbers: shows that it runs; gates are not judged"
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}")
    said = parser.parse_args(arguments)
    if unknown := set(said.names) - set(names()):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    measured: list[Measured] = []
    for name in said.names or names():
        print(f"… {name}", file=sys.stderr, flush=True)
        measured.append(measure(name, quick=said.quick))
        print(*table(measured[-1:]), sep="\n", flush=True)
    gates = [] if said.quick else judge(measured)
    if gates:
        print("\ngates")
    for gate in gates:
        name = f"{gate['bench']} {gate['figure']}"
        print(
            f"  {name:<{_LONG}} {gate['value']!s:>10} {gate['relation']} {gate['limit']:<8g} {gate['verdict']}"
        )
    print(f"\nwritten to {write(measured, gates, said.quick).relative_to(FOLDER.parent)}")
    if any(one.error for one in measured):
        return 1
    return 3 if any(gate["verdict"] == "MISSED" for gate in gates) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
