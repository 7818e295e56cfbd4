"""A real IMAP server on loopback, in a thread of its own: pymap with mailboxes in memory."""

from __future__ import annotations

import asyncio
import ssl
import threading
from argparse import Namespace
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")

USER, PASSWORD = "archive", "a-very-secret-password-42"


class ImapServer:
    """`port` speaks plain IMAP, with STARTTLS where a certificate was given, or TLS from the first byte."""

    def __init__(self, certificate: Path | None = None, *, tls: bool = False) -> None:
        self._certificate, self._tls = certificate, tls
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._mailboxes: Any
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
        from proxyprotocol.sock import SocketInfo
        from pymap.backend.dict import DictBackend
        from pymap.backend.dict.filter import FilterSet
        from pymap.backend.dict.mailbox import MailboxSet
        from pymap.imap import IMAPServer
        from pysasl.hashing import BuiltinHash

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
            arguments,
            secure_auth=False,
            invalid_user_sleep=0.0,
            reject_dnsbl=False,
            hash_context=BuiltinHash(rounds=10),
            **more,
        )
        config.apply_context()
        self._mailboxes = MailboxSet()
        config.set_cache[USER] = (self._mailboxes, FilterSet())
        serve = IMAPServer(backend.login, config)

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await serve(reader, writer, SocketInfo.get(writer, None))
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                writer.transport.abort()

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
        for _ in range(5):  # an aborted transport closes its socket in a later turn of the loop
            await asyncio.sleep(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(30)

    # -- what the owner of the mailbox does, behind the protocol's back -------------------------------------------------
    def add(self, message: bytes, folder: str = "INBOX", when: datetime | None = None) -> int:
        """Its UID."""
        return self._do(self._add(message, folder, when))

    def delete(self, uid: int, folder: str = "INBOX") -> None:
        async def delete() -> None:
            await (await self._mailboxes.get_mailbox(folder)).delete([uid])

        self._do(delete())

    def mark_deleted(self, uid: int, folder: str = "INBOX") -> None:
        async def mark() -> None:
            from pymap.parsing.specials.flag import Deleted

            mailbox = await self._mailboxes.get_mailbox(folder)
            async for message in mailbox.messages():
                if message.uid == uid:
                    message.permanent_flags = frozenset({Deleted})

        self._do(mark())

    def validity(self, folder: str = "INBOX") -> int:
        async def look() -> int:
            return int((await self._mailboxes.get_mailbox(folder)).uid_validity)

        return self._do(look())

    def add_folder(self, name: str) -> None:
        self._do(self._mailboxes.add_mailbox(name))

    def delete_folder(self, name: str) -> None:
        self._do(self._mailboxes.delete_mailbox(name))

    async def _add(self, message: bytes, folder: str, when: datetime | None) -> int:
        from pymap.parsing.message import AppendMessage

        mailbox = await self._mailboxes.get_mailbox(folder)
        added = await mailbox.append(AppendMessage(message, when or datetime.now(UTC), frozenset()))
        return int(added.uid)

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)
