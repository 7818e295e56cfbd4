"""`countersign backup` and `countersign restore`."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countersign.cli.command import CONFIG, Run, command
from countersign.cli.failure import DONE, NOT_VERIFIED
from countersign.cli.types import DURATION

if TYPE_CHECKING:
    from countersign.domain.workspace import Workspace
    from countersign.storage.backup import Estate, OpenedBackup, Restored


@command(
    "backup",
    examples="countersign backup /backups/bank-2026-11-22.tar --keep 90d\ncountersign backup /safe/bank-full.tar --with-keys",
)
@click.argument("destination", metavar="DEST", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--with-keys", is_flag=True, help="Put the workspace's keys in as well: guard such a file like the keys."
)
@click.option(
    "--keep", type=DURATION, metavar="DURATION", help="How long it will be kept; erasure proofs name it."
)
async def backup(run: Run, destination: Path, with_keys: bool, keep: timedelta | None) -> None:
    """Write everything into one signed file DEST, while the workspace goes on working."""
    from countersign.access.owner import require_owner
    from countersign.app.people import OWNER
    from countersign.domain.clock import SystemClock
    from countersign.domain.errors import UsageError
    from countersign.storage.backup import backup as take

    if not destination.resolve().parent.is_dir():
        raise UsageError(
            f"the folder {destination.parent} is not there", code="folder_missing", hint="Make it first."
        )
    workspace = run.workspace()
    require_owner(workspace.state)
    async with _estate(workspace, run.config) as estate:
        manifest = await take(estate, destination, SystemClock(), actor=OWNER, with_keys=with_keys, keep=keep)
    size = destination.stat().st_size
    run.result({
        "file": str(destination.resolve()), "bytes": size, "taken": manifest.taken, "with_keys": with_keys,
        "tables": dict(manifest.tables), "missing_blobs": list(manifest.missing_blobs),
    })  # fmt: skip
    run.say(f"{destination}: {size / 1e6:.1f} MB, {len(manifest.members)} parts, signed.")
    if not with_keys:
        run.say(f"The keys are not in it: keep a copy of {workspace.state / 'keys'} somewhere else.")
    if manifest.missing_blobs:
        run.note(
            f"{len(manifest.missing_blobs)} stored files were missing already; `countersign doctor` says more."
        )


@command(
    "restore",
    examples="""
countersign restore /backups/bank-2026-11-22.tar ./bank-restored
countersign restore bank.tar ./bank-restored --ledger /newest/erasures.jsonl --public-key record.pub
""",
)
@click.argument("archive", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--ledger",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The newest erasures.jsonl.",
)
@click.option("--without-ledger", is_flag=True, help="Go on without it: what was erased since comes back.")
@click.option(
    "--public-key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Who must have signed it.",
)
async def restore(
    run: Run, archive: Path, folder: Path, ledger: Path | None, without_ledger: bool, public_key: Path | None
) -> int:
    """Bring a backup back into the empty DIR. What was erased after it was taken is erased again before anything can
    be asked. Exit code 4 when the archive or the restored record does not verify."""
    from countersign.app.people import OWNER
    from countersign.domain.clock import SystemClock
    from countersign.record.keys import PublicKey
    from countersign.storage.backup import open_backup
    from countersign.storage.backup import restore as bring_back

    trusted = PublicKey.from_text(public_key.read_text("ascii", "replace")) if public_key else None
    async with open_backup(archive, folder, trusted) as opened:
        workspace = _workspace_of(opened, folder)
        async with _estate(workspace, folder / CONFIG) as estate:
            restored = await bring_back(
                opened, estate, SystemClock(), actor=OWNER, ledger=ledger, without_ledger=without_ledger
            )
    keys_there = (workspace.state / "keys" / "server.key").exists()
    run.result(_shape(restored, folder, keys_there))
    run.say(
        f"{folder}: {sum(restored.rows.values())} rows and {restored.blobs} files of {restored.manifest.taken}; "
        f"{restored.erased_again} documents erased again."
    )
    if restored.erasures_unknown:
        run.note("Without the erasure ledger: documents that were erased since the backup are back.")
    if not keys_there:
        run.note(
            f"The backup held no keys: put server.key, record.key and record.pub into {workspace.state / 'keys'}."
        )
    for each in restored.verifications:
        run.say(f"record of {each.tenant}: {'verified' if each.ok else 'NOT VERIFIED'}, {each.events} events")
    return DONE if all(each.ok for each in restored.verifications) else NOT_VERIFIED


def _workspace_of(opened: OpenedBackup, folder: Path) -> Workspace:
    """By the file that is in DIR already, else by the one in the archive."""
    from countersign.config import load
    from countersign.domain.errors import UsageError

    path = folder / CONFIG
    if not path.exists():
        if not opened.config:
            raise UsageError(
                "the backup holds no workspace file",
                code="config_missing",
                hint=f"Put a {CONFIG} into DIR first.",
            )
        path.write_text(opened.config, encoding="utf-8")
    return load(path, os.environ, resolve_secrets=False)


@asynccontextmanager
async def _estate(workspace: Workspace, config: Path) -> AsyncGenerator[Estate]:
    from countersign.storage.backup import Estate
    from countersign.storage.blobs import open_blobs
    from countersign.storage.database import Database

    workspace.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = Database(workspace.database)
    try:
        blobs = open_blobs(f"{workspace.storage.rstrip('/')}/blobs", workspace.object_storage)
        yield Estate(workspace.name, database, blobs, workspace.state, config)
    finally:
        database.close()


def _shape(restored: Restored, folder: Path, keys_there: bool) -> dict[str, Any]:
    return {
        "workspace": str(folder.resolve()),
        "taken": restored.manifest.taken,
        "rows": sum(restored.rows.values()),
        "files": restored.blobs,
        "erased_again": restored.erased_again,
        "erasures_unknown": restored.erasures_unknown,
        "keys": keys_there,
        "verified": all(each.ok for each in restored.verifications),
    }
