"""`countersign audit`: verifying and exporting the record."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from countersign.cli.command import Run, command, group, tenant_option
from countersign.cli.failure import DONE, NOT_VERIFIED, USAGE

if TYPE_CHECKING:
    from countersign.record.verify import Verification

audit = group(
    "audit",
    says="Is the record whole, and are the documents fit to answer from?",
    examples="countersign audit data ./contracts --out report.html\ncountersign audit verify\ncountersign audit export --tenant bank --out bank.jsonl",
)
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@command(
    "verify",
    group=audit,
    examples="""
countersign audit verify
countersign audit verify --tenant bank --json
countersign audit verify --export bank.jsonl --checkpoints ./checkpoints --public-key record.pub --tenant bank
""",
)
@tenant_option
@click.option("--public-key", type=_FILE, help="Trust this key instead of the workspace's own.")
@click.option(
    "--checkpoints",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Compare with these copies of the signed checkpoints.",
)
@click.option(
    "--export", type=_FILE, help="Verify this exported chain; no workspace and no database is needed."
)
async def verify(
    run: Run, tenant: str, public_key: Path | None, checkpoints: Path | None, export: Path | None
) -> int:
    """Recompute the whole chain and compare it with the signed checkpoints. Exit code 4 when anything was changed,
    removed, reordered or cut off. The tail that no checkpoint vouches for yet is named."""
    if export is not None:
        found = [_verify_export(export, tenant, public_key, checkpoints)]
    else:
        found = await _verify_workspace(run, tenant, public_key, checkpoints)
    ok = all(each.ok for each in found)
    run.result({"ok": ok, "tenants": [_shape(each) for each in found]})
    for each in found:
        run.say(_readable(each))
    return DONE if ok else NOT_VERIFIED


async def _verify_workspace(
    run: Run, tenant: str, public_key: Path | None, checkpoints: Path | None
) -> list[Verification]:
    from countersign.record.keys import load_public_key
    from countersign.storage.checkpoints import verify_tenant

    with run.office() as office:
        state = office.workspace.state
        key = _key(public_key) if public_key else load_public_key(state / "keys")
        folder = checkpoints or state / "checkpoints"
        tenants = (office.tenant(tenant),) if tenant else office.workspace.tenants
        return [await office.database.read(verify_tenant, each, folder, (key,)) for each in tenants]


def _verify_export(
    export: Path, tenant: str, public_key: Path | None, checkpoints: Path | None
) -> Verification:
    from countersign.record.checkpoint import CheckpointLog
    from countersign.record.verify import read_export
    from countersign.record.verify import verify as verify_chain

    if public_key is None or checkpoints is None or not tenant:
        raise click.UsageError("--export needs --tenant, --public-key and --checkpoints")
    with export.open("rb") as lines:
        return verify_chain(
            tenant, read_export(lines), CheckpointLog(checkpoints, tenant), (_key(public_key),)
        )


def _key(path: Path) -> Any:
    from countersign.record.keys import PublicKey

    return PublicKey.from_text(path.read_text(encoding="ascii", errors="replace"))


def _shape(found: Verification) -> dict[str, Any]:
    from countersign.app.shapes import jsonable

    return {
        "tenant": found.tenant,
        "ok": found.ok,
        "events": found.events,
        "head": {"seq": found.head.seq, "hash": found.head.hash},
        "anchored_seq": found.anchored_seq,
        "anchored_at": found.anchored_at or None,
        "unanchored": found.unanchored,
        "unanchored_from": found.anchored_seq + 1 if found.unanchored else None,
        "personal_kept": found.personal_kept,
        "personal_erased": found.personal_erased,
        "discrepancies": jsonable(found.discrepancies),
        "more": found.more,
    }


def _readable(found: Verification) -> str:
    verdict = "verified" if found.ok else "NOT VERIFIED"
    lines = [f"{found.tenant}: {verdict}, {found.events} events, signed up to event {found.anchored_seq}"]
    lines += [f"  {each.code} at event {each.seq}: {each.message}" for each in found.discrepancies]
    if found.more:
        lines.append(f"  and {found.more} more")
    if found.unanchored:
        tail = f"events {found.anchored_seq + 1} to {found.head.seq}"
        lines.append(f"  not yet signed: {tail}; nothing vouches that the tail is whole")
    return "\n".join(lines)


@command(
    "export",
    group=audit,
    examples="countersign audit export --tenant bank --out bank.jsonl\ncountersign audit export --tenant bank --personal > all.jsonl",
)
@tenant_option
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="A new file; standard output otherwise."
)
@click.option("--personal", is_flag=True, help="With the personal parts and the salts that prove them.")
def export(run: Run, tenant: str, out: Path | None, personal: bool) -> int:
    """The chain of one tenant as JSON lines that `audit verify --export` reads anywhere."""
    from countersign.access.owner import require_owner
    from countersign.record.verify import export_line
    from countersign.storage.events import chain

    if run.json and out is None:
        click.echo(
            "usage: --json with export needs --out FILE, because the export itself goes to standard output",
            err=True,
        )
        return USAGE
    with run.office() as office:
        require_owner(office.workspace.state)
        chosen = office.tenant(tenant)

        def write(connection: Any) -> int:
            rows: Iterable[Any] = chain(connection, chosen)
            count = 0
            with _target(out) as file:
                for link, part in rows:
                    file.write(export_line(link, part if personal else None) + b"\n")
                    count += 1
            return count

        events = office.database.read_now(write)
    run.result({"tenant": chosen, "events": events, "file": str(out), "personal": personal})
    run.note(f"{events} events of {chosen}")
    return DONE


@contextmanager
def _target(out: Path | None) -> Generator[IO[bytes]]:
    from countersign.domain.errors import Conflict, StorageError

    if out is None:
        yield sys.stdout.buffer
        return
    try:
        with out.open("xb") as file:
            yield file
    except FileExistsError:
        raise Conflict(f"{out} exists already", code="file_exists", hint="Choose another name.") from None
    except OSError as error:
        raise StorageError(
            f"{out} cannot be written: {error.strerror}",
            code="file_not_writable",
            hint="Choose another place.",
        ) from error
