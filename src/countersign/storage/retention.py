"""How long texts stay readable: past it, answers are emptied and personal parts deleted; the chain itself is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from countersign.domain.clock import Clock, iso
from countersign.domain.events import Event, EventKind
from countersign.domain.workspace import Retention
from countersign.storage.database import Database
from countersign.storage.erased_text import blank_answers, forget_personal
from countersign.storage.events import append_in
from countersign.storage.tables import answer, event, event_personal, review

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Retired:
    answers: int
    personal_parts: int


class Retirement:
    """Run it daily. Works in small transactions; interrupted, it goes on where it stopped."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def apply(self, tenant: str, retention: Retention, actor: str = "retention") -> Retired:
        """Empty what is older than configured, and record how much that was."""
        now = self._clock.now()
        answers = await self._answers(tenant, iso(now - retention.answers), now)
        personal = await self._personal(tenant, iso(now - retention.answers), EventKind.SEARCH_MADE)
        personal += await self._personal(tenant, iso(now - retention.personal))
        if answers or personal:
            facts: dict[str, object] = {
                "answers": answers,
                "personal_parts": personal,
                "answers_before": iso(now - retention.answers),
                "personal_before": iso(now - retention.personal),
            }
            event_ = Event(EventKind.RETENTION_APPLIED, tenant, actor, tenant, now, facts)
            await self._database.write(append_in, [event_])
        return Retired(answers, personal)

    async def _answers(self, tenant: str, before: str, now: datetime) -> int:
        total = 0
        while done := await self._database.write(_retire_answers, tenant, before, now):
            total += done
        return total

    async def _personal(self, tenant: str, before: str, kind: str = "") -> int:
        """Of one kind of event, or of all. What was searched for is kept no longer than what was asked."""
        total = 0
        while done := await self._database.write(_retire_personal, tenant, before, kind):
            total += done
        return total


def _retire_answers(connection: Connection, tenant: str, before: str, now: datetime) -> int:
    old = select(answer.c.id).where(
        answer.c.tenant == tenant, answer.c.created < before, answer.c.erased.is_(None)
    )
    ids = list(connection.execute(old.limit(_BATCH)).scalars())
    blank_answers(connection, ids, now)
    forget_personal(connection, tenant, [*ids, *_reviews_of(connection, ids)])
    return len(ids)


def _reviews_of(connection: Connection, answers: Sequence[str]) -> Sequence[str]:
    return connection.execute(select(review.c.id).where(review.c.answer_id.in_(answers))).scalars().all()


def _retire_personal(connection: Connection, tenant: str, before: str, kind: str) -> int:
    same = (event.c.tenant == event_personal.c.tenant) & (event.c.seq == event_personal.c.seq)
    query = select(event_personal.c.seq).join(event, same).where(event_personal.c.tenant == tenant)
    query = query.where(event.c.kind == kind) if kind else query
    seqs = list(connection.execute(query.where(event.c.at < before).limit(_BATCH)).scalars())
    gone = delete(event_personal).where(event_personal.c.tenant == tenant, event_personal.c.seq.in_(seqs))
    connection.execute(gone)
    return len(seqs)
