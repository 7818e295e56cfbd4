"""`countersign index`: the derived index, which can always be built anew from the database."""

from __future__ import annotations

import click

from countersign.cli.command import Run, command, group
from countersign.cli.failure import DONE, SAID_NO
from countersign.cli.terminal import progress, table

index = group(
    "index",
    says="The passage index: derived from the database, never the authority.",
    examples="countersign index status\ncountersign index compare\ncountersign index rebuild",
)


@command("status", group=index, examples="countersign index status\ncountersign index status --json")
async def status(run: Run) -> None:
    """How many passages each tenant's index holds and how far behind the database it is."""
    from countersign.app.care import index_states
    from countersign.app.shapes import jsonable

    async with run.house(owner=False) as house:
        states = await index_states(house)
    run.result({"items": jsonable(states)})
    rows = [(s.tenant, s.passages, s.applied_seq, s.behind, s.version) for s in states]
    run.say(table(("tenant", "passages", "applied", "behind", "version"), rows))


@command("compare", group=index, examples="countersign index compare")
async def compare(run: Run) -> int:
    """Compare index and database, id by id. Exit code 3 when they differ. Best when nothing is being ingested."""
    from countersign.app.care import compare_index

    async with run.house() as house:
        found = {tenant: await compare_index(house, tenant) for tenant in house.workspace.tenants}
    equal = all(each.equal for each in found.values())
    run.result({
        "equal": equal,
        "tenants": {
            tenant: {"missing": sorted(each.missing), "extra": sorted(each.extra)} for tenant, each in found.items()
        },
    })  # fmt: skip
    for tenant, each in found.items():
        run.say(
            f"{tenant}: in step"
            if each.equal
            else f"{tenant}: {len(each.missing)} missing in the index, {len(each.extra)} that should not be there"
        )
    if not equal:
        run.note("`countersign index rebuild` makes a new one.")
    return DONE if equal else SAID_NO


@command(
    "rebuild", group=index, examples="countersign index rebuild\ncountersign index rebuild --tenant bank"
)
@click.option("--tenant", default="", help="Only this tenant's.")
async def rebuild(run: Run, tenant: str) -> None:
    """Build it anew from the database; the old one answers until the new one is complete. Stop the server first."""
    from countersign.access.owner import require_owner
    from countersign.app.care import index_states, rebuild_index
    from countersign.app.people import OWNER
    from countersign.app.shapes import jsonable
    from countersign.domain.errors import UsageError

    async with run.house(owner=True) as house:
        require_owner(house.workspace.state)
        if tenant and tenant not in house.workspace.tenants:
            raise UsageError(f"there is no tenant {tenant!r}", code="tenant_unknown")
        tenants = (tenant,) if tenant else house.workspace.tenants
        with progress("rebuilding", wanted=not run.json) as show:
            for done, each in enumerate(tenants):
                show(done, len(tenants), each)
                await rebuild_index(house, each, OWNER)
        states = [state for state in await index_states(house) if state.tenant in tenants]
    run.result({"items": jsonable(states)})
    for state in states:
        run.say(f"{state.tenant}: {state.passages} passages")
