"""What happens by itself at the desk: what is overdue moves up, and whoever is to be told is told."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from countersign.domain.clock import Clock
from countersign.domain.jobs import Handler, Job
from countersign.domain.workspace import Workspace
from countersign.gateway.residency import allowed_regions, may_go
from countersign.review.notify import MAIL_JOB, NOTIFY_JOB, OVERDUE_JOB, Notifier
from countersign.storage.database import Database
from countersign.storage.notices import Outbox, read_notice
from countersign.storage.reviews import mark_overdue

NOTIFY_ATTEMPTS = 12
"""Over about two hours and a quarter, each wait twice as long as the one before."""

logger = logging.getLogger(__name__)


def open_outbox(workspace: Workspace) -> Outbox:
    """Open for whoever the workspace's file names."""
    mail = workspace.mail
    return Outbox(is_open=workspace.webhook is not None, mail_about=mail.about if mail else ())


class Notices:
    """Handlers of the `review_overdue` job and of the notices. `notifiers` by the kind of job that they carry: without
    any, nothing is queued or sent."""

    def __init__(
        self,
        database: Database,
        workspace: Workspace,
        notifiers: Mapping[str, Notifier],
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._database = database
        self._workspace = workspace
        self._notifiers = notifiers
        self._clock = clock
        self._outbox = outbox

    def handlers(self) -> dict[str, Handler]:
        return {OVERDUE_JOB: self.mark, NOTIFY_JOB: self.send, MAIL_JOB: self.send}

    async def mark(self, job: Job) -> Mapping[str, object]:
        """At a deadline: an item that nobody has decided goes up to the admins; it is never delivered by time."""
        marked = await self._database.write(mark_overdue, job.subject, self._clock.now(), self._outbox)
        return {"overdue": marked}

    async def send(self, job: Job) -> Mapping[str, object]:
        """One notice. Raises a `ProviderError` kind when the receiver did not take it; the job is tried again then."""
        notifier = self._notifiers.get(job.kind)
        if notifier is None:
            return {"dropped": "not_configured"}
        found = await self._database.read(read_notice, job)
        if found is None:
            return {"dropped": "nothing_to_tell"}
        notice, labels = found
        if not self._may_learn(notifier.region, labels):
            logger.warning("notice %s is not sent: residency_not_allowed", notice.notice_id)
            return {"dropped": "residency_not_allowed"}
        await notifier.notify(notice)
        return {"sent": notice.event}

    def _may_learn(self, region: str, labels: tuple[str | None, ...]) -> bool:
        """Even ids stay where the passages behind them must stay; where a label is lost, nothing is sent."""
        if None in labels:
            return False
        known = (label for label in labels if label is not None)
        return may_go(region, allowed_regions(known, self._workspace.residency), self._workspace.region)
