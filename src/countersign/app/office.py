"""The part of the house that needs no model, index or parser process: what its owner's commands use, quick to open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from countersign.access.owner import require_owner
from countersign.access.principal import Principal, Role
from countersign.app.ledger import Ledger
from countersign.app.people import OWNER, People
from countersign.domain.clock import Clock, SystemClock
from countersign.domain.errors import Conflict, UsageError
from countersign.domain.workspace import Workspace
from countersign.record.keys import load_public_key
from countersign.storage.backup import is_restoring
from countersign.storage.database import Database
from countersign.storage.migrate import upgrade
from countersign.storage.shared_files import shared_files

if TYPE_CHECKING:
    from countersign.app.audits import Audits
    from countersign.app.desk import Desk
    from countersign.app.library import Library


@dataclass(slots=True)
class Office:
    """Close it when done. `library` and `desk` are made on demand, because they load more."""

    workspace: Workspace
    database: Database
    people: People
    ledger: Ledger
    clock: Clock

    def operator(self, tenant: str) -> Principal:
        """The workspace's own operating-system owner as an operator of `tenant`. Raises `NotPermitted`, `UsageError`.

        Roles grant no document rights, and the owner of the files needs none: titles and texts stay hidden here.
        """
        os_user = require_owner(self.workspace.state)
        roles = frozenset({Role.OPERATOR, Role.AUDITOR, Role.ADMIN})
        return Principal(OWNER, self.tenant(tenant), frozenset(), roles, impersonated_by=os_user)

    def tenant(self, name: str) -> str:
        """`name`, or the only tenant when it is empty. Raises `UsageError` for an unknown or an ambiguous one."""
        known = self.workspace.tenants
        if not name and len(known) == 1:
            return known[0]
        if name not in known:
            raise UsageError(
                f"there is no tenant {name!r}" if name else "the workspace has several tenants",
                code="tenant_unknown" if name else "tenant_missing",
                hint=f"Say --tenant with one of: {', '.join(known)}.",
            )
        return name

    def library(self) -> Library:
        """Documents. What it enqueues is done by whoever owns the workspace, now or when it starts."""
        from countersign.app.library import Library
        from countersign.corpus.ingest import Intake
        from countersign.storage.blobs import open_blobs
        from countersign.storage.documents import SqlDocumentStore
        from countersign.storage.jobs import SqlJobs

        workspace, database, clock = self.workspace, self.database, self.clock
        intake = Intake(
            SqlDocumentStore(database),
            open_blobs(f"{workspace.storage.rstrip('/')}/blobs", workspace.object_storage),
            clock,
        )
        jobs = SqlJobs(database, clock)
        return Library(
            database, intake, jobs, workspace.sources, workspace.parsing.max_bytes, clock, lambda: None
        )

    def audits(self) -> Audits:
        """Readiness audits of this workspace's sources, and what was accepted of their findings."""
        from countersign.app.audits import Audits

        return Audits(self.database, self.workspace, self.clock, lambda: None)

    def desk(self) -> Desk:
        """Answers and reviews; its page images need the parser of an open house."""
        from countersign.access.keys import load_server_key
        from countersign.app.desk import Desk
        from countersign.app.notices import open_outbox
        from countersign.app.privacy import Privacy
        from countersign.corpus.service import SandboxedParser
        from countersign.guard.pipeline import Guard
        from countersign.storage.blobs import open_blobs

        workspace = self.workspace
        parser = SandboxedParser(workspace.parsing, workspace.state / "tmp")
        blobs = open_blobs(f"{workspace.storage.rstrip('/')}/blobs", workspace.object_storage)
        privacy = Privacy(Guard(), workspace.assistants, load_server_key(workspace.state).value)
        outbox = open_outbox(self.workspace)
        return Desk(self.database, blobs, parser, privacy, self.clock, outbox)

    def close(self) -> None:
        self.database.close()


def open_office(workspace: Workspace, clock: Clock | None = None) -> Office:
    """Raises `ConfigError` when keys are missing or exposed, `StorageError`, `Conflict` after an unfinished restore."""
    require_ready(workspace)
    clock = clock or SystemClock()
    files = shared_files(workspace)
    if files is not None:
        files.pull()
    keys = (load_public_key(workspace.state / "keys"),)
    database = Database(workspace.database)
    try:
        upgrade(database)
        people = People(database, workspace.state, frozenset(workspace.tenants), clock)
    except BaseException:
        database.close()
        raise
    ledger = Ledger(database, workspace.state / "checkpoints", keys)
    return Office(workspace, database, people, ledger, clock)


def require_ready(workspace: Workspace) -> None:
    """Raises `Conflict` while a restore is unfinished: what was erased since the backup could still be there."""
    if is_restoring(workspace.state):
        raise Conflict(
            "a restore into this workspace did not finish",
            code="restore_unfinished",
            hint="Restore again into an empty folder.",
        )
