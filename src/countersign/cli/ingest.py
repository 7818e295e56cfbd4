"""`countersign ingest`: read the sources, wait until everything is searchable, say what became of each file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from countersign.cli.command import Run, command
from countersign.cli.failure import DONE, FAILED, SAID_NO
from countersign.cli.terminal import one_line, progress, table

if TYPE_CHECKING:
    from countersign.app.sync import SyncReport
    from countersign.app.taking_in import Pass, TakenIn
    from countersign.domain.workspace import SourceSettings

_MAX_NAME = 1_000
_EXAMPLES = """
countersign ingest
countersign ingest --source intranet --json
countersign ingest --retry-failed
"""


@command("ingest", examples=_EXAMPLES)
@click.option(
    "--source", default="", metavar="NAME", help="Only this source; otherwise all that can be read."
)
@click.option("--retry-failed", is_flag=True, help="Try again what could not be read.")
@click.option("--all", "everything", is_flag=True, help="Also print files that did not change.")
async def ingest(run: Run, source: str, retry_failed: bool, everything: bool) -> int:
    """Take in what is new or changed, remove what is gone. While a server owns the workspace it does the work, and this
    command only enqueues and follows. Exit code 1 when a source could not be read, 3 when removals are held back."""
    from countersign.app.shapes import jsonable
    from countersign.app.taking_in import take_in
    from countersign.domain.errors import SourceError

    problems: dict[str, str] = {}
    passes: list[Pass] = []
    async with run.house() as house:
        names = (source,) if source else _readable(house.workspace.sources)
        if not house.is_owner:
            run.note("a server owns this workspace: it does the work, this command follows.")
        with progress("ingesting", wanted=not run.json) as show:
            for name in names:
                try:
                    passes.append(await take_in(house, (name,), show, retry_failed=retry_failed))
                except SourceError as error:
                    problems[name] = error.code
                    run.note(f"{error.code}: {error.message}\n  {error.hint}")
    files = [file for each in passes for file in each.files]
    reports = [report for each in passes for report in each.reports]
    statuses: dict[str, int] = {}
    for file in files:
        statuses[file.status] = statuses.get(file.status, 0) + 1
    run.result({
        "sources": jsonable(reports), "documents": jsonable(files), "statuses": statuses, "problems": problems,
    })  # fmt: skip
    for file in files:
        if everything or file.change != "unchanged":
            run.say(line_of(file))
    run.say()
    rows = [(r.source, r.listed, r.new, r.changed, r.unchanged, r.quarantined, r.removed) for r in reports]
    run.say(table(("source", "files", "new", "changed", "unchanged", "quarantined", "removed"), rows))
    held = [report for report in reports if report.held]
    for report in held:
        run.note(held_back(report))
    return FAILED if problems else SAID_NO if held else DONE


def held_back(report: SyncReport) -> str:
    """What a pass did not dare to remove, and the command that says it may."""
    return (
        f"{report.held} documents are gone from {report.source} and stay until somebody accepts it:\n"
        f"  countersign sources sync {report.source} --accept-removals"
    )


def _readable(sources: Mapping[str, SourceSettings]) -> tuple[str, ...]:
    return tuple(name for name, settings in sources.items() if settings.connector != "push")


def line_of(file: TakenIn) -> str:
    """One file on one line: what became of it, how it was read, and why when something is wrong."""
    read = f" {file.parse_status}" if file.parse_status not in ("", "ok") else ""
    why = f" ({file.reason})" if file.reason else ""
    size = f" · {file.passages} passages" if file.passages else ""
    return f"{file.status}{read}{why}  {one_line(file.external_id, _MAX_NAME)}{size}"
