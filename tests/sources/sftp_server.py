"""A real SFTP server over a folder, on loopback: paramiko's own, with one user and one password."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import paramiko

USER = "reader"
PASSWORD = "sftp-7c1e9d02ab44"


class SftpServer:
    """`with SftpServer(folder) as server:` serves `folder` as `/`. `public` is a private key's public half, also let in."""

    def __init__(self, folder: Path, public: paramiko.PKey | None = None) -> None:
        self.key = paramiko.ECDSAKey.generate()
        self._folder = folder
        self._public = public
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._transports: list[paramiko.Transport] = []
        self.threads: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for transport in self._transports:
            transport.close()
        for thread in self.threads:
            thread.join()

    @property
    def host_key(self) -> str:
        return f"{self.key.get_name()} {self.key.get_base64()}"

    @property
    def fingerprint(self) -> str:
        return str(self.key.fingerprint)

    def run(self, channel: paramiko.Channel, command: bytes) -> bool:
        """Whether it runs this command; it serves files and nothing else."""
        return False

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(near)
            transport.daemon = True
            transport.add_server_key(self.key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files, self._folder)
            self._transports.append(transport)
            thread = threading.Thread(target=self._serve, args=(transport,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _serve(self, transport: paramiko.Transport) -> None:
        try:
            transport.start_server(server=_Door(self, self._public))
        except (paramiko.SSHException, EOFError, OSError):
            transport.close()


class _Door(paramiko.ServerInterface):
    def __init__(self, server: SftpServer, public: paramiko.PKey | None) -> None:
        self._server = server
        self._public = public

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        return self._server.run(channel, command)

    def check_auth_password(self, username: str, password: str) -> int:
        fits = (username, password) == (USER, PASSWORD)
        return paramiko.AUTH_SUCCESSFUL if fits else paramiko.AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        fits = self._public is not None and username == USER and key.asbytes() == self._public.asbytes()
        return paramiko.AUTH_SUCCESSFUL if fits else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "password,publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED


class _Files(paramiko.SFTPServerInterface):
    def __init__(self, server: Any, folder: Path, *args: Any, **kwargs: Any) -> None:
        super().__init__(server, *args, **kwargs)
        self._folder = str(folder)

    def _real(self, path: str | bytes) -> str:
        text = path.decode("utf-8", "surrogateescape") if isinstance(path, bytes) else path
        return self._folder + os.path.normpath("/" + text)

    def list_folder(self, path: str) -> Any:
        try:
            found: list[paramiko.SFTPAttributes] = []
            for name in os.listdir(self._real(path)):
                status = os.lstat(os.path.join(self._real(path), name))
                found.append(
                    paramiko.SFTPAttributes.from_stat(status, name.encode("utf-8", "surrogateescape"))
                )  # pyright: ignore[reportArgumentType]
            return found
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    def stat(self, path: str) -> Any:
        try:
            return paramiko.SFTPAttributes.from_stat(os.stat(self._real(path)))
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    def lstat(self, path: str) -> Any:
        try:
            return paramiko.SFTPAttributes.from_stat(os.lstat(self._real(path)))
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    def open(self, path: str, flags: int, attr: Any) -> Any:
        try:
            file = open(self._real(path), "rb")  # noqa: SIM115 - the handle closes it
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        handle = paramiko.SFTPHandle(flags)
        handle.readfile = file  # pyright: ignore[reportAttributeAccessIssue]
        return handle
