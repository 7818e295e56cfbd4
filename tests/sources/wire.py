"""A wire between a connector and a real server on loopback, which can be cut, or fall silent, after so many bytes."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from types import TracebackType
from typing import Self


class Wire:
    """`with Wire(port) as wire:` connect to `wire.port`. `cut(n)` ends everything after n more bytes from the server,
    `silence(n)` carries nothing more but keeps the line; None mends."""

    def __init__(self, port: int | str) -> None:
        """`port` on loopback, or the path of a unix socket."""
        self._target = port
        self._left: int | None = None
        self._is_silent = False
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.wire = self
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut(0)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def cut(self, after: int | None) -> None:
        with self._lock:
            self._left = after
            self._is_silent = False
            if after is not None:  # what is open now belongs to an earlier pass
                for each in self._open:
                    end(each)

    def silence(self, after: int | None) -> None:
        self.cut(after)
        self._is_silent = after is not None

    def carry(self, near: socket.socket) -> None:
        with self._lock:
            if self._left == 0 and not self._is_silent:
                return
        with self._dial() as far:
            with self._lock:
                self._open |= {near, far}
            there = threading.Thread(target=self._pass_on, args=(near, far, False), daemon=True)
            there.start()
            self._pass_on(far, near, True)
            there.join()
            with self._lock:
                self._open -= {near, far}

    def _dial(self) -> socket.socket:
        if isinstance(self._target, int):
            return socket.create_connection(("127.0.0.1", self._target))
        far = socket.socket(socket.AF_UNIX)
        far.connect(self._target)
        return far

    def _pass_on(self, source: socket.socket, target: socket.socket, is_counted: bool) -> None:
        try:
            while piece := source.recv(65536):
                allowed = self._allowed(piece) if is_counted else piece
                target.sendall(allowed)
                if (
                    is_counted and self._left == 0 and not self._is_silent
                ):  # whoever waits for the rest is not kept waiting
                    break
        except OSError:
            pass
        finally:
            end(source)
            end(target)

    def _allowed(self, piece: bytes) -> bytes:
        with self._lock:
            if self._left is None:
                return piece
            kept = piece[: self._left]
            self._left -= len(kept)
            return kept


def end(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    wire: Wire


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        self.server.wire.carry(self.request)
