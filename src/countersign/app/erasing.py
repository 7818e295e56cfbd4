"""Erasure, backup and retention as the house offers them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from sqlalchemy import Connection, delete, select

from countersign.corpus.blobs import Blobs
from countersign.domain.clock import Clock
from countersign.domain.documents import SourceDocument
from countersign.domain.jobs import Job
from countersign.domain.workspace import Workspace
from countersign.record.ledger import DocumentKey, ErasureLedger
from countersign.storage.backup import LEDGER, REBUILD_INDEX, REGISTER
from countersign.storage.backup_register import BackupRegister
from countersign.storage.database import Database
from countersign.storage.erasure import Erasure, Places
from countersign.storage.retention import Retired, Retirement
from countersign.storage.shared_place import ObjectPlace
from countersign.storage.tables import setting


class Erasing:
    """Runs where the index is owned: an erasure rebuilds the tenant's index."""

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        workspace: Workspace,
        rebuild_index: Callable[[str], Awaitable[None]],
        clock: Clock,
        share: Callable[[], Awaitable[None]],
    ) -> None:
        """`rebuild_index` makes every index of a tenant anew; the files of old ones are gone when it returns. `share`
        tells other machines what was erased, before the proof says so."""
        self._database = database
        self._share = share
        self._workspace = workspace
        self._ledger = ErasureLedger(workspace.state / LEDGER)
        self._rebuild = rebuild_index
        self._retirement = Retirement(database, clock)
        self._erasure = Erasure(
            database,
            blobs,
            Places(folders=_folders(workspace), state=workspace.state, objects=_objects(workspace)),
            self._ledger,
            BackupRegister(workspace.state / REGISTER),
            self.rebuild_index,
            clock,
        )

    async def handle(self, job: Job) -> Mapping[str, object]:
        """The `erase` job: its result is the proof."""
        proof = await self._erasure.erase(job.tenant, job.subject, "erasure")
        await self._share()
        return proof.to_json()

    async def rebuild_index(self, tenant: str) -> None:
        """New indexes from the database; the old ones' files are gone when this returns."""
        await self._rebuild(tenant)

    async def rebuild_if_asked(self) -> None:
        """After a restore: the index of every tenant is made anew before anything is answered from it."""
        if not await self._database.read(_is_asked):
            return
        for tenant in self._workspace.tenants:
            await self.rebuild_index(tenant)
        await self._database.write(_no_longer_asked)

    def was_erased(self) -> Callable[[SourceDocument], bool]:
        """Says of a source's document whether it was erased here: a connector must not bring it back."""
        page = self._ledger.open()

        def erased(document: SourceDocument) -> bool:
            key = DocumentKey(document.tenant, document.source, document.external_id)
            return bool(page.erased_at(key))

        return erased

    async def retire(self) -> dict[str, Retired]:
        """Apply the configured retention to every tenant."""
        retention = self._workspace.retention
        return {tenant: await self._retirement.apply(tenant, retention) for tenant in self._workspace.tenants}


async def nothing_to_share() -> None:
    """One machine has all of it."""


def _folders(workspace: Workspace) -> tuple[Path, ...]:
    """Everything on this machine that could hold text: the state, and local storage where it lies elsewhere."""
    local = [] if "://" in workspace.storage else [Path(workspace.storage)]
    return tuple(dict.fromkeys([workspace.state, *local]))


def _objects(workspace: Workspace) -> ObjectPlace | None:
    if not workspace.storage.startswith("s3://"):
        return None
    return ObjectPlace(workspace.storage, workspace.object_storage)


def _is_asked(connection: Connection) -> bool:
    return (
        connection.execute(select(setting.c.name).where(setting.c.name == REBUILD_INDEX)).first() is not None
    )


def _no_longer_asked(connection: Connection) -> None:
    connection.execute(delete(setting).where(setting.c.name == REBUILD_INDEX))
