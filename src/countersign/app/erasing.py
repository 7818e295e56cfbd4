"""Erasure, backup and retention as the house offers them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from countersign.corpus.blobs import Blobs
from countersign.domain.clock import Clock
from countersign.domain.jobs import Job
from countersign.domain.workspace import Workspace
from countersign.record.ledger import ErasureLedger
from countersign.retrieval.seams import PassageStore
from countersign.retrieval.upkeep import rebuild
from countersign.storage.backup import LEDGER, REGISTER
from countersign.storage.backup_register import BackupRegister
from countersign.storage.database import Database
from countersign.storage.erasure import Erasure, Places
from countersign.storage.passage_index import PassageIndexes
from countersign.storage.retention import Retired, Retirement


class Erasing:
    """Runs where the index is owned: an erasure rebuilds the tenant's index."""

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        workspace: Workspace,
        indexes: PassageIndexes,
        passages: PassageStore,
        clock: Clock,
    ) -> None:
        self._workspace = workspace
        self._indexes = indexes
        self._passages = passages
        self._retirement = Retirement(database, clock)
        self._erasure = Erasure(
            database,
            blobs,
            Places(folders=_folders(workspace)),
            ErasureLedger(workspace.state / LEDGER),
            BackupRegister(workspace.state / REGISTER),
            self.rebuild_index,
            clock,
        )

    async def handle(self, job: Job) -> Mapping[str, object]:
        """The `erase` job: its result is the proof."""
        proof = await self._erasure.erase(job.tenant, job.subject, "erasure")
        return proof.to_json()

    async def rebuild_index(self, tenant: str) -> None:
        """A new index from the database; the old one's files are gone when this returns."""
        await rebuild(self._passages, self._indexes.of(tenant), tenant)

    async def retire(self) -> dict[str, Retired]:
        """Apply the configured retention to every tenant."""
        retention = self._workspace.retention
        return {tenant: await self._retirement.apply(tenant, retention) for tenant in self._workspace.tenants}


def _folders(workspace: Workspace) -> tuple[Path, ...]:
    """Everything on this machine that could hold text: the state, and local storage where it lies elsewhere."""
    local = [] if "://" in workspace.storage else [Path(workspace.storage)]
    return tuple(dict.fromkeys([workspace.state, *local]))
