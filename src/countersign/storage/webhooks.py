"""Notices over HTTP: one signed POST each (`review.signing` says how), to one address, without redirects.

Anything but a 2xx within the time limit is tried again later.
"""

from __future__ import annotations

import asyncio

from countersign.domain.clock import Clock
from countersign.domain.errors import (
    ConfigError,
    ProviderRejected,
    ProviderThrottled,
    ProviderTimeout,
    ProviderUnavailable,
)
from countersign.domain.workspace import WebhookSettings
from countersign.gateway.http import HttpClient
from countersign.review.notify import Notice
from countersign.review.signing import (
    NOTICE_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    body_of,
    signature,
)

_HINT = "The notice is kept and tried again; look at the receiver."


class WebhookNotifier:
    """A `Notifier`. The receiver's reply is not read: its status is all that counts."""

    def __init__(self, settings: WebhookSettings, http: HttpClient, clock: Clock) -> None:
        self._settings = settings
        self._http = http
        self._clock = clock

    @property
    def region(self) -> str:
        return self._settings.region

    async def notify(self, notice: Notice) -> None:
        import aiohttp

        body = body_of(notice)
        try:
            async with (
                asyncio.timeout(self._settings.timeout_s),
                self._http.session.post(
                    self._settings.url, data=body, headers=self._headers(notice, body), allow_redirects=False
                ) as response,
            ):
                _judge(response.status)
        except TimeoutError:
            raise ProviderTimeout(
                "the webhook did not answer in time", code="webhook_timeout", hint=_HINT
            ) from None
        except (aiohttp.ClientError, OSError):
            raise ProviderUnavailable(
                "the webhook cannot be reached", code="webhook_unavailable", hint=_HINT
            ) from None

    def _headers(self, notice: Notice, body: bytes) -> dict[str, str]:
        secret = self._settings.secret.value
        if not secret:
            raise ConfigError("the webhook's secret is empty", code="secret_missing")
        timestamp = str(int(self._clock.now().timestamp()))
        return {
            "content-type": "application/json",
            NOTICE_HEADER: notice.notice_id,
            TIMESTAMP_HEADER: timestamp,
            SIGNATURE_HEADER: signature(secret, timestamp, body),
        }


def _judge(status: int) -> None:
    """Raises unless the receiver accepted."""
    if 200 <= status < 300:
        return
    if status == 429:
        raise ProviderThrottled("the webhook asked for patience", code="webhook_throttled", hint=_HINT)
    if status >= 500:
        raise ProviderUnavailable(f"the webhook answered {status}", code="webhook_unavailable", hint=_HINT)
    if 300 <= status < 400:
        raise ProviderRejected(
            "the webhook wants to send us elsewhere, and a redirect is not followed",
            code="webhook_redirected",
            hint="Configure the address that it redirects to.",
        )
    raise ProviderRejected(f"the webhook answered {status}", code="webhook_rejected", hint=_HINT)
