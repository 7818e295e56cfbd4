"""The record as a service: stories, pages of events, costs, verification."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from countersign.access.decide import Action, require
from countersign.access.principal import Principal, Role
from countersign.answer.store import StoredAnswer
from countersign.domain.errors import NotFound
from countersign.domain.events import Event
from countersign.record.keys import PublicKey
from countersign.record.verify import Verification
from countersign.record.views import CostLine, GroupBy, RecordedEvent, steps
from countersign.storage.answers import read_answer
from countersign.storage.checkpoints import verify_tenant
from countersign.storage.database import Database
from countersign.storage.events import EventStore


@dataclass(frozen=True, slots=True)
class Story:
    """One answer from question to last read. Personal parts are left out when the reader may not see its sources."""

    stored: StoredAnswer
    events: tuple[RecordedEvent, ...]

    @property
    def trace(self) -> tuple[object, ...]:
        """The same events as steps with their durations."""
        return steps(self.events)


class Ledger:
    def __init__(self, database: Database, checkpoints: Path, public_keys: tuple[PublicKey, ...]) -> None:
        self._database = database
        self._events = EventStore(database)
        self._checkpoints = checkpoints
        self._public_keys = public_keys

    async def append(self, *events: Event) -> None:
        await self._events.append(events)

    async def story(self, principal: Principal, answer_id: str) -> Story:
        """For the asker, its reviewers and auditors; everyone else learns nothing. Raises `NotFound`."""
        stored = await self._database.read(read_answer, answer_id, principal)
        events = await self._events.story(principal.tenant, answer_id)
        if not events:
            raise NotFound("there is no such answer")
        held_from_asker = stored.answer.user == principal.name and stored.answer.status == "held"
        if stored.withheld or held_from_asker:
            events = tuple(_without_text(event) for event in events)
        return Story(stored, events)

    async def events(
        self, principal: Principal, *, kind: str = "", before: int = 0, limit: int = 100
    ) -> tuple[RecordedEvent, ...]:
        """Newest first, facts only: whose text an auditor may read is decided per answer, by its sources."""
        require(principal, Action.READ_RECORD)
        page = await self._events.latest(principal.tenant, kind, before, limit)
        return tuple(_without_text(event) for event in page)

    async def costs(
        self, principal: Principal, since: datetime, group_by: GroupBy = "assistant"
    ) -> tuple[CostLine, ...]:
        require(principal, Action.READ_METRICS)
        return await self._events.costs(principal.tenant, since, group_by)

    async def verify(self, principal: Principal) -> Verification:
        """The whole chain of the principal's tenant against the signed checkpoints."""
        require(principal, Action.VERIFY_RECORD)
        return await self.verify_tenant(principal.tenant)

    async def verify_tenant(self, tenant: str) -> Verification:
        """The same for the workspace's owner at the command line."""
        return await self._database.read(verify_tenant, tenant, self._checkpoints, self._public_keys)


def _without_text(event: RecordedEvent) -> RecordedEvent:
    state = "withheld" if event.personal else event.personal_state
    return replace(event, personal={}, personal_state=state)


def sees_record(principal: Principal) -> bool:
    return bool(principal.roles & {Role.AUDITOR, Role.OPERATOR})
