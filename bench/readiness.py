"""How fast an audit reads: documents and pages for each CPU second, children included, on generated files.

`python -m bench.readiness [--quick]`. Three folders are audited apart: office files (DOCX, XLSX, PPTX of two to four
pages' text), PDF files of twenty pages with tables, and 10 000 small text files, which are then audited again unchanged.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from countersign.app.readiness import audit, plan_paths
from countersign.corpus import language
from countersign.domain.clock import SystemClock
from countersign.domain.readiness import ReadinessReport
from countersign.domain.workspace import ParseLimits
from tests.corpus.files import docx, paragraph, pdf, pptx, text_at, word_table, xlsx

_SENTENCES = (
    "The branch opens an account for a customer within {n} minutes after the papers were checked by a second employee.",
    "Комиссия за перевод составляет {n} тенге и списывается в день операции, если договором не установлено иное.",
    "Клиент өтініш бергеннен кейін банк {n} жұмыс күні ішінде жауап береді, егер шартта басқаша көзделмесе.",
    "A complaint that reaches the bank in writing is answered within {n} days; the deadline starts on the day after.",
)
_LATIN = (_SENTENCES[0], _SENTENCES[3])


def run(quick: bool) -> dict[str, Any]:
    """Office files and PDF pages for each CPU second, and how an unchanged folder is audited again."""
    return asyncio.run(_run(quick))


async def _run(quick: bool) -> dict[str, Any]:
    language.warm_up()
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temp:
        root = Path(temp)
        sets = {
            "office": (_office(root / "office", 12 if quick else 240), "documents"),
            "pdf": (_pdfs(root / "pdf", 2 if quick else 20), "pages"),
            "small": (_small(root / "small", 50 if quick else 10_000), "documents"),
        }
        for name, (folder, unit) in sets.items():
            report, figures = await _measured(folder, root / "cache")
            figures[f"{unit}_per_cpu_s"] = round(getattr(report, unit) / figures["cpu_s"], 1)
            result[name] = figures
        report, again = await _measured(root / "small", root / "cache")
        again["documents_per_cpu_s"] = round(report.documents / again["cpu_s"], 1)
        result["again"] = again
        result["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return result


async def _measured(folder: Path, cache: Path) -> tuple[ReadinessReport, dict[str, float]]:
    """`cpu_s` is of this process, the zygote and every parser; the report's own figure leaves the zygote out."""
    before, began = _cpu_s(), time.perf_counter()
    plan = plan_paths([folder], cache, ParseLimits(ocr=False))
    done = await audit(plan, SystemClock(), lambda step: None)
    wall_s = time.perf_counter() - began
    return done.report, {
        "documents": done.report.documents,
        "cpu_s": round(_cpu_s() - before, 2),
        "wall_s": round(wall_s, 1),
    }


def _cpu_s() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _text(seed: int, sentences: int, choice: tuple[str, ...] = _SENTENCES) -> Iterator[str]:
    for number in range(sentences):
        yield choice[(seed + number) % len(choice)].format(n=3 + (seed * 7 + number * 13) % 400)


def _rows(seed: int) -> list[list[str]]:
    return [["Service", "Fee, tenge", "Days"]] + [
        [f"Service {seed} {row}", str(100 + 7 * row + seed), str(row + 1)] for row in range(12)
    ]


def _office(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        lines = list(_text(number, 60))
        if number % 3 == 0:
            body = paragraph(f"Order {number}", style="Heading1") + "".join(map(paragraph, lines))
            content, suffix = docx(body + word_table(_rows(number))), "docx"
        elif number % 3 == 1:
            cells: list[list[str | int]] = [[*row] for row in _rows(number)]
            content, suffix = xlsx({"Fees": cells, "Notes": [[line] for line in lines[:30]]}), "xlsx"
        else:
            slides = [(f"Part {slide}", lines[6 * slide : 6 * slide + 6]) for slide in range(8)]
            content, suffix = pptx(slides), "pptx"
        (folder / f"file {number:04}.{suffix}").write_bytes(content)
    return folder


def _pdfs(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        pages = ["\n".join(_page(number, page)) for page in range(20)]
        (folder / f"report {number:03}.pdf").write_bytes(pdf(pages))
    return folder


def _page(number: int, page: int) -> Iterator[str]:
    """Forty lines of ninety characters, eight of them in three columns: about what a printed page holds."""
    yield text_at(60, 780, f"{page + 1}. Section {number}", size=15)
    words = " ".join(_text(number * 20 + page, 28, _LATIN)).split()
    lines: list[str] = [""]
    for word in words:
        if len(lines[-1]) + len(word) > 90:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    for line, said in enumerate(lines[:32]):
        yield text_at(60, 750 - 17 * line, said, size=10)
    for row, cells in enumerate(_rows(page)[:8]):
        for column, cell in enumerate(cells):
            yield text_at(60 + 170 * column, 190 - 15 * row, cell, size=10)


def _small(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        text = "\n\n".join(_text(number, 4))
        (folder / f"note {number:05}.txt").write_text(f"Note {number}\n\n{text}", encoding="utf-8")
    return folder


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    print(json.dumps(run(options.parse_args().quick), indent=1))


if __name__ == "__main__":
    main()
