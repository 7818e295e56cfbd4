"""An SMTP server on loopback that keeps what it is given: the few commands that a client of the standard library says."""

from __future__ import annotations

import asyncio
import base64
import ssl
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Self


@dataclass
class MailSink:
    """`replies` are answered to the next MAIL commands, then 250 for ever. `credentials` = user and password that it
    wants; `certificate` = a PEM with key and certificate, offered by STARTTLS or, with `implicit`, from the start."""

    replies: list[str] = field(default_factory=list)
    credentials: tuple[str, str] | None = None
    certificate: Path | None = None
    implicit: bool = False
    messages: list[EmailMessage] = field(default_factory=list)
    receivers: list[str] = field(default_factory=list)
    encrypted: int = 0
    port: int = 0
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        tls = self._tls() if self.implicit else None
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def _tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        assert self.certificate is not None
        context.load_cert_chain(self.certificate)
        return context

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(line: str) -> None:
            writer.write(f"{line}\r\n".encode())

        secure, known = self.implicit, self.credentials is None
        say("220 sink")
        while line := (await reader.readline()).decode().strip():
            verb = line.split(" ")[0].upper()
            if verb == "EHLO":
                say("250-sink")
                if self.certificate and not secure:
                    say("250-STARTTLS")
                say("250 AUTH PLAIN")
            elif verb == "STARTTLS":
                say("220 go on")
                await writer.drain()
                await writer.start_tls(self._tls())
                secure = True
            elif verb == "AUTH":
                said = base64.b64decode(line.split(" ")[2]).decode().split("\0")[1:]
                known = tuple(said) == self.credentials
                say("235 welcome" if known else "535 no")
            elif verb == "MAIL":
                say(self.replies.pop(0) if self.replies else "250 ok" if known else "530 sign in first")
            elif verb == "RCPT":
                self.receivers.append(line.partition("<")[2].rstrip(">"))
                say("250 ok")
            elif verb == "DATA":
                say("354 go on")
                content = await reader.readuntil(b"\r\n.\r\n")
                message = message_from_bytes(content[:-3], policy=policy.default)
                assert isinstance(message, EmailMessage)
                self.messages.append(message)
                self.encrypted += secure
                say("250 kept")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")
            await writer.drain()
