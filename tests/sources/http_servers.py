"""Real servers that speak HTTP on loopback: WebDAV over a folder, and whatever WSGI application a test writes."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

Application = Callable[[dict[str, Any], Callable[..., Any]], Any]
USER = "reader"
PASSWORD = "dav-51fb0e77c2d9"


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was cut off is what these tests are about."""


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass

    def get_stderr(self) -> Any:
        return _Nowhere()


class _Nowhere:
    def write(self, text: str) -> None: ...

    def flush(self) -> None: ...


class HttpServer:
    """`with HttpServer(application) as server:` answers on `server.port`."""

    def __init__(self, application: Application) -> None:
        self._server = make_server("127.0.0.1", 0, application, _Server, _Quiet)  # pyright: ignore[reportArgumentType]
        self.port = int(self._server.server_port)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def webdav(folder: Path) -> Application:
    """A WebDAV server over a folder, with one user and one password."""
    from wsgidav.fs_dav_provider import FilesystemProvider
    from wsgidav.wsgidav_app import WsgiDAVApp

    application: Any = WsgiDAVApp(
        {
            "provider_mapping": {"/dav": FilesystemProvider(str(folder), readonly=True)},
            "simple_dc": {"user_mapping": {"*": {USER: {"password": PASSWORD}}}},
            "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
            "verbose": 0,
            "logging": {"enable": False},
            "property_manager": True,
            "lock_storage": True,
        }
    )
    return application
