"""Telling others that an answer waits, waits too long or was decided, or that a source is too old: never a text.

Whoever receives a notice fetches what it is about from the API, as a person whose rights are looked at then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

NOTIFY_JOB = "notify"
"""Job kind of the webhook; its subject is `EVENT:REVIEW_ID`, or `EVENT:TENANT/SOURCE@MOMENT`."""
MAIL_JOB = "notify_by_mail"
"""Job kind of e-mail, with the same subjects."""
OVERDUE_JOB = "review_overdue"
"""Job kind, due at a review's deadline; its subject is the review's id."""

NoticeEvent = Literal["review.opened", "review.overdue", "review.decided", "source.stale", "source.recovered"]
NOTICE_EVENTS: tuple[NoticeEvent, ...] = (
    "review.opened",
    "review.overdue",
    "review.decided",
    "source.stale",
    "source.recovered",
)


@dataclass(frozen=True, slots=True)
class Notice:
    """`notice_id` stays the same when a notice is sent again, so that a receiver can tell a repetition."""

    notice_id: str
    event: NoticeEvent
    occurred: datetime
    tenant: str
    assistant: str = ""
    answer_id: str = ""
    review_id: str = ""
    status: str = ""
    """The answer's status at the moment of sending: `held`, `delivered` or `refused`."""
    source: str = ""
    """Of a notice about a source: its name, and nothing of its documents."""
    synced: str = ""
    """When that source was last read completely, at the moment of sending; empty = never."""
    error: str = ""
    """The code of what ended its newest pass, if anything did."""


class Notifier(Protocol):
    """Carries notices out of the house."""

    @property
    def region(self) -> str:
        """Where they go; empty counts as the workspace's own region."""
        ...

    async def notify(self, notice: Notice) -> None:
        """Returns once the receiver has accepted. Raises a `ProviderError` kind, after which it is tried again."""
        ...
