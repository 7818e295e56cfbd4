"""Signs how far each tenant's chain has come: every so many events, every so many seconds, and at shutdown.

Before it signs, it walks the events since the last checkpoint: a chain that does not continue what was signed is never
vouched for.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, select

from countersign.domain.clock import Clock
from countersign.domain.errors import IntegrityError, StorageError
from countersign.record.chain import GENESIS, Head
from countersign.record.checkpoint import Checkpoint, CheckpointLog, sign_head
from countersign.record.keys import PublicKey
from countersign.record.seams import Signer
from countersign.record.verify import Verification, link_intact, verify
from countersign.storage.database import Database
from countersign.storage.events import chain, heads
from countersign.storage.tables import event

logger = logging.getLogger(__name__)


class Checkpointer:
    """One a workspace. `folder` lies outside the database (`state/checkpoints`)."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        signer: Signer,
        clock: Clock,
        *,
        every_events: int = 1000,
        every_s: float = 60.0,
        poll_s: float = 2.0,
    ) -> None:
        self._database = database
        self._folder = folder
        self._signer = signer
        self._clock = clock
        self._every_events = every_events
        self._every_s = every_s
        self._poll_s = poll_s

    async def run(self) -> None:
        """Until cancelled; the last act of a cancelled run is a checkpoint of every tenant."""
        waited_s = 0.0
        try:
            while True:
                await asyncio.sleep(self._poll_s)
                waited_s += self._poll_s
                due = waited_s >= self._every_s
                try:
                    await self.sign(1 if due else self._every_events)
                except StorageError as error:  # the next round signs what this one could not
                    logger.warning("checkpoints were put off: %s", error.code)
                waited_s = 0.0 if due else waited_s
        finally:
            with suppress(asyncio.CancelledError):
                await asyncio.shield(self.sign())

    async def sign(self, at_least: int = 1) -> tuple[Checkpoint, ...]:
        """Sign every chain that has `at_least` new events. Raises `IntegrityError` when one does not continue."""
        return await asyncio.to_thread(self._sign_now, at_least)

    def _sign_now(self, at_least: int) -> tuple[Checkpoint, ...]:
        signed: list[Checkpoint] = []
        for head in self._database.read_now(heads):
            log = CheckpointLog(self._folder, head.tenant)
            last = log.last()
            if head.seq - (last.seq if last else 0) < at_least and not _went_back(last, head):
                continue
            self._database.read_now(_assert_continues, last, head)
            checkpoint = sign_head(head, self._clock.now(), last, self._signer)
            log.append(checkpoint)
            signed.append(checkpoint)
        return tuple(signed)


def _went_back(last: Checkpoint | None, head: Head) -> bool:
    return last is not None and (head.seq < last.seq or (head.seq == last.seq and head.hash != last.head))


def _assert_continues(connection: Connection, last: Checkpoint | None, head: Head) -> None:
    tenant, at = head.tenant, Head(head.tenant, 0, GENESIS)
    if last is not None:
        query = select(event.c.hash).where(event.c.tenant == tenant, event.c.seq == last.seq)
        at = Head(tenant, last.seq, str(connection.execute(query).scalar() or ""))
        if at.hash != last.head:
            raise _does_not_continue(tenant, last.seq)
    for link, _ in chain(connection, tenant, at.seq):
        if link.seq > head.seq:
            break
        if not link_intact(link, at):
            raise _does_not_continue(tenant, link.seq)
        at = Head(tenant, link.seq, link.hash)
    if at != head:
        raise _does_not_continue(tenant, at.seq)


def _does_not_continue(tenant: str, seq: int) -> IntegrityError:
    return IntegrityError(
        f"the record of tenant {tenant} does not continue what was signed (at event {seq})",
        code="record_broken",
        hint="Run `countersign audit verify`; keep the database and the checkpoint file as they are for the investigation.",
    )


def verify_tenant(
    connection: Connection, tenant: str, folder: Path, public_keys: tuple[PublicKey, ...]
) -> Verification:
    """Verify one tenant's chain in the database against its checkpoint file."""
    head = next((h for h in heads(connection) if h.tenant == tenant), Head(tenant, 0, GENESIS))
    return verify(tenant, chain(connection, tenant), CheckpointLog(folder, tenant), public_keys, head=head)
