"""The outermost layer of ours: request ids, limits on bodies, security headers, counting, the last word on surprises."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from countersign.api.errors import error_response, known
from countersign.api.metrics import Metrics
from countersign.domain.errors import LimitExceeded
from countersign.domain.ids import new_id

CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

logger = logging.getLogger(__name__)


class Edge:
    """`max_bytes` says how large a body a request may bring, by its scope."""

    def __init__(self, app: ASGIApp, metrics: Metrics, max_bytes: Callable[[Scope], int]) -> None:
        self._app = app
        self._metrics = metrics
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:  # no websockets here
            await send({"type": "websocket.close", "code": 1000})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        request_id = _request_id(headers.get("x-request-id", ""))
        scope.setdefault("state", {})["request_id"] = request_id
        reply = _Reply(send, request_id, scope["scheme"] == "https")
        started = time.perf_counter()
        try:
            await self._answer(scope, headers, receive, reply)
        except Exception as error:  # noqa: BLE001 - the last word: logged by `known`, told without its trace
            told = known(error, request_id)
            if not reply.status:
                await error_response(told, scope["path"], request_id)(scope, receive, reply.send)
        finally:
            self._note(scope, reply.status or 499, time.perf_counter() - started, request_id)

    async def _answer(self, scope: Scope, headers: Headers, receive: Receive, reply: _Reply) -> None:
        most = self._max_bytes(scope)
        said = headers.get("content-length", "0")
        if said.isdigit() and int(said[:20]) > most:
            too_large = LimitExceeded(
                f"the body is larger than {most} bytes", code="body_too_large", hint="Send less."
            )
            response = error_response(too_large, scope["path"], reply.request_id)
            await response(scope, receive, reply.send)
            return
        await self._app(scope, _Limited(receive, most), reply.send)

    def _note(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        route = getattr(scope.get("route"), "path", "") or "unmatched"
        self._metrics.note_request(scope["method"], route, status, seconds)
        logger.info("%s %s %d %.0f ms %s", scope["method"], route, status, seconds * 1000, request_id)


@dataclass(slots=True)
class _Limited:
    """Counts a body while it arrives, whatever its headers promised."""

    receive: Receive
    left: int

    async def __call__(self) -> Message:
        message = await self.receive()
        self.left -= len(message.get("body", b""))
        if self.left < 0:
            raise HTTPException(413)
        return message


@dataclass(slots=True)
class _Reply:
    """Adds our headers to whatever is sent; a page's own headers stay as they are."""

    _send: Send
    request_id: str
    secure: bool
    status: int = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers["X-Request-Id"] = self.request_id
            if self.secure:
                headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        await self._send(message)


def _request_id(sent: str) -> str:
    return sent if _REQUEST_ID.fullmatch(sent) else new_id("req")
