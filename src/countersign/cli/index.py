"""`countersign index`: the derived index, which can always be built anew from the database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countersign.cli.command import Run, command, group
from countersign.cli.failure import DONE, FAILED, SAID_NO
from countersign.cli.terminal import progress, table

if TYPE_CHECKING:
    from countersign.app.house import House
    from countersign.app.index_versions import ListedVersion

index = group(
    "index",
    says="The passage index: derived from the database, never the authority. Versions of it lie beside each other.",
    examples="countersign index status\ncountersign index list\ncountersign index build --chunk-tokens 120 --max-tokens 180",
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


@command(
    "build",
    group=index,
    examples="countersign index build --chunk-tokens 120 --max-tokens 180 --name short\n"
    "countersign index build --settings state/tune/recommended.json\n"
    "countersign index build --embedder bge --name bge",
)
@click.option("--embedder", default="", metavar="NAME",
              help="An endpoint's name under `embeddings`, `embedded`, or `none` for words only.")  # fmt: skip
@click.option("--chunk-tokens", type=int, help="What a passage should have; counted by the embedding model.")
@click.option("--max-tokens", type=int, help="What a passage may have at most.")
@click.option(
    "--settings",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The manifest of a version, as `index list --json` shows one.",
)
@click.option("--name", default="", help="A name for people; it may stand for the version's id.")
@click.option("--no-wait", is_flag=True, help="Begin it and return; whoever runs the workspace builds it.")
async def build(
    run: Run,
    embedder: str,
    chunk_tokens: int | None,
    max_tokens: int | None,
    settings: Path | None,
    name: str,
    no_wait: bool,
) -> int:
    """Build an index version beside the one that answers. With `--embedder` alone it is the like of that one for another
    model: only what has no vector of it is embedded. It may be killed and goes on where it was; while a server owns the
    workspace it does the work, and this command follows. Exit code 1 when documents could not be cut or embedded."""
    from countersign.app.people import OWNER
    from countersign.app.version_building import wait_until_built, wanted_version

    async with run.house() as house:
        wanted = wanted_version(
            house.embedders,
            (await house.shelves.current()).version,
            embedder=embedder,
            chunk_tokens=chunk_tokens,
            max_tokens=max_tokens,
            manifest=settings,
        )
        _require_owner(house)
        listed = await house.index_versions.build(wanted, name, OWNER)
        if not no_wait:
            with progress("building", wanted=not run.json) as show:
                listed = await wait_until_built(house, listed, show)
    run.result(version_json(listed))
    run.say(f"{listed.stored.id}: {told_of(listed)}")
    if listed.stuck:
        run.note(
            "Some documents could not be cut or embedded, and the live version answers as before: see the log, then ask"
            " for the same version again."
        )
    return FAILED if listed.stuck else DONE


@command("list", group=index, examples="countersign index list\ncountersign index list --json")
async def list_index_versions(run: Run) -> None:
    """Every index version: which one answers, which are ready, how far the others are."""
    async with run.house(owner=False) as house:
        found = await house.index_versions.list()
    run.result({"items": [version_json(each) for each in found]})
    rows = [
        (
            v.id,
            v.name,
            v.chunking,
            each.embedder if v.version.embedder else "words only",
            told_of(each),
            f"{v.created:%Y-%m-%d %H:%M}",
        )
        for each in found
        for v in [each.stored]
    ]
    run.say(table(("version", "name", "tokens", "embedder", "state", "created"), rows))


@command("switch", group=index, examples="countersign index switch idx_9f3c77ab12cd34ef")
@click.argument("version")
async def switch(run: Run, version: str) -> None:
    """Answer from this version from now on: the next question of every process does. It must be ready."""
    from countersign.app.people import OWNER

    async with run.house(owner=False) as house:
        _require_owner(house)
        listed = await house.index_versions.switch(version, OWNER)
    _switched(run, listed)


@command("revert", group=index, examples="countersign index revert")
async def revert(run: Run) -> None:
    """Answer from the version before again. Rights that were taken away and documents that were erased stay so."""
    from countersign.app.people import OWNER

    async with run.house(owner=False) as house:
        _require_owner(house)
        listed = await house.index_versions.revert(OWNER)
    _switched(run, listed)


@command("drop", group=index, examples="countersign index drop idx_9f3c77ab12cd34ef")
@click.argument("version")
async def drop(run: Run, version: str) -> None:
    """Give a version up that does not answer: a job removes what only it used, five minutes later if it ever answered."""
    from countersign.app.people import OWNER

    async with run.house() as house:
        _require_owner(house)
        listed = await house.index_versions.drop(version, OWNER)
        if house.is_owner:
            await house.worker.drain()
    run.result(version_json(listed))
    run.say(f"{listed.stored.id}: dropped")


@command("shadow", group=index, examples="countersign index shadow\ncountersign index shadow --json")
async def shadow(run: Run) -> None:
    """What a ready version found on live questions beside the live one (`shadow.share` in the workspace file)."""
    from countersign.app.shapes import jsonable
    from countersign.storage.shadow_results import compared

    with run.office() as office:
        found = await office.database.read(compared)
    run.result({"items": jsonable(found)})
    rows = [
        (
            each.index_version,
            each.live,
            each.questions,
            f"{each.overlap:.2f}",
            "–" if each.cited_found_share is None else f"{each.cited_found_share:.2f}",
            "–" if each.cited_mean_rank is None else f"{each.cited_mean_rank:.1f}",
            f"{each.live_ms:.0f}",
            f"{each.shadow_ms:.0f}",
        )
        for each in found
    ]
    heads = ("candidate", "live", "questions", "overlap@10", "cited found", "rank", "live ms", "candidate ms")
    run.say(table(heads, rows))


def _require_owner(house: House) -> None:
    from countersign.access.owner import require_owner

    require_owner(house.workspace.state)


def _switched(run: Run, listed: ListedVersion) -> None:
    run.result(version_json(listed))
    run.say(f"{listed.stored.id} answers from now on; `countersign index revert` goes back.")


def told_of(listed: ListedVersion) -> str:
    stored = listed.stored
    failed = f", {listed.failed} failed" if listed.failed else ""
    if stored.state == "building":
        of = stored.documents if stored.documents is not None else "?"
        return f"building {listed.done}/{of}{failed}"
    told = f"{stored.state}{failed}"
    return told if listed.servable or stored.state == "retired" else f"{told}, embedder not configured"


def version_json(listed: ListedVersion) -> dict[str, object]:
    stored = listed.stored
    return {
        "id": stored.id,
        "name": stored.name,
        "state": stored.state,
        "documents": stored.documents,
        "done": listed.done,
        "failed": listed.failed,
        "stuck": listed.stuck,
        "servable": listed.servable,
        "embedder": listed.embedder,
        "actor": stored.actor,
        "created": stored.created.isoformat(),
        "changed": stored.changed.isoformat(),
        "manifest": stored.version.manifest,
    }
