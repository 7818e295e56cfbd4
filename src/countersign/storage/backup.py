"""Backing up a workspace into one signed file, and bringing it back, without what was erased since."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, delete, func, insert, select

from countersign import __version__
from countersign.corpus.blobs import Blobs
from countersign.domain.clock import Clock, iso
from countersign.domain.errors import Conflict, NotFound, StorageError, UsageError
from countersign.domain.events import Event, EventKind
from countersign.record.keys import PublicKey, load_signer
from countersign.record.ledger import DocumentKey, ErasureLedger, LedgerPage, read_ledger
from countersign.record.verify import Verification
from countersign.storage import migrate
from countersign.storage.archive import ArchiveWriter, Manifest, unpack
from countersign.storage.backup_register import BackupRegister, TakenBackup
from countersign.storage.checkpoints import verify_tenant
from countersign.storage.compaction import compact
from countersign.storage.database import Database
from countersign.storage.dump import dump, load
from countersign.storage.erased_text import CLEANED_TABLES, clean, gather
from countersign.storage.events import append_in, heads
from countersign.storage.tables import document, document_version, metadata, setting

CHECKPOINTS, KEYS, LEDGER, REGISTER = "checkpoints", "keys", "erasures.jsonl", "backups.jsonl"
REBUILD_INDEX = "index_rebuild"
"""Setting: when present, the passage index must be built anew before it is used."""

_RESTORING = "restoring"
_DATABASE = "countersign.db"
_MAY_BE_THERE = frozenset({KEYS, LEDGER, REGISTER, "lock"})


@dataclass(frozen=True, slots=True)
class Estate:
    """What a backup is taken of, or restored into. `config` is the workspace's `countersign.yaml`."""

    name: str
    database: Database
    blobs: Blobs
    state: Path
    config: Path


@dataclass(frozen=True, slots=True)
class Restored:
    manifest: Manifest
    rows: Mapping[str, int]
    blobs: int
    erased_again: int
    """Documents that had been erased after the backup was taken."""
    erasures_unknown: bool
    """True when the caller said to go on without the erasure ledger."""
    verifications: tuple[Verification, ...]
    """Each tenant's chain against the checkpoints of the backup."""


# -- taking one --------------------------------------------------------------------------------------------------
async def backup(
    estate: Estate,
    destination: Path,
    clock: Clock,
    *,
    actor: str,
    with_keys: bool = False,
    keep: timedelta | None = None,
) -> Manifest:
    """Write `destination` (a new file), sign it, and note it in the register. `keep` says how long it will be kept.

    The database is read as of one moment; blobs never change, so those that it names are copied after. Raises
    `Conflict` when the file exists, `StorageError` when the disk cannot hold it.
    """
    now = clock.now()
    signer = load_signer(estate.state / KEYS)
    try:
        with (
            ArchiveWriter(destination) as archive,
            tempfile.TemporaryDirectory(dir=destination.parent) as folder,
        ):
            # Checkpoints before tables: one that is signed meanwhile would name events that the tables lack.
            _add_files(archive, estate, with_keys=with_keys)
            rows = await asyncio.to_thread(_add_tables, archive, estate.database, Path(folder))
            missing = await _add_blobs(archive, estate)
            ledger = ErasureLedger(estate.state / LEDGER).open()
            manifest = Manifest(
                name=estate.name,
                taken=iso(now),
                version=__version__,
                schema=migrate.NEWEST,
                public_key=signer.public.export(),
                ledger_salt=ledger.salt.hex(),
                ledger_entries=ledger.entries,
                with_keys=with_keys,
                tables=rows,
                missing_blobs=tuple(missing),
                members=archive.members,
            )
            await asyncio.to_thread(archive.finish, manifest, signer)
    except OSError as error:
        raise StorageError(
            "the backup could not be written", code="backup_failed", hint=f"Check the disk: {error.strerror}."
        ) from error
    await _note(estate, destination, now, keep, actor, manifest)
    return manifest


def _add_tables(archive: ArchiveWriter, database: Database, folder: Path) -> Mapping[str, int]:
    rows = dump(database, folder)
    for table in rows:
        path = folder / f"{table}.jsonl.gz"
        archive.add(f"tables/{path.name}", path)
        path.unlink()
    return rows


async def _add_blobs(archive: ArchiveWriter, estate: Estate) -> list[str]:
    missing: list[str] = []
    for ref in await estate.database.read(_named_blobs):
        try:
            async with estate.blobs.path(ref) as path:
                await asyncio.to_thread(archive.add, f"blobs/{ref}", path)
        except NotFound:
            missing.append(ref)
    return missing


def _named_blobs(connection: Connection) -> Sequence[str]:
    query = select(document_version.c.blob).where(document_version.c.blob != "").distinct()
    return connection.execute(query.order_by(document_version.c.blob)).scalars().all()


def _add_files(archive: ArchiveWriter, estate: Estate, *, with_keys: bool) -> None:
    for path in sorted((estate.state / CHECKPOINTS).glob("*.jsonl")):
        archive.add(f"checkpoints/{path.name}", path)
    if estate.config.exists():
        archive.add("config/countersign.yaml", estate.config)
    for path in sorted((estate.state / KEYS).iterdir()) if with_keys else ():
        archive.add(f"keys/{path.name}", path)


async def _note(
    estate: Estate, destination: Path, now: datetime, keep: timedelta | None, actor: str, manifest: Manifest
) -> None:
    until = iso(now + keep) if keep else ""
    await asyncio.to_thread(_register, estate.state, destination, iso(now), until)
    facts: dict[str, object] = {
        "with_keys": manifest.with_keys,
        "kept_until": until,
        "files": len(manifest.members),
    }
    await estate.database.write(_record, EventKind.BACKUP_TAKEN, actor, now, facts)


def _register(state: Path, destination: Path, taken: str, until: str) -> None:
    BackupRegister(state / REGISTER).add(TakenBackup(str(destination.resolve()), taken, until))
    ErasureLedger(state / LEDGER).copy_to(destination.parent)


def _record(
    connection: Connection, kind: EventKind, actor: str, now: datetime, facts: Mapping[str, object]
) -> None:
    append_in(
        connection, [Event(kind, head.tenant, actor, head.tenant, now, facts) for head in heads(connection)]
    )


# -- bringing it back --------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class OpenedBackup:
    """An archive whose every byte has been checked, unpacked in a temporary folder."""

    manifest: Manifest
    archive: Path
    folder: Path

    @property
    def config(self) -> str:
        """The `countersign.yaml` it was taken with, or empty."""
        path = self.folder / "config" / "countersign.yaml"
        return path.read_text("utf-8") if path.exists() else ""


@asynccontextmanager
async def open_backup(
    archive: Path, workplace: Path, public_key: PublicKey | None = None
) -> AsyncGenerator[OpenedBackup]:
    """Unpack and check `archive` under the folder `workplace`. Raises `NotFound`, `IntegrityError`."""
    with _unpacking(archive, workplace) as folder:
        manifest = await asyncio.to_thread(unpack, archive, Path(folder), public_key)
        yield OpenedBackup(manifest, archive, Path(folder))


def _unpacking(archive: Path, workplace: Path) -> tempfile.TemporaryDirectory[str]:
    if not archive.is_file():
        raise NotFound(f"there is no backup {archive.name}", code="backup_not_found")
    workplace.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix=".unpack-", dir=workplace)


def assert_empty(state: Path) -> None:
    """Raises `Conflict` when `state` holds more than keys, ledger, register and a database (whose rows are counted later)."""
    there = {path.name for path in state.iterdir()} if state.exists() else set[str]()
    if any(name not in _MAY_BE_THERE and not name.startswith(_DATABASE) for name in there):
        raise Conflict(
            "there is a workspace here already",
            code="workspace_not_empty",
            hint="Restore into an empty folder, then compare and switch.",
        )


def is_restoring(state: Path) -> bool:
    """True while a restore is unfinished: such a workspace must not serve."""
    return (state / _RESTORING).exists()


async def restore(
    opened: OpenedBackup,
    estate: Estate,
    clock: Clock,
    *,
    actor: str,
    ledger: Path | None = None,
    without_ledger: bool = False,
) -> Restored:
    """Fill an empty estate, then erase again whatever was erased after the backup, before anything can be asked.

    The ledger is taken from `ledger`, from the estate's own state folder, or from beside the archive, whichever exist
    and belong to this workspace. Raises `UsageError` (`erasure_ledger_missing`) when none does, unless `without_ledger`.
    """
    manifest = opened.manifest
    _assert_restorable(manifest, estate)
    erased = _ledger(opened, estate, ledger)
    if erased is None and not without_ledger:
        raise UsageError(
            "the erasure ledger of this workspace is not here",
            code="erasure_ledger_missing",
            hint="Pass the newest erasures.jsonl; without it, documents erased since the backup would come back.",
        )
    estate.state.mkdir(parents=True, exist_ok=True)
    (estate.state / _RESTORING).touch()
    migrate.upgrade(estate.database)
    await estate.database.write(_assert_no_rows)
    rows = await estate.database.write(load, opened.folder / "tables")
    now = clock.now()
    erased_again = await _erase_again(estate, erased, now) if erased else 0
    blobs = await _restore_blobs(opened, estate)
    _restore_files(opened, estate.state)
    facts: dict[str, object] = {
        "taken": manifest.taken,
        "erased_again": erased_again,
        "ledger": erased is not None,
    }
    await estate.database.write(_finish, actor, now, facts)
    verifications = await estate.database.read(_verify_all, estate.state, manifest)
    (estate.state / _RESTORING).unlink()
    return Restored(manifest, rows, blobs, erased_again, erased is None, verifications)


def _assert_restorable(manifest: Manifest, estate: Estate) -> None:
    assert_empty(estate.state)
    if manifest.schema != migrate.NEWEST:
        raise UsageError(
            f"the backup has schema {manifest.schema}, this version has {migrate.NEWEST}",
            code="backup_other_schema",
            hint=f"Restore it with Countersign {manifest.version}, then upgrade.",
        )


def _assert_no_rows(connection: Connection) -> None:
    for table in metadata.sorted_tables:
        if connection.execute(select(func.count()).select_from(table)).scalar_one():
            raise Conflict("the database is not empty", code="workspace_not_empty", hint="Name an empty one.")


def _ledger(opened: OpenedBackup, estate: Estate, given: Path | None) -> LedgerPage | None:
    """The newest state of knowledge: every copy that belongs to this workspace and is not older than the backup."""
    kept = estate.state / LEDGER
    pages = [
        (page, path)
        for path in (given, kept, opened.archive.parent / LEDGER)
        if path is not None and path.is_file() and _belongs(page := read_ledger(path), opened.manifest)
    ]
    if not pages:
        return None
    page, path = max(pages, key=lambda found: found[0].entries)
    if path != kept:
        estate.state.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, kept)
    return page


def _belongs(page: LedgerPage, manifest: Manifest) -> bool:
    return page.salt.hex() == manifest.ledger_salt and page.entries >= manifest.ledger_entries


async def _erase_again(estate: Estate, ledger: LedgerPage, now: datetime) -> int:
    again = await estate.database.read(_erased_since, ledger)
    for tenant, document_id in again:
        await estate.database.write(_clean_one, tenant, document_id, now)
    if again:
        await asyncio.to_thread(compact, estate.database, CLEANED_TABLES)
    return len(again)


def _erased_since(connection: Connection, ledger: LedgerPage) -> list[tuple[str, str]]:
    columns = (
        document.c.id,
        document.c.tenant,
        document.c.source,
        document.c.external_id,
        document.c.created,
    )
    return [
        (row.tenant, row.id)
        for row in connection.execute(select(*columns))
        if ledger.erased_at(DocumentKey(row.tenant, row.source, row.external_id)) >= row.created
    ]


def _clean_one(connection: Connection, tenant: str, document_id: str, now: datetime) -> None:
    erasing = gather(connection, tenant, document_id)
    if erasing is not None:
        clean(connection, erasing, now)


async def _restore_blobs(opened: OpenedBackup, estate: Estate) -> int:
    """Only those that the database still names: an erased document's never come back."""
    restored = 0
    for ref in await estate.database.read(_named_blobs):
        path = opened.folder / "blobs" / ref
        if path.is_file():
            content = await asyncio.to_thread(path.read_bytes)
            await estate.blobs.put(content, ref.split("/", 1)[0])
            restored += 1
    return restored


def _restore_files(opened: OpenedBackup, state: Path) -> None:
    for name in (CHECKPOINTS, KEYS):
        for path in sorted((opened.folder / name).glob("*")):
            target = state / name / path.name
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not target.exists():
                shutil.copyfile(path, target)
                target.chmod(0o600)
    config = opened.folder / "config" / "countersign.yaml"
    if config.exists() and not (state.parent / config.name).exists():
        shutil.copyfile(config, state.parent / config.name)


def _finish(connection: Connection, actor: str, now: datetime, facts: Mapping[str, object]) -> None:
    connection.execute(delete(setting).where(setting.c.name == REBUILD_INDEX))
    connection.execute(insert(setting).values(name=REBUILD_INDEX, value=iso(now)))
    _record(connection, EventKind.BACKUP_RESTORED, actor, now, facts)


def _verify_all(connection: Connection, state: Path, manifest: Manifest) -> tuple[Verification, ...]:
    keys = (PublicKey.from_text(manifest.public_key),)
    return tuple(
        verify_tenant(connection, head.tenant, state / CHECKPOINTS, keys) for head in heads(connection)
    )
