"""A notifier that keeps what it is given, and a receiver of webhooks on loopback that checks every signature."""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING, Any, Self

from countersign.domain.errors import ProviderUnavailable
from countersign.review.notify import Notice
from countersign.review.signing import NOTICE_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, signature

if TYPE_CHECKING:
    from aiohttp import web


class KeptNotices:
    """A `Notifier` in this process. Each of the next `failures` calls fails as an unreachable receiver would."""

    def __init__(self, region: str = "", failures: int = 0) -> None:
        self._region = region
        self.failures = failures
        self.notices: list[Notice] = []

    @property
    def region(self) -> str:
        return self._region

    async def notify(self, notice: Notice) -> None:
        if self.failures:
            self.failures -= 1
            raise ProviderUnavailable("nobody listens", code="webhook_unavailable", hint="Try again later.")
        self.notices.append(notice)


class WebhookReceiver:
    """`async with WebhookReceiver(secret) as receiver:` then `receiver.url`.

    `statuses` are answered one after the other, then 204 for ever; only what is accepted and rightly signed is kept in
    `bodies`. `attempts` counts every request.
    """

    def __init__(self, secret: str, statuses: tuple[int, ...] = ()) -> None:
        self._secret = secret
        self.statuses = list(statuses)
        self.attempts = 0
        self.bodies: list[dict[str, Any]] = []
        self.unsigned = 0
        """Requests whose signature was not the right one."""
        self.redirected = 0
        """Requests that followed a redirect, which none may."""
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/notices"

    async def __aenter__(self) -> Self:
        from aiohttp import web

        app = web.Application()
        app.router.add_post("/notices", self._receive)
        app.router.add_route("*", "/elsewhere", self._elsewhere)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _elsewhere(self, _: web.Request) -> web.StreamResponse:
        from aiohttp import web

        self.redirected += 1
        return web.Response(status=204)

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        self.attempts += 1
        raw = await request.read()
        expected = signature(self._secret, request.headers.get(TIMESTAMP_HEADER, ""), raw)
        if not hmac.compare_digest(expected, request.headers.get(SIGNATURE_HEADER, "")):
            self.unsigned += 1
            return web.Response(status=401)
        status = self.statuses.pop(0) if self.statuses else 204
        if 200 <= status < 300:
            body: dict[str, Any] = json.loads(raw)
            assert body["notice_id"] == request.headers[NOTICE_HEADER]
            self.bodies.append(body)
        return web.Response(status=status, headers={"location": "/elsewhere"} if 300 <= status < 400 else {})
