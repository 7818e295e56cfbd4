"""`countersign release`: what each assistant answers with, and what changed between two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from countersign.cli.command import Run, command, group
from countersign.cli.terminal import table

if TYPE_CHECKING:
    from datetime import datetime

    from countersign.storage.releases import StoredRelease

_PAGE = 200

release = group(
    "release",
    says="Releases: one id for everything that shapes an assistant's answers.",
    examples="countersign release list\ncountersign release show rel_9f3c… --json",
)


@command(
    "list",
    group=release,
    examples="countersign release list\ncountersign release list --assistant staff-help --json",
)
@click.option("--assistant", default="", metavar="NAME", help="Only this assistant's.")
async def list_releases(run: Run, assistant: str) -> None:
    """Newest first; one of each assistant is in force."""
    from countersign.storage.releases import list_releases as stored

    found: list[StoredRelease] = []
    with run.office() as office:
        before: datetime | None = None
        while page := await office.database.read(stored, assistant=assistant, limit=_PAGE, before=before):
            found += page
            before = page[-1].created
    run.result({"items": [_shape(each) for each in found]})
    rows = [
        (each.release.id, each.release.assistant, f"{each.created:%Y-%m-%d %H:%M}", "in force" * each.active)
        for each in found
    ]
    run.say(table(("release", "assistant", "since", ""), rows))


@command(
    "show",
    group=release,
    examples="countersign release show rel_9f3c…\ncountersign release show rel_9f3c… --against rel_77ab…",
)
@click.argument("release_id", metavar="RELEASE")
@click.option(
    "--against", default="", metavar="RELEASE", help="Show only what differs from that earlier one."
)
async def show(run: Run, release_id: str, against: str) -> None:
    """The whole manifest of one release, or its differences from another."""
    import json

    from countersign.release.manifest import differences
    from countersign.storage.releases import get_release

    with run.office() as office:
        found = await office.database.read(get_release, release_id)
        other = await office.database.read(get_release, against) if against else None
    if other is None:
        run.result({**_shape(found), "manifest": found.release.manifest})
        run.say(json.dumps(found.release.manifest, ensure_ascii=False, indent=2))
        return
    changed = differences(other.release, found.release)
    run.result({"before": against, "after": release_id, "differences": [
        {"path": each.path, "before": each.before, "after": each.after} for each in changed
    ]})  # fmt: skip
    run.say(table(("what", "before", "after"), [(each.path, each.before, each.after) for each in changed]))


def _shape(found: StoredRelease) -> dict[str, Any]:
    from countersign.domain.clock import iso

    return {
        "id": found.release.id,
        "assistant": found.release.assistant,
        "created": iso(found.created),
        "active": found.active,
    }
