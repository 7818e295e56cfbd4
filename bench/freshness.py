"""A pass over a source of a million tiny documents that did not change, and over new ones: time and memory.

    python -m bench.freshness [--quick]

The documents exist only while they are listed. For `unchanged` their rows are written straight into the database, as an
earlier pass left them; the pass then lists, compares and confirms every one without reading any. `new` goes through the
ordinary intake, each with its bytes, its version and its job. CPU is of the whole process; the memory is what it grew.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Connection, TextClause, text

from countersign.app.house import House
from countersign.testing.scripted_source import ManyEntries
from tests.freshness.parts import joined

_COPY = 20_000


def run(quick: bool) -> dict[str, Any]:
    return asyncio.run(_measure(2_000 if quick else 1_000_000, 200 if quick else 2_000))


async def _measure(count: int, new: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        many = ManyEntries("many", new)
        async with joined(Path(folder), many) as house:
            taken = await _pass(house, new)
            many.count = 1
            await house.sync("many", lambda step: None)
            await house.worker.drain()
            await _copy(house, count)
            many.count = count
            unchanged = await _pass(house, count)
            [state] = await house.freshness.everywhere()
            assert state.last is not None
            assert (state.last.unchanged, state.last.removed) == (count, 0), state.last
    return {"documents": count, "new": taken, "unchanged": unchanged}


async def _pass(house: House, count: int) -> dict[str, float]:
    process = psutil.Process()
    before, cpu, wall = process.memory_info().rss, time.process_time(), time.perf_counter()
    peak = before

    def note(step: object) -> None:
        nonlocal peak
        peak = max(peak, process.memory_info().rss) if getattr(step, "done", 0) % 10_000 == 0 else peak

    await house.sync("many", note)
    peak = max(peak, process.memory_info().rss)
    return {
        "cpu_us_per_document": round((time.process_time() - cpu) * 1e6 / count, 1),
        "wall_s": round(time.perf_counter() - wall, 2),
        "grew_mib": round((peak - before) / 2**20, 1),
    }


async def _copy(house: House, count: int) -> None:
    """As many rows as there will be entries, made from the one that is there."""

    def names(connection: Any) -> tuple[list[str], list[str]]:
        connection.execute(text("DELETE FROM document WHERE external_id <> '000/0.txt'"))
        documents = [row[1] for row in connection.execute(text("PRAGMA table_info(document)"))]
        versions = [row[1] for row in connection.execute(text("PRAGMA table_info(document_version)"))]
        return documents, versions

    documents, versions = await house.database.write(names)
    number = "WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last)"
    made = {
        "id": "printf('doc_%09d', n.i)",
        "external_id": "printf('%03d/%d.txt', n.i % 1000, n.i)",
        "title": "n.i || '.txt'",
        "document_id": "printf('doc_%09d', n.i)",
        "filename": "n.i || '.txt'",
    }
    one = "external_id = '000/0.txt'"
    for table, columns, where in (
        ("document", documents, one),
        ("document_version", versions, f"document_id = (SELECT id FROM document WHERE {one})"),
    ):
        source = ", ".join(made.get(column, f"t.{column}") for column in columns)
        statement = text(
            f"INSERT INTO {table} ({', '.join(columns)}) {number} SELECT {source} FROM n, {table} t WHERE {where}"
        )
        for first in range(1, count, _COPY):
            last = min(first + _COPY, count) - 1
            await house.database.write(_insert, statement, first, last)


def _insert(connection: Connection, statement: TextClause, first: int, last: int) -> None:
    connection.execute(statement, {"first": first, "last": last})


def main() -> None:
    print(json.dumps(run("--quick" in sys.argv), indent=2))


if __name__ == "__main__":
    main()
