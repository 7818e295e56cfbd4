"""Both notifiers against the suite that any notifier must pass, and what only HTTP can do wrong."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from countersign.domain.clock import SystemClock
from countersign.domain.errors import ProviderError, ProviderTimeout, ProviderUnavailable
from countersign.domain.workspace import Secret, WebhookSettings
from countersign.gateway.http import HttpClient
from countersign.review.signing import body_of, signature
from countersign.storage.webhooks import WebhookNotifier
from countersign.testing.notifier_suite import NOTICE, NotifierSuite, NotifierUnderTest
from countersign.testing.notifiers import KeptNotices, WebhookReceiver

pytestmark = pytest.mark.anyio
SECRET = "a-shared-secret-of-some-length"


def settings(url: str, secret: str = SECRET, timeout_s: float = 2.0) -> WebhookSettings:
    return WebhookSettings(url, Secret("${env:HOOK}", secret), "kz", timeout_s)


class TestKeptNotices(NotifierSuite):
    @pytest.fixture
    def under_test(self) -> NotifierUnderTest:
        notifier = KeptNotices()

        def fail_next(times: int) -> None:
            notifier.failures = times

        return NotifierUnderTest(notifier, fail_next, lambda: [n.notice_id for n in notifier.notices])


class TestWebhookNotifier(NotifierSuite):
    @pytest.fixture
    async def under_test(self) -> AsyncIterator[NotifierUnderTest]:
        async with WebhookReceiver(SECRET) as receiver, HttpClient() as http:
            notifier = WebhookNotifier(settings(receiver.url), http, SystemClock())
            yield NotifierUnderTest(
                notifier,
                lambda times: receiver.statuses.extend([503] * times),
                lambda: [body["notice_id"] for body in receiver.bodies],
            )


async def test_the_signature_covers_time_and_body() -> None:
    assert len({signature("k", "1", b"{}"), signature("k", "2", b"{}"), signature("q", "1", b"{}")}) == 3
    async with WebhookReceiver("another secret") as receiver, HttpClient() as http:
        with pytest.raises(ProviderError) as caught:
            await WebhookNotifier(settings(receiver.url), http, SystemClock()).notify(NOTICE)
        assert caught.value.code == "webhook_rejected"
        assert receiver.unsigned == 1


def test_a_body_holds_ids_and_a_status_and_nothing_else() -> None:
    assert json.loads(body_of(NOTICE)) == {
        "notice_id": "job_1",
        "event": "review.decided",
        "occurred": "2026-03-02T09:30:00.000Z",
        "tenant": "bank",
        "assistant": "staff-help",
        "answer_id": "ans_1",
        "review_id": "rev_1",
        "status": "delivered",
    }


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async with WebhookReceiver(SECRET, (status,)) as receiver, HttpClient() as http:
        with pytest.raises(ProviderError) as caught:
            await WebhookNotifier(settings(receiver.url), http, SystemClock()).notify(NOTICE)
        assert caught.value.code == "webhook_redirected"
        assert (receiver.attempts, receiver.redirected) == (1, 0)


@pytest.mark.parametrize(
    ("status", "code"), [(404, "webhook_rejected"), (429, "webhook_throttled"), (500, "webhook_unavailable")]
)
async def test_each_refusal_has_its_code(status: int, code: str) -> None:
    async with WebhookReceiver(SECRET, (status,)) as receiver, HttpClient() as http:
        with pytest.raises(ProviderError) as caught:
            await WebhookNotifier(settings(receiver.url), http, SystemClock()).notify(NOTICE)
        assert caught.value.code == code
        assert SECRET not in f"{caught.value} {caught.value.hint}"


async def test_nobody_there_and_nobody_answering() -> None:
    async with WebhookReceiver(SECRET) as receiver, HttpClient() as http:
        url = receiver.url
        slow = WebhookNotifier(settings(url, timeout_s=0.0), http, SystemClock())
        with pytest.raises(ProviderTimeout):
            await slow.notify(NOTICE)
    async with HttpClient() as http:
        with pytest.raises(ProviderUnavailable):
            await WebhookNotifier(settings(url), http, SystemClock()).notify(NOTICE)
