"""`countersign audit data` and acceptances: what is wrong with documents, before anything is indexed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countersign.cli.audit import audit
from countersign.cli.command import Run, command, listed, tenant_option
from countersign.cli.failure import DONE, FAILED, SAID_NO
from countersign.cli.readiness_out import earlier, limits_said, readable, write_report
from countersign.cli.terminal import Progress, one_line, progress, table
from countersign.cli.types import DURATION

if TYPE_CHECKING:
    from countersign.app.audits import Audits
    from countersign.app.readiness import Audited
    from countersign.corpus.readiness.walk import Step

__all__ = ["audit"]

_EXAMPLES = """
countersign audit data ./contracts
countersign audit data ./contracts --out report.html --language ru
countersign audit data ./contracts --since march.json --out april.html
countersign audit data ./contracts --manifest manifest.jsonl --fail-on error --fail-on needs_ocr:5%
countersign -w ./bank audit data
countersign -w ./bank audit data intranet --ocr --json
"""


@command("data", group=audit, examples=_EXAMPLES)
@click.argument("what", nargs=-1, metavar="[SOURCE|PATH]…")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write the report: FILE.html with FILE.json and FILE.csv beside it, or a folder. A report that lies there already is "
    "compared with.",
)
@click.option(
    "--since",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.json",
    help="An earlier report of the same: say what is new, what is gone and what is still there.",
)
@click.option("--language", type=click.Choice(["en", "ru", "kk"]), default="en", help="Of the HTML report.")
@click.option(
    "--ocr", is_flag=True, help="Recognise scanned pages; about two seconds of processor time each."
)
@click.option("--fresh", is_flag=True, help="Read everything again, also what did not change.")
@click.option(
    "--manifest",
    default="",
    metavar="NAME",
    help="For paths: a file in the folder that says rights and dates, one JSON object a line.",
)
@click.option(
    "--fail-on",
    multiple=True,
    metavar="CODE[:N|:P%]",
    help="Exit with 3 when that many documents have it (one when no number is said). CODE may be error or warning. Repeatable.",
)
@click.option("--workers", type=click.IntRange(1, 64), help="Documents read at the same time.")
async def data(
    run: Run,
    what: tuple[str, ...],
    out: Path | None,
    since: Path | None,
    language: str,
    ocr: bool,
    fresh: bool,
    manifest: str,
    fail_on: tuple[str, ...],
    workers: int | None,
) -> int:
    """Read sources or folders without indexing anything, and say what will make answers wrong, where, and what to do.

    Without arguments every source of the workspace is read. A path needs no workspace. Stop it at any moment: run again,
    it goes on where it stopped, and next time it reads only what has changed.
    """  # fmt: skip
    from countersign.corpus.readiness.changes import changes, changes_to_json
    from countersign.corpus.readiness.report_json import report_to_json

    limits, before = limits_said(fail_on), earlier(out, since)
    try:
        with progress("auditing", wanted=not run.json) as show:
            done = await _audited(
                run, what, _watch(show), ocr=ocr, fresh=fresh, manifest=manifest, workers=workers
            )
    except asyncio.CancelledError:
        run.note("stopped; nothing is lost. Run the same command again: it goes on from here.")
        raise
    report = done.report
    broken = [limit.says for limit in limits if limit.broken_by(report)]
    since_then = changes(before, report) if before else None
    if since and since_then is None:
        run.note("not compared: the earlier report is of other sources, or one of the two is not whole")
    rights_known = bool(manifest) or not what or _names_sources(run, what)
    written = ()
    if out is not None:
        written = write_report(report, out, language, since_then, rights_known=rights_known)
    run.result({
        **report_to_json(report), "failed_on": broken, "files": [str(path) for path in written], "continued": done.continued,
        "changes": changes_to_json(since_then) if since_then else None,
    })  # fmt: skip
    run.say(readable(report, since_then))
    if report.documents and not rights_known:
        run.say("Rights were not looked at: nobody has said them. Name a manifest with --manifest.")
    for path in written:
        run.say(f"written: {path}")
    if out is None:
        run.say("For a report to hand on, add --out report.html.")
    for limit in broken:
        run.note(f"fails on {limit}")
    if report.finished is None:
        return FAILED
    return SAID_NO if broken else DONE


async def _audited(
    run: Run,
    what: Sequence[str],
    watch: Callable[[Step], None],
    *,
    ocr: bool,
    fresh: bool,
    manifest: str,
    workers: int | None,
) -> Audited:
    from countersign.app.readiness import audit as audit_paths
    from countersign.app.readiness import plan_paths
    from countersign.domain.clock import SystemClock
    from countersign.domain.workspace import ParseLimits

    if not what or _names_sources(run, what):
        return await _audit_sources(run, what, watch, ocr=ocr, fresh=fresh, workers=workers)
    limits = ParseLimits(ocr=ocr) if workers is None else ParseLimits(ocr=ocr, workers=workers)
    plan = plan_paths([Path(path) for path in what], audit_cache(), limits, manifest=manifest)
    return await audit_paths(plan, SystemClock(), watch, fresh=fresh)


def _names_sources(run: Run, what: Sequence[str]) -> bool:
    """Whether these are names of sources: in a workspace, a name that it knows is one."""
    if not run.config.exists():
        return False
    known = run.workspace().sources
    named = [name for name in what if name in known]
    if named and len(named) < len(what):
        raise click.UsageError("name sources or paths, not both at once")
    return bool(named)


async def _audit_sources(
    run: Run,
    what: Sequence[str],
    watch: Callable[[Step], None],
    *,
    ocr: bool,
    fresh: bool,
    workers: int | None,
) -> Audited:
    from countersign.access.owner import require_owner
    from countersign.app.office import open_office

    office = open_office(run.workspace(secrets=True))
    try:
        actor = require_owner(office.workspace.state)
        return await office.audits().run(what, watch, ocr=ocr, fresh=fresh, workers=workers or 0, actor=actor)
    finally:
        office.close()


def audit_cache() -> Path:
    """Where audits of bare paths keep what they know, for this user alone."""
    from countersign.cli.command import model_cache

    return model_cache().parent


def _watch(show: Progress) -> Callable[[Step], None]:
    """Documents a second and what remains, beside the bar."""
    began = time.monotonic()
    first: list[int] = []

    def watch(step: Step) -> None:
        if step.listing:
            show(0, step.total, f"listed {step.total}")
            return
        first.append(step.done) if not first else None
        elapsed = max(0.001, time.monotonic() - began)
        rate = (step.done - first[0]) / elapsed
        left = (
            f", {_span((step.total - step.done) / rate)} left" if rate > 0 and step.done < step.total else ""
        )
        show(step.done, step.total, f"{rate:.0f}/s{left}  {step.external_id[-24:]}")

    return watch


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


# -- acceptances --------------------------------------------------------------------------------------------------------
source_option = click.option(
    "--source", default="", metavar="NAME", help="Where several sources have a document of this name."
)


@command(
    "accept",
    group=audit,
    examples="countersign audit accept hidden_text hr/form.docx --reason 'printer marks' --expires 90d",
)
@click.argument("code")
@click.argument("document", metavar="DOCUMENT")
@click.option("--reason", required=True, help="Why this is acceptable; it is kept with your name.")
@click.option("--expires", type=DURATION, required=True, help="For how long: 90d, 26w.")
@source_option
@tenant_option
async def accept(
    run: Run, code: str, document: str, reason: str, expires: timedelta, source: str, tenant: str
) -> None:
    """Take responsibility for what was found in a document, until a day. It then weighs nothing in the score and lifts a
    quarantine for that code; afterwards it counts again. Recorded."""
    from countersign.corpus.readiness.report_json import acceptance_to_json

    with _office(run) as office:
        person = office.operator(tenant)
        service: Audits = office.audits()
        key = await service.key(person.tenant, document, source)
        made = await service.accept(person, code, key, reason, expires)
    run.result(acceptance_to_json(made))
    run.say(f"{made.code} of {made.document.external_id} is accepted until {made.expires:%Y-%m-%d}")


@command("unaccept", group=audit, examples="countersign audit unaccept hidden_text hr/form.docx")
@click.argument("code")
@click.argument("document", metavar="DOCUMENT")
@source_option
@tenant_option
async def unaccept(run: Run, code: str, document: str, source: str, tenant: str) -> None:
    """Take an acceptance back: what was found counts again. Recorded."""
    with _office(run) as office:
        person = office.operator(tenant)
        service: Audits = office.audits()
        key = await service.key(person.tenant, document, source)
        await service.unaccept(person, code, key)
    run.result({"code": code, "document": key.external_id, "source": key.source, "tenant": key.tenant})
    run.say(f"{code} of {key.external_id} counts again")


@command(
    "accepted",
    group=audit,
    examples="countersign audit accepted\ncountersign audit accepted --tenant bank --json",
)
@tenant_option
async def accepted(run: Run, tenant: str) -> None:
    """Every acceptance, soonest to expire first; expired ones count again and are marked."""
    from countersign.corpus.readiness.report_json import acceptances_to_json

    with _office(run) as office:
        tenants = listed(tenant) or list(office.workspace.tenants)
        found = [
            each
            for name in tenants
            for each in await office.audits().accepted(office.operator(name), owner=True)
        ]
        now = office.clock.now()
    run.result({"items": acceptances_to_json(found)})
    rows: list[tuple[Any, ...]] = [
        (
            each.code, each.document.external_id, each.document.source, each.by,
            f"{each.expires:%Y-%m-%d}" + (" expired" if each.expires <= now else ""), one_line(each.reason),
        )
        for each in found
    ]  # fmt: skip
    run.say(table(("code", "document", "source", "by", "until", "reason"), rows))


def _office(run: Run) -> Any:
    from countersign.domain.errors import UsageError

    if not run.config.exists():
        raise UsageError(
            "acceptances are kept in a workspace, and there is none here",
            code="workspace_missing",
            hint="Say -w FOLDER, or make one with `countersign init FOLDER` and name the folder as a source of it.",
        )
    return run.office()
