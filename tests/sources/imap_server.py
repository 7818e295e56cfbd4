"""A real IMAP server on loopback, in a thread of its own: pymap with mailboxes in memory."""

from __future__ import annotations

import asyncio
import imaplib
import ssl
import threading
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

USER, PASSWORD = "archive", "a-very-secret-password-42"


class ImapServer:
    """`port` speaks plain IMAP, with STARTTLS where a certificate was given, or TLS from the first byte."""

    def __init__(self, certificate: Path | None = None, *, tls: bool = False) -> None:
        self._certificate, self._tls = certificate, tls
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._end: asyncio.Event
        self._server: asyncio.Server
        self.port = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        if not self._ready.wait(30):
            raise AssertionError("the IMAP server did not start")

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        from pymap.backend.dict import DictBackend
        from pymap.imap import IMAPServer

        context = None
        if self._certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._certificate)
        arguments = Namespace(
            host="127.0.0.1",
            port="0",
            debug=False,
            cert=None,
            key=None,
            tls=context is not None,
            proxy_protocol=None,
            inherited_sockets=None,
            passlib_cfg=None,
            demo_data=False,
            demo_user=USER,
            demo_password=PASSWORD,
        )
        more: dict[str, Any] = {"ssl_context": context} if context else {}
        backend, config = await DictBackend.init(
            arguments, secure_auth=False, invalid_user_sleep=0.0, reject_dnsbl=False, **more
        )
        config.apply_context()
        serve = IMAPServer(backend.login, config)

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            from proxyprotocol.sock import SocketInfo

            try:
                await serve(reader, writer, SocketInfo.get(writer, None))
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                writer.close()

        self._end = asyncio.Event()
        self._server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context if self._tls else None)
        self.port = self._server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        self._server.close()
        talking = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(30)

    # -- what the owner of the mailbox does ------------------------------------------------------------------------
    @contextmanager
    def signed_in(self) -> Iterator[imaplib.IMAP4]:
        client = imaplib.IMAP4("127.0.0.1", self.port, timeout=30)
        try:
            client.login(USER, PASSWORD)
            yield client
        finally:
            client.logout()

    def add(self, message: bytes, folder: str = "INBOX") -> None:
        with self.signed_in() as client:
            status, _ = client.append(folder, "", "", message)
            assert status == "OK"

    def delete(self, uid: int, folder: str = "INBOX", *, expunge: bool = True) -> None:
        with self.signed_in() as client:
            client.select(folder)
            client.uid("STORE", str(uid), "+FLAGS", "(\\Deleted)")
            if expunge:
                client.expunge()
