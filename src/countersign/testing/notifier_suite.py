"""What every `Notifier` must do. Inherit `NotifierSuite` and give it an `under_test` fixture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from countersign.domain.errors import ProviderError
from countersign.review.notify import NOTICE_EVENTS, Notice, Notifier

NOTICE = Notice(
    notice_id="job_1",
    event="review.decided",
    occurred=datetime(2026, 3, 2, 9, 30, tzinfo=UTC),
    tenant="bank",
    assistant="staff-help",
    answer_id="ans_1",
    review_id="rev_1",
    status="delivered",
)


@dataclass(frozen=True, slots=True)
class NotifierUnderTest:
    """`fail_next` makes the receiver fail that many times; `accepted` gives the notice ids it took, in order."""

    notifier: Notifier
    fail_next: Callable[[int], None]
    accepted: Callable[[], list[str]]


@pytest.mark.anyio
class NotifierSuite:
    """Needs a fixture `under_test` that gives a `NotifierUnderTest` whose receiver is there."""

    async def test_a_notice_arrives_once(self, under_test: NotifierUnderTest) -> None:
        await under_test.notifier.notify(NOTICE)
        assert under_test.accepted() == ["job_1"]

    async def test_every_event_is_carried(self, under_test: NotifierUnderTest) -> None:
        for number, event in enumerate(NOTICE_EVENTS):
            await under_test.notifier.notify(replace(NOTICE, event=event, notice_id=f"job_{number}"))
        assert under_test.accepted() == [f"job_{number}" for number in range(len(NOTICE_EVENTS))]

    async def test_a_failure_is_typed_with_a_hint_and_a_repetition_has_the_same_id(
        self, under_test: NotifierUnderTest
    ) -> None:
        under_test.fail_next(1)
        with pytest.raises(ProviderError) as caught:
            await under_test.notifier.notify(NOTICE)
        assert caught.value.code
        assert caught.value.hint
        assert under_test.accepted() == []
        await under_test.notifier.notify(NOTICE)
        assert under_test.accepted() == ["job_1"]

    async def test_says_its_region(self, under_test: NotifierUnderTest) -> None:
        assert isinstance(under_test.notifier.region, str)
