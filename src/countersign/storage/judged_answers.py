"""Answers that people found right, as evidence: their question and the documents that they cite."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, exists, or_, select

from countersign.domain.answers import AnswerStatus
from countersign.evaluation.questions import MAX_EXPECTED, Expected
from countersign.storage.tables import answer, citation, document, feedback, review

_APPROVED = ("approve", "edit")
_BAD = ("wrong", "incomplete")


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    answer_id: str
    question: str
    expected: tuple[Expected, ...]
    """The documents that it cites, each once."""


def judged_answers(connection: Connection, tenant: str, limit: int) -> list[JudgedAnswer]:
    """Newest first. Approved by a reviewer, or called helpful by whoever asked and by nobody wrong; delivered, and not
    emptied by retention or erasure."""
    approved = exists().where(review.c.answer_id == answer.c.id, review.c.decision.in_(_APPROVED))
    helpful = exists().where(feedback.c.answer_id == answer.c.id, feedback.c.verdict == "helpful")
    doubted = exists().where(feedback.c.answer_id == answer.c.id, feedback.c.verdict.in_(_BAD))
    query = select(answer.c.id, answer.c.question).where(
        answer.c.tenant == tenant,
        answer.c.erased.is_(None),
        answer.c.question != "",
        answer.c.task == "answer",
        answer.c.status.in_((AnswerStatus.DELIVERED, AnswerStatus.DEGRADED)),
        or_(approved, helpful),
        ~doubted,
    )
    rows = connection.execute(query.order_by(answer.c.created.desc(), answer.c.id.desc()).limit(limit)).all()
    found = [JudgedAnswer(row.id, row.question, _cited(connection, row.id)) for row in rows]
    return [each for each in found if each.expected]


def _cited(connection: Connection, answer_id: str) -> tuple[Expected, ...]:
    query = (
        select(document.c.source, document.c.external_id)
        .join(citation, citation.c.document_id == document.c.id)
        .where(citation.c.answer_id == answer_id, document.c.deleted.is_(None))
        .order_by(citation.c.n)
    )
    rows = connection.execute(query)
    return tuple(dict.fromkeys(Expected(row.source, row.external_id) for row in rows))[:MAX_EXPECTED]
