"""Notices as durable jobs beside the facts they tell of, and what a notice says when it is sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from countersign.domain.clock import from_iso, iso
from countersign.domain.jobs import Job
from countersign.review.notify import MAIL_JOB, NOTICE_EVENTS, NOTIFY_JOB, Notice, NoticeEvent
from countersign.storage.jobs import enqueue_in
from countersign.storage.tables import answer, answer_passage, document, review, source_state

_OCCURRED = {"review.opened": "created", "review.overdue": "deadline", "review.decided": "decided"}


@dataclass(frozen=True, slots=True)
class Outbox:
    """Queues notices, one job for each way that is open; closed where nobody is to be notified."""

    is_open: bool = False
    """The webhook, which is told everything."""
    mail_about: tuple[str, ...] = ()
    """What e-mail tells of: `sources`, `reviews`."""

    def put_in(
        self, connection: Connection, event: NoticeEvent, tenant: str, review_id: str, now: datetime
    ) -> None:
        self._put(connection, tenant, f"{event}:{review_id}", now, "reviews")

    def put_in_about_source(
        self, connection: Connection, event: str, tenant: str, source: str, now: datetime
    ) -> None:
        self._put(connection, tenant, f"{event}:{tenant}/{source}@{iso(now)}", now, "sources")

    def _put(self, connection: Connection, tenant: str, subject: str, now: datetime, about: str) -> None:
        if self.is_open:
            enqueue_in(connection, NOTIFY_JOB, tenant, subject, now)
        if about in self.mail_about:
            enqueue_in(connection, MAIL_JOB, tenant, subject, now)


def read_notice(connection: Connection, job: Job) -> tuple[Notice, tuple[str | None, ...]] | None:
    """The notice of a `notify` job and the residency labels of every passage behind its answer (None where a document
    is gone); None when there is nothing left to tell of."""
    event: NoticeEvent | None = next(
        (event for event in NOTICE_EVENTS if job.subject.startswith(f"{event}:")), None
    )
    if event is None:
        return None
    if event.startswith("source."):
        return _about_source(connection, job, event)
    query = select(review, answer.c.status).join(answer, answer.c.id == review.c.answer_id)
    review_id = job.subject.removeprefix(f"{event}:")
    row = connection.execute(query.where(review.c.id == review_id)).mappings().first()
    if row is None or row[_OCCURRED[event]] is None:
        return None
    notice = Notice(
        notice_id=job.job_id,
        event=event,
        occurred=from_iso(row[_OCCURRED[event]]),
        tenant=row["tenant"],
        assistant=row["assistant"],
        answer_id=row["answer_id"],
        review_id=review_id,
        status=row["status"],
    )
    labels = select(document.c.residency).select_from(answer_passage)
    labels = labels.outerjoin(document, document.c.id == answer_passage.c.document_id)
    used = labels.where(answer_passage.c.answer_id == row["answer_id"]).distinct()
    return notice, tuple(connection.execute(used).scalars())


def _about_source(
    connection: Connection, job: Job, event: NoticeEvent
) -> tuple[Notice, tuple[str | None, ...]] | None:
    """It names a source and nothing that is in it, so no document's label binds it."""
    place, _, moment = job.subject.removeprefix(f"{event}:").rpartition("@")
    tenant, _, source = place.partition("/")
    where = source_state.c.tenant == tenant, source_state.c.source == source
    row = connection.execute(select(source_state.c.synced, source_state.c.error).where(*where)).first()
    if row is None:
        return None
    occurred = from_iso(moment)
    return Notice(
        job.job_id, event, occurred, tenant, source=source, synced=row.synced or "", error=row.error
    ), ()
