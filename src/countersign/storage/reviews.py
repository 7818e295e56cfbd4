"""The review queue in the database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, func, or_, select, update

from countersign.access.principal import Principal
from countersign.answer.phrases import sentence_for_refusal
from countersign.domain.answers import AnswerStatus, RefusalReason
from countersign.domain.clock import from_iso, iso
from countersign.domain.errors import Conflict, NotFound
from countersign.domain.events import Event, EventKind
from countersign.review.desk import Decided, Review, decide, may_review
from countersign.storage.answers import read_answer, set_decision
from countersign.storage.events import append_in
from countersign.storage.notices import Outbox
from countersign.storage.tables import answer, review

_DUE = func.coalesce(review.c.deadline, "9999")


def queue(connection: Connection, reader: Principal, state: str, limit: int, after: str) -> list[Review]:
    """Items that this reader may decide and whose every source they may read, oldest deadline first.

    `state` is `open` (everything undecided) or `decided`; `after` is a review id to continue behind. What is overdue
    stands in front by itself: its deadline is the oldest. A deadline never changes, so pages neither lose nor repeat.
    """
    query = select(review, answer.c.person).join(answer, answer.c.id == review.c.answer_id)
    query = query.where(review.c.tenant == reader.tenant, *_behind(connection, after))
    query = query.where(review.c.state == "decided" if state == "decided" else review.c.state != "decided")
    found: list[Review] = []
    for row in connection.execute(query.order_by(_DUE, review.c.id)).mappings():
        item = _review(row)
        if may_review(reader, item) and _reads(connection, item.answer_id, reader):
            found.append(item)
        if len(found) == limit:
            break
    return found


def _behind(connection: Connection, after: str) -> tuple[Any, ...]:
    """Conditions that continue a page; none when there is no such item to continue behind."""
    due = connection.execute(select(_DUE).where(review.c.id == after)).scalar() if after else None
    return () if due is None else (or_(due < _DUE, and_(due == _DUE, review.c.id > after)),)


def one(connection: Connection, review_id: str, reader: Principal) -> Review:
    """Raises `NotFound` for absent, another's and unreadable alike."""
    query = select(review, answer.c.person).join(answer, answer.c.id == review.c.answer_id)
    row = (
        connection.execute(query.where(review.c.id == review_id).with_for_update(of=review))
        .mappings()
        .first()
    )
    if row is None or not may_review(reader, _review(row)):
        raise NotFound("there is no such review")
    item = _review(row)
    if not _reads(connection, item.answer_id, reader):
        raise NotFound("there is no such review")
    return item


def _reads(connection: Connection, answer_id: str, reader: Principal) -> bool:
    try:
        return not read_answer(connection, answer_id, reader).withheld
    except NotFound:
        return False


def claim(connection: Connection, review_id: str, reader: Principal, now: datetime) -> Review:
    """Take an item for oneself. Raises `Conflict` when someone else has it or it is decided."""
    item = one(connection, review_id, reader)
    if item.state == "decided" or (item.claimed_by and item.claimed_by != reader.name):
        raise Conflict(
            "another reviewer has this item", code="review_claimed", hint="Take the next in the queue."
        )
    state = "escalated" if item.state == "escalated" else "claimed"
    values: dict[str, Any] = {"state": state, "claimed_by": reader.name, "claimed": iso(now)}
    connection.execute(update(review).where(review.c.id == review_id).values(**values))
    _record(connection, EventKind.REVIEW_CLAIMED, item, reader, now, {})
    return one(connection, review_id, reader)


def release_claim(connection: Connection, review_id: str, reader: Principal, now: datetime) -> Review:
    """Put an item back into the queue. Raises `Conflict` when it is not the reader's."""
    item = one(connection, review_id, reader)
    if item.claimed_by != reader.name:
        raise Conflict("you have not claimed this item", code="review_not_claimed")
    state = "escalated" if item.state == "escalated" else "open"
    connection.execute(
        update(review).where(review.c.id == review_id).values(state=state, claimed_by=None, claimed=None)
    )
    _record(connection, EventKind.REVIEW_CLAIMED, item, reader, now, {"released": True})
    return one(connection, review_id, reader)


def settle(
    connection: Connection,
    review_id: str,
    reader: Principal,
    verdict: str,
    text: str,
    reason: str,
    now: datetime,
    outbox: Outbox = Outbox(),  # noqa: B008 frozen
) -> Review:
    """Decide, change the answer accordingly, and record both, in the caller's one transaction."""
    item = one(connection, review_id, reader)
    decided = decide(item, reader, verdict, text, reason)
    values: dict[str, Any] = {"state": decided.state, "decision_reason": reason, "claimed_by": None}
    if decided.state == "decided":
        values |= {"decided_by": reader.name, "decided": iso(now), "decision": verdict, "decision_text": text}
    connection.execute(update(review).where(review.c.id == review_id).values(**values))
    if decided.answer_status is not None:
        _apply(connection, item, decided)
        outbox.put_in(connection, "review.decided", item.tenant, review_id, now)
    facts: dict[str, object] = {"verdict": verdict, "answer": item.answer_id}
    _record(connection, EventKind.REVIEW_DECIDED, item, reader, now, facts, {"text": text, "reason": reason})
    return one(connection, review_id, reader)


def mark_overdue(connection: Connection, review_id: str, now: datetime, outbox: Outbox) -> bool:
    """At the deadline: an undecided item is escalated, so that admins see it too, and a claim on it ends.

    It stays held. False when there is nothing to mark: decided, gone, or not due yet.
    """
    query = select(review, answer.c.person).join(answer, answer.c.id == review.c.answer_id)
    due = query.where(review.c.id == review_id).with_for_update(of=review)
    row = connection.execute(due).mappings().first()
    if row is None or not (item := _review(row)).overdue(now):
        return False
    escalated = {"state": "escalated", "claimed_by": None, "claimed": None}
    connection.execute(update(review).where(review.c.id == review_id).values(**escalated))
    facts = {"review": review_id, "claimed_by": item.claimed_by}
    append_in(connection, [Event(EventKind.REVIEW_OVERDUE, item.tenant, "desk", item.answer_id, now, facts)])
    outbox.put_in(connection, "review.overdue", item.tenant, review_id, now)
    return True


def _apply(connection: Connection, item: Review, decided: Decided) -> None:
    row = connection.execute(select(answer).where(answer.c.id == item.answer_id)).mappings().one()
    status = decided.answer_status or AnswerStatus.HELD
    text = decided.text or row["draft"]
    if status is AnswerStatus.REFUSED:
        reason = decided.refusal or RefusalReason.REJECTED_BY_REVIEWER
        text = sentence_for_refusal(reason, row["body"]["language"], item.answer_id)
    set_decision(connection, item.answer_id, status, text, decided.refusal)


def _record(
    connection: Connection,
    kind: EventKind,
    item: Review,
    reader: Principal,
    now: datetime,
    facts: dict[str, object],
    personal: dict[str, str] | None = None,
) -> None:
    subject = item.answer_id
    facts = {"review": item.review_id, **facts}
    append_in(connection, [Event(kind, item.tenant, reader.name, subject, now, facts, personal or {})])


def _review(row: RowMapping) -> Review:
    return Review(
        review_id=row["id"],
        answer_id=row["answer_id"],
        tenant=row["tenant"],
        assistant=row["assistant"],
        asker=row["person"],
        state=row["state"],
        reasons=tuple(row["reasons"]),
        groups=frozenset(row["groups"]),
        created=from_iso(row["created"]),
        deadline=from_iso(row["deadline"]) if row["deadline"] else None,
        claimed_by=row["claimed_by"] or "",
        decided_by=row["decided_by"] or "",
        decision=row["decision"] or "",
        decision_text=row["decision_text"],
        decision_reason=row["decision_reason"],
        decided=from_iso(row["decided"]) if row["decided"] else None,
    )
