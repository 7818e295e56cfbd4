"""Names of everything that is recorded. One event per step; audit, trace and cost are views of the same events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class EventKind(StrEnum):
    """`subject.action`, a closed list: adding one means documenting it."""

    ANSWER_ASKED = "answer.asked"
    ANSWER_QUESTION_GUARDED = "answer.question_guarded"
    ANSWER_RETRIEVED = "answer.retrieved"
    ANSWER_PASSAGES_GUARDED = "answer.passages_guarded"
    ANSWER_GENERATED = "answer.generated"
    ANSWER_VERIFIED = "answer.verified"
    ANSWER_OUTPUT_GUARDED = "answer.output_guarded"
    ANSWER_DECIDED = "answer.decided"
    ANSWER_READ = "answer.read"
    ANSWER_FEEDBACK = "answer.feedback"
    MODEL_CALLED = "model.called"
    BUDGET_RESERVED = "budget.reserved"
    BUDGET_SETTLED = "budget.settled"
    BUDGET_REFUSED = "budget.refused"
    REVIEW_OPENED = "review.opened"
    REVIEW_CLAIMED = "review.claimed"
    REVIEW_DECIDED = "review.decided"
    DOCUMENT_RECEIVED = "document.received"
    DOCUMENT_INDEXED = "document.indexed"
    DOCUMENT_QUARANTINED = "document.quarantined"
    DOCUMENT_FAILED = "document.failed"
    DOCUMENT_RIGHTS_CHANGED = "document.rights_changed"
    DOCUMENT_DELETED = "document.deleted"
    DOCUMENT_ERASED = "document.erased"
    SOURCE_SYNCED = "source.synced"
    USER_CHANGED = "user.changed"
    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"
    SIGNED_IN = "session.signed_in"
    SIGN_IN_FAILED = "session.sign_in_failed"
    SIGNED_OUT = "session.signed_out"
    IMPERSONATED = "access.impersonated"
    ACCESS_EXPLAINED = "access.explained"
    RELEASE_CHANGED = "release.changed"
    INDEX_REBUILT = "index.rebuilt"
    BACKUP_TAKEN = "backup.taken"
    BACKUP_RESTORED = "backup.restored"
    RETENTION_APPLIED = "retention.applied"


@dataclass(frozen=True, slots=True)
class Event:
    """A step that happened.

    `facts` are plain values that may be kept for ever (ids, counts, codes, durations, money). `personal` holds text
    and names; only a salted commitment to it enters the chain, so that it can be erased and the chain still verifies.
    """

    kind: EventKind
    tenant: str
    actor: str
    subject: str
    """The id this event is about: an answer, document, review, user, key or release."""
    at: datetime
    facts: Mapping[str, object] = field(default_factory=dict[str, object])
    personal: Mapping[str, str] = field(default_factory=dict[str, str])
    request_id: str = ""
