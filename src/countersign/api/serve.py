"""Serving: uvicorn over the application, ended by a signal without cutting off what is under way."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from types import FrameType
from typing import Any, TypeVar

import uvicorn
from fastapi import FastAPI

from countersign.api.bind import check_bind
from countersign.api.server import create_app
from countersign.app.house import House
from countersign.domain.errors import UsageError

T = TypeVar("T")
Mount = Callable[[FastAPI, House], None]
"""Adds another door to the same server: the web desk's `mount`."""

_GRACE_S = 10
_KEEP_ALIVE_S = 30
_AT_ONCE = 1_000
_BACKLOG = 1_024


class Server(uvicorn.Server):
    """Ends on SIGINT and SIGTERM and then returns, so that the house can be closed in order."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._up.set()

    async def wait_started(self, serving: asyncio.Task[None]) -> None:
        """Returns when requests are taken, or raises what `serving` failed with."""
        up = asyncio.ensure_future(self._up.wait())
        await asyncio.wait({up, serving}, return_when=asyncio.FIRST_COMPLETED)
        if not up.done():
            up.cancel()
            serving.result()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        def leave(number: int, frame: FrameType | None) -> None:
            self.handle_exit(number, frame)

        before = {number: signal.signal(number, leave) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


async def serve(
    house: House,
    *,
    host: str = "127.0.0.1",
    port: int = 8321,
    tls_cert: str = "",
    tls_key: str = "",
    behind_proxy: bool = False,
    mount: Mount | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Start the house's own work and serve until a signal. `ready` is told the address (default: a line on stdout).

    Raises `UsageError`: `bind_refused`, `tls_incomplete`, `tls_unreadable`, `address_unavailable`.
    """
    check_bind(host, tls_cert, tls_key, behind_proxy)
    server = _server(house, tls_cert, tls_key, behind_proxy, mount)
    listening = _listen(host, port)
    await house.start()
    async with _started(server, listening) as serving:
        (ready or _say_ready)(_url(server, listening))
        await asyncio.wait({serving})


@contextlib.asynccontextmanager
async def running(house: House, *, port: int = 0, mount: Mount | None = None) -> AsyncGenerator[str, None]:
    """A server on loopback for the length of a context; yields its address. The house is not started."""
    server = _server(house, "", "", False, mount)
    listening = _listen("127.0.0.1", port)
    async with _started(server, listening):
        yield _url(server, listening)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a program that serves on the fast event loop where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def _server(house: House, tls_cert: str, tls_key: str, behind_proxy: bool, mount: Mount | None) -> Server:
    app = create_app(house, behind_proxy=behind_proxy)
    if mount is not None:
        mount(app, house)
    config = uvicorn.Config(
        app,
        ssl_certfile=tls_cert or None,
        ssl_keyfile=tls_key or None,
        proxy_headers=behind_proxy,
        server_header=False,
        access_log=False,
        log_config=None,
        lifespan="off",
        limit_concurrency=_AT_ONCE,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )
    return Server(config)


def _listen(host: str, port: int) -> socket.socket:
    """Bound before anything else happens, so that an address that is taken is an error like any other."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise UsageError(
            f"{host}:{port} cannot be listened on: {error.strerror}",
            code="address_unavailable",
            hint="Another program may use the port; choose one with --port.",
        ) from None


@contextlib.asynccontextmanager
async def _started(server: Server, listening: socket.socket) -> AsyncGenerator[asyncio.Task[None], None]:
    serving = asyncio.create_task(server.serve(sockets=[listening]), name="http")
    try:
        await server.wait_started(serving)
        yield serving
    finally:
        server.should_exit = True
        await asyncio.wait({serving})
        listening.close()


def _url(server: Server, listening: socket.socket) -> str:
    scheme = "https" if server.config.ssl_certfile else "http"
    host, port = listening.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _say_ready(url: str) -> None:
    sys.stdout.write(f"ready: {url}\n")
    sys.stdout.flush()
