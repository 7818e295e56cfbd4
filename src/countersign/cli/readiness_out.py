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

from countersign.cli.terminal import one_line, table, wrapped

if TYPE_CHECKING:
    from countersign.corpus.readiness.changes import Changes
    from countersign.domain.readiness import ReadinessFinding, ReadinessReport, SourceScore
    from countersign.web.readiness_view import CodeLine, ReportView

_EXAMPLES_SHOWN = 3
_REASONS_SHOWN = 5
_NOTES_SHOWN = 3
_MAX_EARLIER_BYTES = 500_000_000
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


def readable(report: ReadinessReport, changes: Changes | None = None) -> str:
    from countersign.web.readiness_view import view_of

    return "\n".join(_lines(view_of(report, changes)))


def _lines(view: ReportView) -> Iterator[str]:
    from countersign.web.wording_data import SOURCE_PROBLEM

    report = view.report
    yield _verdict(view)
    pages = f", {_many(report.pages, 'page')}" if report.pages else ""
    yield f"{_many(report.documents, 'document')}{pages}, {report.bytes_read / 1e6:.1f} MB, {report.cpu_s:.1f} s of processor time"
    if report.finished is None:
        yield "NOT COMPLETE: a source could not be listed to its end; run it again, it goes on from here"
    for source, code in report.problems.items():
        yield f"  {one_line(source)}: {code} {SOURCE_PROBLEM.get(code, '')}".rstrip()
    if view.changes:
        yield _since(view.changes)
    yield ""
    for score in report.sources:
        yield _score(score, view.changes)
        for reason in score.reasons[:_REASONS_SHOWN]:
            yield f"  −{reason.points:.1f}  {reason.code} ({_many(reason.documents, 'document')}, {reason.share:.0%})"
    if report.codes:
        yield ""
        yield table(("code", "severity", "documents", "share", "accepted", "who"), map(_row, view.codes))
        yield ""
        yield from _what_to_do(view)


def _verdict(view: ReportView) -> str:
    said = {
        "nothing_read": "NOTHING WAS READ: no document was found; check the path or the source's settings",
        "not_ready": f"NOT READY: {view.with_errors} of {_many(view.report.documents, 'document')} with an error: "
        "an answer from them would be wrong, or they cannot answer at all",
        "warnings": f"READY, WITH WARNINGS: {view.with_warnings} of {_many(view.report.documents, 'document')} can make answers worse",
        "ready": "READY: nothing was found that would make answers wrong",
    }[view.verdict]
    more = view.verdict == "not_ready" and view.with_warnings
    return f"{said}; {view.with_warnings} more with a warning" if more else said


def _since(changes: Changes) -> str:
    return (
        f"since {changes.since:%Y-%m-%d %H:%M} UTC: {len(changes.new)} new, {len(changes.gone)} no longer found, "
        f"{changes.still} still there"
    )


def _score(score: SourceScore, changes: Changes | None) -> str:
    if score.score is None:
        return f"{one_line(score.source)}: nothing in it"
    then = changes.scores.get(score.source) if changes else None
    was = f" (was {then:.0f})" if then is not None and round(then) != round(score.score) else ""
    return (
        f"{one_line(score.source)}: {score.score:.0f} of 100{was} over {_many(score.documents, 'document')}"
    )


def _row(line: CodeLine) -> tuple[object, ...]:
    each = line.summary
    return (
        each.code,
        each.severity,
        each.documents,
        f"{each.share:.0%}",
        each.accepted or "",
        line.meaning.owner,
    )


def _what_to_do(view: ReportView) -> Iterator[str]:
    """The same five as in the report; notes only where there is nothing else."""
    urgent = view.first or tuple(line for line in view.codes if line.is_open)[:_NOTES_SHOWN]
    if urgent:
        yield "What to do first:"
    for n, line in enumerate(urgent, 1):
        each, meaning = line.summary, line.meaning
        gain = f", +{line.gain:.1f} points" if line.gain >= 0.05 else ""
        yield wrapped(f"{n}. {meaning.action}", "  ")
        yield wrapped(
            f"{each.code}: {meaning.what[:1].lower()}{meaning.what[1:]} "
            f"({_many(each.documents, 'document')}{gain}; {meaning.owner})",
            "     ",
        )
        for finding in each.worst[: _EXAMPLES_SHOWN if each.severity == "error" else 2]:
            yield f"       {_example(finding)}"
    if len(view.owners) > 1:
        yield "Who acts: " + ", ".join(f"{o.owner} on {_many(o.documents, 'document')}" for o in view.owners)


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _example(finding: ReadinessFinding) -> str:
    page = f" p. {finding.page}" if finding.page else ""
    other = f" ↔ {one_line(finding.other.external_id)}" if finding.other else ""
    said = f": {one_line(finding.evidence, 80)}" if finding.evidence else ""
    return f"{one_line(finding.document.external_id)}{page}{other}{said}"


def page_of(out: Path) -> Path:
    """Whichever of the three files is named, they lie beside each other; any other name is a folder."""
    suffix = out.suffix.lower()
    if suffix in (".json", ".csv"):
        return out.with_suffix(".html")
    return out if suffix in (".html", ".htm") else out / "readiness.html"


def earlier(out: Path | None, since: Path | None) -> ReadinessReport | None:
    """What is compared with: the report that is named, or the one that lies where the new one will. One that was not
    asked for and cannot be read is no reason to stop. Raises `UsageError` (`report_unreadable`)."""
    from countersign.corpus.readiness.report_json import report_from_json
    from countersign.domain.errors import UsageError

    path = since or (page_of(out).with_suffix(".json") if out is not None else None)
    if path is None:
        return None
    try:
        if path.stat().st_size > _MAX_EARLIER_BYTES:
            raise ValueError("too large")
        return report_from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        if since is None:
            return None
        raise UsageError(
            f"{since} is no report of an audit",
            code="report_unreadable",
            hint="Name the JSON file that an earlier `countersign audit data --out` wrote.",
        ) from None


def write_report(
    report: ReadinessReport,
    out: Path,
    language: str,
    changes: Changes | None = None,
    *,
    rights_known: bool = True,
) -> tuple[Path, ...]:
    """HTML, JSON and CSV; each file appears whole or not at all. Raises `StorageError` (`file_not_writable`)."""
    from countersign.corpus.readiness.report_json import report_to_json
    from countersign.domain.errors import StorageError
    from countersign.web.readiness_csv import findings_csv
    from countersign.web.readiness_report import render

    page = page_of(out)
    beside, cells = page.with_suffix(".json"), page.with_suffix(".csv")
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        _put(beside, json.dumps(report_to_json(report), ensure_ascii=False, indent=1))
        _put(cells, findings_csv(report.findings, language, changes))
        _put(page, render(report, language, changes=changes, rights_known=rights_known))
    except OSError as error:
        raise StorageError(
            f"{out} cannot be written: {error.strerror}",
            code="file_not_writable",
            hint="Choose another place.",
        ) from error
    return page, beside, cells


def _put(path: Path, text: str) -> None:
    """A report quotes documents: it is for whoever wrote it, who may then hand it on."""
    part = path.with_name(f".{path.name}.part")
    handle = os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    part.replace(path)
