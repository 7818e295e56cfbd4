"""Names of everything that is recorded. One event per step; audit, trace and cost are views of the same events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final


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
    SEARCH_MADE = "search.made"
    SEARCH_OPENED = "search.opened"
    MODEL_CALLED = "model.called"
    BUDGET_RESERVED = "budget.reserved"
    BUDGET_SETTLED = "budget.settled"
    BUDGET_REFUSED = "budget.refused"
    REVIEW_OPENED = "review.opened"
    REVIEW_CLAIMED = "review.claimed"
    REVIEW_DECIDED = "review.decided"
    REVIEW_OVERDUE = "review.overdue"
    DOCUMENT_RECEIVED = "document.received"
    DOCUMENT_INDEXED = "document.indexed"
    DOCUMENT_QUARANTINED = "document.quarantined"
    DOCUMENT_FAILED = "document.failed"
    DOCUMENT_RIGHTS_CHANGED = "document.rights_changed"
    DOCUMENT_DELETED = "document.deleted"
    DOCUMENT_ERASED = "document.erased"
    SOURCE_SYNCED = "source.synced"
    SOURCE_SYNC_ASKED = "source.sync_asked"
    SOURCE_STALE = "source.stale"
    SOURCE_RECOVERED = "source.recovered"
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
    INDEX_VERSION_ADDED = "index.version_added"
    INDEX_VERSION_READY = "index.version_ready"
    INDEX_SWITCHED = "index.switched"
    INDEX_VERSION_DROPPED = "index.version_dropped"
    BACKUP_TAKEN = "backup.taken"
    BACKUP_RESTORED = "backup.restored"
    RETENTION_APPLIED = "retention.applied"
    READINESS_AUDITED = "readiness.audited"
    READINESS_ACCEPTED = "readiness.accepted"
    READINESS_ACCEPTANCE_WITHDRAWN = "readiness.acceptance_withdrawn"
    QUESTIONS_ADDED = "questions.added"
    QUESTIONS_DECIDED = "questions.decided"
    INDEX_TUNED = "index.tuned"


MEANINGS: Final[Mapping[EventKind, str]] = {
    EventKind.ANSWER_ASKED: "A question entered the line: who asked which assistant, under which release.",
    EventKind.ANSWER_QUESTION_GUARDED: "The question and its history were checked.",
    EventKind.ANSWER_RETRIEVED: "Passages that the asker may see were found; counts only.",
    EventKind.ANSWER_PASSAGES_GUARDED: "The passages were checked before they entered the prompt.",
    EventKind.ANSWER_GENERATED: "A draft was asked for and no model could give one.",
    EventKind.ANSWER_VERIFIED: "Every sentence was checked against the passage it cites.",
    EventKind.ANSWER_OUTPUT_GUARDED: "The draft passed the output filter.",
    EventKind.ANSWER_DECIDED: "Delivered, held, refused or degraded, with the reasons; or a draft discarded.",
    EventKind.ANSWER_READ: "Somebody read a stored answer.",
    EventKind.ANSWER_FEEDBACK: "The asker said what they think of an answer.",
    EventKind.SEARCH_MADE: "Somebody searched without asking for an answer; which passages they were shown.",
    EventKind.SEARCH_OPENED: "Somebody opened the page of a passage that their search had shown.",
    EventKind.MODEL_CALLED: "A rung of the ladder wrote the draft: model, tokens, cost, rungs passed over.",
    EventKind.BUDGET_RESERVED: "Money was set aside before a call.",
    EventKind.BUDGET_SETTLED: "What a call really cost replaced what was set aside.",
    EventKind.BUDGET_REFUSED: "A call was not made because a hard cap would have been passed.",
    EventKind.REVIEW_OPENED: "An answer was put before the reviewers.",
    EventKind.REVIEW_CLAIMED: "A reviewer took an item, or gave it back.",
    EventKind.REVIEW_DECIDED: "A reviewer approved, edited, rejected or escalated.",
    EventKind.REVIEW_OVERDUE: "The deadline passed before a decision: the item went up to the admins, still held.",
    EventKind.DOCUMENT_RECEIVED: "A new version of a document came in.",
    EventKind.DOCUMENT_INDEXED: "A version became searchable.",
    EventKind.DOCUMENT_QUARANTINED: "A document was set aside: its rights or tenant cannot be trusted.",
    EventKind.DOCUMENT_FAILED: "A version could not be read; the status says why.",
    EventKind.DOCUMENT_RIGHTS_CHANGED: "Rights or other metadata of a document changed.",
    EventKind.DOCUMENT_DELETED: "A document was taken out of every answer.",
    EventKind.DOCUMENT_ERASED: "A document's text was removed from every store, with the proof's figures.",
    EventKind.SOURCE_SYNCED: "A pass over a source ended: complete, held back or failed, with its figures.",
    EventKind.SOURCE_SYNC_ASKED: "Somebody asked for a pass over a source, or accepted removals that it held back.",
    EventKind.SOURCE_STALE: "A source is older than its `max_age`.",
    EventKind.SOURCE_RECOVERED: "A source that was older than its `max_age` was read completely again.",
    EventKind.USER_CHANGED: "A person was created, or their groups, roles or password changed.",
    EventKind.KEY_CREATED: "A key was made for a person.",
    EventKind.KEY_REVOKED: "A key stopped working.",
    EventKind.SIGNED_IN: "A person signed in on the web.",
    EventKind.SIGN_IN_FAILED: "A sign-in with a known name failed.",
    EventKind.SIGNED_OUT: "A person signed out.",
    EventKind.IMPERSONATED: "The workspace's owner acted as a person at the command line.",
    EventKind.ACCESS_EXPLAINED: "Somebody asked why a person may or may not see a document.",
    EventKind.RELEASE_CHANGED: "An assistant's behaviour changed: a new release id.",
    EventKind.INDEX_REBUILT: "The derived index was built again from the database.",
    EventKind.INDEX_VERSION_ADDED: "An index version was asked for: it is built beside the one that answers.",
    EventKind.INDEX_VERSION_READY: "An index version has every document and may be switched to.",
    EventKind.INDEX_SWITCHED: "Questions are answered from another index version; `reverted` when it was the one before.",
    EventKind.INDEX_VERSION_DROPPED: "An index version was given up; what only it used is removed.",
    EventKind.BACKUP_TAKEN: "A backup was written.",
    EventKind.BACKUP_RESTORED: "A backup was restored and the erasure ledger replayed.",
    EventKind.RETENTION_APPLIED: "Texts past their time were emptied.",
    EventKind.READINESS_AUDITED: "Documents were read to find out what is wrong with them; counts only.",
    EventKind.READINESS_ACCEPTED: "Somebody took responsibility for what was found in a document, until a day.",
    EventKind.READINESS_ACCEPTANCE_WITHDRAWN: "Somebody took such an acceptance back.",
    EventKind.QUESTIONS_ADDED: "Questions entered a set: imported, drafted from documents, or taken from answers; counts only.",
    EventKind.QUESTIONS_DECIDED: "Somebody confirmed, changed or dropped questions of a set, or took that back.",
    EventKind.INDEX_TUNED: "Ways to cut and search the documents were measured against a question set.",
}
"""One line for each kind; the documentation is made from this table."""


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
