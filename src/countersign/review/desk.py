"""The desk: what a reviewer may do with a held answer, and what each decision makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from countersign.access.principal import Principal, Role
from countersign.domain.answers import AnswerStatus, RefusalReason
from countersign.domain.errors import Conflict, NotPermitted, UsageError

ReviewState = Literal["open", "claimed", "escalated", "decided"]
Verdict = Literal["approve", "edit", "reject", "escalate"]
VERDICTS: tuple[Verdict, ...] = ("approve", "edit", "reject", "escalate")
_MAX_TEXT = 20_000


@dataclass(frozen=True, slots=True)
class Review:
    """A held answer in the queue of those who may decide on it."""

    review_id: str
    answer_id: str
    tenant: str
    assistant: str
    asker: str
    state: ReviewState
    reasons: tuple[str, ...]
    groups: frozenset[str]
    created: datetime
    deadline: datetime | None = None
    claimed_by: str = ""
    decided_by: str = ""
    decision: str = ""
    decision_text: str = ""
    decision_reason: str = ""
    decided: datetime | None = None

    def overdue(self, now: datetime) -> bool:
        return self.state != "decided" and self.deadline is not None and self.deadline <= now


@dataclass(frozen=True, slots=True)
class Decided:
    """What the decision makes of the review and of the answer. `answer_status` None leaves the answer held."""

    state: ReviewState
    answer_status: AnswerStatus | None
    text: str = ""
    refusal: RefusalReason | None = None


def may_review(principal: Principal, review: Review) -> bool:
    """A reviewer of the same tenant and of one of the review's groups, who did not ask the question.

    An escalated review leaves its groups behind: any reviewer with the admin role of the tenant may take it as well,
    and goes on seeing what they decided.
    """
    if (
        principal.tenant != review.tenant
        or not principal.has(Role.REVIEWER)
        or principal.name == review.asker
    ):
        return False
    if principal.has(Role.ADMIN) and (review.state == "escalated" or review.decided_by == principal.name):
        return True
    return not review.groups or bool(principal.groups & review.groups)


def decide(review: Review, principal: Principal, verdict: str, text: str, reason: str) -> Decided:
    """Apply one of the four verdicts. Raises `UsageError`, `NotPermitted` or `Conflict`; changes nothing itself."""
    if verdict not in VERDICTS:
        raise UsageError(
            f"{verdict!r} is not a decision", code="decision_unknown", hint=f"Use {', '.join(VERDICTS)}."
        )
    if not may_review(principal, review):
        raise NotPermitted("this review is not yours to decide", code="review_not_permitted")
    if review.state == "decided":
        raise Conflict("this review is already decided", code="review_decided", hint="Reload the queue.")
    if review.claimed_by and review.claimed_by != principal.name:
        raise Conflict(
            "another reviewer has claimed this item",
            code="review_claimed",
            hint="Take the next one in the queue.",
        )
    if verdict == "edit" and not text.strip():
        raise UsageError("an edit needs a text", code="edit_empty", hint="Write the answer, or reject it.")
    if verdict in ("reject", "escalate") and not reason.strip():
        raise UsageError(
            f"to {verdict} needs a reason", code="reason_missing", hint="One sentence is enough."
        )
    if len(text) > _MAX_TEXT or len(reason) > _MAX_TEXT:
        raise UsageError(
            "the text is too long", code="text_too_long", hint=f"At most {_MAX_TEXT} characters."
        )
    return _OUTCOMES[verdict](text)


def _approve(_: str) -> Decided:
    return Decided("decided", AnswerStatus.DELIVERED)


def _edit(text: str) -> Decided:
    return Decided("decided", AnswerStatus.DELIVERED, text=text.strip())


def _reject(_: str) -> Decided:
    return Decided("decided", AnswerStatus.REFUSED, refusal=RefusalReason.REJECTED_BY_REVIEWER)


def _escalate(_: str) -> Decided:
    return Decided("escalated", None)


_OUTCOMES = {"approve": _approve, "edit": _edit, "reject": _reject, "escalate": _escalate}
