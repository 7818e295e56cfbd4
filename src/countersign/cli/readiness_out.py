"""What `countersign audit data` says and writes: a summary for the terminal, files, and whether limits were passed."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from countersign.cli.terminal import one_line, table

if TYPE_CHECKING:
    from countersign.domain.readiness import CodeSummary, ReadinessFinding, ReadinessReport

_EXAMPLES_SHOWN = 5
_CODES_SHOWN = 12
_LIMIT = re.compile(r"([a-z_]+)(?::(\d{1,9})(%?))?")


@dataclass(frozen=True, slots=True)
class Limit:
    """Broken when `least` documents or more, or `least` per cent of them, have `code` (or anything of that severity)."""

    code: str
    least: int = 1
    percent: bool = False

    @property
    def says(self) -> str:
        return f"{self.code}:{self.least}{'%' if self.percent else ''}"

    def broken_by(self, report: ReadinessReport) -> bool:
        count = self._documents(report)
        if self.percent:
            return count > 0 and 100 * count >= self.least * report.documents
        return count >= self.least

    def _documents(self, report: ReadinessReport) -> int:
        if self.code not in ("error", "warning"):
            return sum(each.documents for each in report.codes if each.code == self.code)
        concerned = {f.document for f in report.findings if f.severity == self.code and f.accepted is None}
        most = max((each.documents for each in report.codes if each.severity == self.code), default=0)
        return max(len(concerned), most)


def limits_said(said: Sequence[str]) -> list[Limit]:
    """Raises `UsageError` (`readiness_code_unknown`, `limit_invalid`)."""
    from countersign.corpus.readiness.catalogue import CODES
    from countersign.domain.errors import UsageError

    limits: list[Limit] = []
    for text in said:
        match = _LIMIT.fullmatch(text)
        if match is None or (match[2] is not None and int(match[2]) == 0 and not match[3]):
            raise UsageError(
                f"{text!r} is no limit",
                code="limit_invalid",
                hint="Write CODE, CODE:3 or CODE:5%, such as needs_ocr:5%.",
            )
        if match[1] not in CODES and match[1] not in ("error", "warning"):
            close = difflib.get_close_matches(match[1], [*CODES, "error", "warning"], n=3)
            raise UsageError(
                f"there is no code {match[1]!r}",
                code="readiness_code_unknown",
                hint=f"Did you mean {', '.join(close)}?"
                if close
                else f"Known: error, warning, {', '.join(CODES)}.",
            )
        limits.append(Limit(match[1], int(match[2] or 1), bool(match[3])))
    return limits


def readable(report: ReadinessReport) -> str:
    return "\n".join(_lines(report))


def _lines(report: ReadinessReport) -> Iterator[str]:
    pages = f", {report.pages} pages" if report.pages else ""
    yield f"{report.documents} documents{pages}, {report.bytes_read / 1e6:.1f} MB, {report.cpu_s:.1f} s of processor time"
    if report.finished is None:
        yield "NOT COMPLETE: a source could not be listed to its end; run it again, it goes on from here"
    for source, code in report.problems.items():
        yield f"  {source}: {code}"
    yield ""
    for score in report.sources:
        if score.score is None:
            yield f"{score.source}: nothing in it"
            continue
        yield f"{score.source}: {score.score:.0f} of 100 over {score.documents} documents"
        for reason in score.reasons[:5]:
            yield f"  −{reason.points:.1f}  {reason.code} ({reason.documents} documents, {reason.share:.0%})"
    yield ""
    if not report.codes:
        yield "Nothing was found that would make answers wrong."
        return
    yield table(("code", "severity", "documents", "share", "accepted"), [_row(each) for each in report.codes])
    yield ""
    yield from _what_to_do(report)


def _row(each: CodeSummary) -> tuple[object, ...]:
    return each.code, each.severity, each.documents, f"{each.share:.0%}", each.accepted or ""


def _what_to_do(report: ReadinessReport) -> Iterator[str]:
    from countersign.corpus.readiness.catalogue import CODES

    yield "What to do first:"
    urgent = [each for each in report.codes if each.documents and each.severity != "info"][:_CODES_SHOWN]
    for each in urgent or [each for each in report.codes if each.documents][:3]:
        meaning = CODES[each.code]
        yield f"  {each.code}: {meaning.what.lower()} ({each.documents} documents)"
        yield f"    {meaning.action} [{meaning.owner}]"
        for finding in each.worst[: _EXAMPLES_SHOWN if each.severity == "error" else 2]:
            yield f"      {_example(finding)}"


def _example(finding: ReadinessFinding) -> str:
    page = f" p. {finding.page}" if finding.page else ""
    other = f" ↔ {one_line(finding.other.external_id)}" if finding.other else ""
    said = f": {one_line(finding.evidence, 80)}" if finding.evidence else ""
    return f"{one_line(finding.document.external_id)}{page}{other}{said}"


def write_report(report: ReadinessReport, out: Path, language: str) -> tuple[Path, ...]:
    """HTML and JSON; each file appears whole or not at all. Raises `StorageError` (`file_not_writable`)."""
    from countersign.corpus.readiness.report_json import report_to_json
    from countersign.domain.errors import StorageError
    from countersign.web.readiness_report import render

    page = out if out.suffix.lower() in (".html", ".htm") else out / "readiness.html"
    beside = page.with_suffix(".json")
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        _put(beside, json.dumps(report_to_json(report), ensure_ascii=False, indent=1))
        _put(page, render(report, language))
    except OSError as error:
        raise StorageError(
            f"{out} cannot be written: {error.strerror}",
            code="file_not_writable",
            hint="Choose another place.",
        ) from error
    return page, beside


def _put(path: Path, text: str) -> None:
    """A report quotes documents: it is for whoever wrote it, who may then hand it on."""
    part = path.with_name(f".{path.name}.part")
    handle = os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)
