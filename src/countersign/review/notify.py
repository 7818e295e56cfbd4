"""Telling another system that an answer waits, waits too long, or was decided: ids and a status, never a text.

Whoever receives a notice fetches what it is about from the API, as a person whose rights are looked at then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

NOTIFY_JOB = "notify"
"""Job kind; its subject is `EVENT:REVIEW_ID`."""
OVERDUE_JOB = "review_overdue"
"""Job kind, due at a review's deadline; its subject is the review's id."""

NoticeEvent = Literal["review.opened", "review.overdue", "review.decided"]
NOTICE_EVENTS: tuple[NoticeEvent, ...] = ("review.opened", "review.overdue", "review.decided")


@dataclass(frozen=True, slots=True)
class Notice:
    """`notice_id` stays the same when a notice is sent again, so that a receiver can tell a repetition."""

    notice_id: str
    event: NoticeEvent
    occurred: datetime
    tenant: str
    assistant: str
    answer_id: str
    review_id: str
    status: str
    """The answer's status at the moment of sending: `held`, `delivered` or `refused`."""


class Notifier(Protocol):
    """Carries notices out of the house."""

    @property
    def region(self) -> str:
        """Where they go; empty counts as the workspace's own region."""
        ...

    async def notify(self, notice: Notice) -> None:
        """Returns once the receiver has accepted. Raises a `ProviderError` kind, after which it is tried again."""
        ...
