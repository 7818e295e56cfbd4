"""Notices as durable jobs beside the facts they tell of, and what a notice says when it is sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from countersign.domain.clock import from_iso
from countersign.domain.jobs import Job
from countersign.review.notify import NOTICE_EVENTS, NOTIFY_JOB, Notice, NoticeEvent
from countersign.storage.jobs import enqueue_in
from countersign.storage.tables import answer, answer_passage, document, review

_OCCURRED = {"review.opened": "created", "review.overdue": "deadline", "review.decided": "decided"}


@dataclass(frozen=True, slots=True)
class Outbox:
    """Queues notices; closed where nobody is to be notified."""

    is_open: bool = False

    def put_in(
        self, connection: Connection, event: NoticeEvent, tenant: str, review_id: str, now: datetime
    ) -> None:
        if self.is_open:
            enqueue_in(connection, NOTIFY_JOB, tenant, f"{event}:{review_id}", now)


def read_notice(connection: Connection, job: Job) -> tuple[Notice, tuple[str | None, ...]] | None:
    """The notice of a `notify` job and the residency labels of every passage behind its answer (None where a document
    is gone); None when there is nothing left to tell of."""
    event: NoticeEvent | None = next(
        (event for event in NOTICE_EVENTS if job.subject.startswith(f"{event}:")), None
    )
    if event is None:
        return None
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
