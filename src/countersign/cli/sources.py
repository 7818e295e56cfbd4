"""`countersign sources`: how fresh every source is, and one pass over one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from countersign.cli.command import Run, command, group
from countersign.cli.failure import DONE, SAID_NO
from countersign.cli.ingest import held_back
from countersign.cli.terminal import one_line, progress, table

if TYPE_CHECKING:
    from countersign.app.freshness import SourceFreshness
    from countersign.app.house import House

_EXAMPLES = """
countersign sources
countersign sources --json
countersign sources sync intranet
countersign sources sync intranet --accept-removals
"""

sources = group(
    "sources",
    says="How fresh every source is, what its newest pass did, and what it needs. `countersign sources` alone lists.",
    examples=_EXAMPLES,
)
sources.invoke_without_command = True
sources.no_args_is_help = False
sources.params.append(click.Option(["--json"], is_flag=True, help="Print one JSON object and nothing else."))


@command("list", group=sources, examples="countersign sources list\ncountersign sources list --json")
async def list_(run: Run) -> int:
    """Every source of every tenant: its state, when it was last whole, how much of it is searchable. Exit code 3 when
    one is too old, fails or waits for somebody."""
    from countersign.app.shapes import jsonable

    async with run.house(owner=False) as house:
        found = await house.freshness.everywhere()
    run.result({"items": jsonable(found)})
    heads = ("source", "tenant", "state", "last whole", "documents", "searchable", "next")
    run.say(table(heads, [_row(one) for one in found]))
    troubled = [one for one in found if one.status in ("held", "failing", "stale")]
    for one in troubled:
        run.note(f"{one.source}: {one.error or one.status}. {one.hint or _advice(one)}")
    return SAID_NO if troubled else DONE


def _bare(json: bool) -> int | None:
    """`countersign sources` without a word behind it lists."""
    context = click.get_current_context()
    if context.invoked_subcommand is not None:
        return None
    outcome: int = context.invoke(list_, json=json)
    return outcome


sources.callback = _bare


@command(
    "sync",
    group=sources,
    examples="countersign sources sync intranet\ncountersign sources sync intranet --accept-removals",
)
@click.argument("name")
@click.option(
    "--accept-removals",
    is_flag=True,
    help="Let it remove as many documents as the newest pass held back (source_shrunk).",
)
async def sync(run: Run, name: str, accept_removals: bool) -> int:
    """One pass over one source, now: its listing, what changed, what is gone; a server or worker makes it searchable.
    Exit code 3 when removals are held back."""
    from countersign.app.shapes import jsonable
    from countersign.app.taking_in import take_in

    async with run.house() as house:
        if accept_removals:
            await _accept(house, name)
        with progress(f"reading {name}", wanted=not run.json) as show:
            done = await take_in(house, (name,), show)
    [report] = done.reports
    run.result(jsonable(report))
    rows = [(report.listed, report.new, report.changed, report.unchanged, report.removed, report.failed)]
    run.say(table(("listed", "new", "changed", "unchanged", "removed", "unreadable"), rows))
    for external_id, code in report.problems[:20]:
        run.say(f"{code}  {one_line(external_id, 1_000)}")
    if report.held:
        run.note(held_back(report))
    return SAID_NO if report.held else DONE


async def _accept(house: House, name: str) -> None:
    from countersign.access.owner import require_owner
    from countersign.app.people import OWNER

    require_owner(house.workspace.state)
    await house.reading.accept_removals(name, OWNER)


def _row(one: SourceFreshness) -> tuple[object, ...]:
    share = "" if one.coverage is None else f"{one.coverage:.0%}"
    return (
        one.source,
        one.tenant,
        one.status,
        _told(one.lag_s),
        one.documents,
        share,
        one.next_due.astimezone().strftime("%Y-%m-%d %H:%M") if one.next_due else "",
    )


def _told(lag_s: float | None) -> str:
    if lag_s is None:
        return "never"
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if lag_s >= 2 * seconds:
            return f"{lag_s / seconds:.0f} {unit} ago"
    return f"{lag_s:.0f} s ago"


def _advice(one: SourceFreshness) -> str:
    if not one.schedule and not one.watch:
        return f"Give it a `schedule`, or run `countersign ingest --source {one.source}`."
    return "Look whether `countersign serve` or `countersign worker` runs."
