"""Measure parsing: a named status for every file, memory, pages for each CPU second, recognition errors.

`python -m bench.parsing [--quick]` reads the data sets from COUNTERSIGN_DATA (or ../shared/data); what is not there is
left out. Prints a table and one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from countersign.corpus.sandbox import Job, Outcome, Sandbox
from countersign.corpus.service import SandboxedParser
from countersign.domain.documents import ParsedDocument, ParseStatus
from countersign.domain.workspace import ParseLimits


class _Metered(Sandbox):
    """A sandbox that keeps what its children used."""

    def __init__(self, temp: Path, workers: int) -> None:
        super().__init__(temp, workers=workers)
        self.cpu_s = 0.0
        self.rss_bytes: list[tuple[int, str]] = []

    async def run(self, job: Job, source: int) -> Outcome:
        outcome = await super().run(job, source)
        self.cpu_s += outcome.cpu_s
        self.rss_bytes.append((outcome.max_rss_bytes, job.entry or "tesseract"))
        return outcome


def data_folder() -> Path:
    return Path(os.environ.get("COUNTERSIGN_DATA") or Path(__file__).parents[2] / "shared" / "data")


def run(quick: bool) -> dict[str, Any]:
    """All measurements that the data at hand allows; `quick` takes a part of each set."""
    return asyncio.run(_run(quick))


async def _run(quick: bool) -> dict[str, Any]:
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temp:
        limits = ParseLimits(wall_s=60.0, cpu_s=30)
        sandbox = _Metered(Path(temp), limits.workers)
        parser = SandboxedParser(limits, Path(temp), sandbox=sandbox)
        await parser.start()
        result["isolation"] = {fact.name: fact.active for fact in await parser.isolation_report()}
        documents = data_folder() / "documents"
        if (documents / "manifest.jsonl").is_file():
            rows = [json.loads(line) for line in (documents / "manifest.jsonl").read_text().splitlines()]
            result["documents"] = await _documents(parser, sandbox, documents, rows[:: 5 if quick else 1])
            result["recognition"] = await _recognition(parser, documents, rows, quick=quick)
        reports = sorted((data_folder() / "retrieval" / "finbench" / "pdfs").glob("*.pdf"))
        if reports:
            result["pages_per_cpu_s"] = await _speed(sandbox, reports[: 3 if quick else 12])
        await parser.close()
    return result


async def _documents(
    parser: SandboxedParser, sandbox: _Metered, folder: Path, rows: Sequence[Any]
) -> dict[str, Any]:
    statuses: dict[str, Counter[str]] = {}
    files: list[dict[str, Any]] = []
    found = wanted = 0
    for row in rows:
        path = folder / row["file"]
        if not path.is_file():
            continue
        started = time.perf_counter()
        document = await parser.parse(path, path.name, "")
        wall_s = time.perf_counter() - started
        statuses.setdefault(row["kind"], Counter())[document.status.value] += 1
        hit, total = _phrases(document, row.get("phrases") or [])
        found, wanted = found + hit, wanted + total
        files.append({
            "file": row["file"], "status": document.status.value, "reason": document.reason, "wall_s": round(wall_s, 2),
            "chars": sum(len(e.text) for e in document.elements), "phrases": f"{hit}/{total}",
        })  # fmt: skip
    peak: dict[str, int] = {}
    for rss, entry in sandbox.rss_bytes:
        peak[entry] = max(peak.get(entry, 0), rss >> 20)
    return {
        "files": len(files),
        "statuses": dict(sum(statuses.values(), Counter())),
        "by_kind": {kind: dict(counts) for kind, counts in sorted(statuses.items())},
        "phrases_found": f"{found}/{wanted}",
        "slowest": sorted(files, key=lambda item: -item["wall_s"])[:5],
        "peak_rss_mb": dict(sorted(peak.items(), key=lambda item: -item[1])),
        "ok_but_empty": [f["file"] for f in files if f["status"] == ParseStatus.OK and f["chars"] == 0],
        "not_ok": [f for f in files if f["status"] != ParseStatus.OK],
    }


def _phrases(document: ParsedDocument, phrases: Sequence[str]) -> tuple[int, int]:
    text = _squeeze(" ".join(element.text for element in document.elements))
    return sum(1 for phrase in phrases if _squeeze(phrase) in text), len(phrases)


def _squeeze(text: str) -> str:
    return re.sub(r"[\s|]+", "", text).casefold()


async def _recognition(
    parser: SandboxedParser, folder: Path, rows: Sequence[Any], *, quick: bool
) -> dict[str, float]:
    """Character error rate (0..1) of every synthetic scan whose text is known."""
    rates: dict[str, float] = {}
    scans = [row for row in rows if str(row["kind"]).startswith("scan_synth") and row.get("text")]
    for row in scans[:: 2 if quick else 1]:
        document = await parser.parse(folder / row["file"], row["file"], "")
        text = " ".join(" ".join(element.text for element in document.elements).split())
        truth = " ".join(str(row["text"]).split())
        rates[row["file"]] = round(_distance(text, truth) / max(1, len(truth)), 4)
    return rates


def _distance(first: str, second: str) -> int:
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(second, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]


async def _speed(sandbox: _Metered, reports: Sequence[Path]) -> dict[str, float]:
    pages, cpu_s = 0, 0.0
    for report in reports:
        handle = os.open(report, os.O_RDONLY)
        try:
            outcome = await sandbox.run(
                Job("countersign.corpus.parsers.pdf:parse", {"first": 1, "last": 50}), handle
            )
        finally:
            os.close(handle)
        pages += sum(1 for record in outcome.records() if "page" in record)
        cpu_s += outcome.cpu_s
    return {"pages": pages, "with_boxes_and_tables": round(pages / max(cpu_s, 1e-9), 1)}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    result = run(options.parse_args().quick)
    for name, value in result.items():
        print(f"\n{name}")
        for key, item in value.items() if isinstance(value, dict) else [("", value)]:
            print(f"  {key:28} {item}")
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    main()
