"""One page over HTTP, without trust: the address is looked up once, judged, and connected to as judged; redirects stay
on the allowed hosts; time and size are limited, also of what a compressed body grows to."""

from __future__ import annotations

import asyncio
import socket
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from countersign.sources.web_address import AddressRefused, Site, normal

if TYPE_CHECKING:
    import aiohttp

MAX_REDIRECTS = 8
_PIECE = 64 * 1024
_REDIRECTS = frozenset((301, 302, 303, 307, 308))


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back from the last address of a chain of redirects. `problem` is a reason code why there is no body."""

    url: str
    status: int = 0
    headers: Mapping[str, str] | None = None
    body: bytes = b""
    problem: str = ""
    redirected: bool = False

    def header(self, name: str) -> str:
        """Of several lines all are joined; empty where there is none."""
        return (self.headers or {}).get(name.lower(), "")


@dataclass(frozen=True, slots=True)
class Fetcher:
    site: Site
    user_agent: str
    timeout_s: float
    max_bytes: int

    def get(self, url: str, validators: Callable[[str], Mapping[str, str]] = lambda url: {}) -> Reply:
        """`validators(url)` are the headers of a conditional request. Never raises for what the other side does."""
        at, redirected = url, False
        for _ in range(MAX_REDIRECTS):
            # a loop of its own for each page: connectors are plain functions on a thread, pages come one at a time
            # with pauses between them, and one time limit then covers everything from the connection to the last byte
            reply = asyncio.run(self._get(at, validators(at), redirected))
            if reply.status not in _REDIRECTS:
                return reply
            next_at = normal(reply.header("location"), at) if reply.header("location") else None
            if next_at is None or not self.site.allows(next_at):
                return Reply(at, reply.status, problem="source_redirected_away", redirected=True)
            if urlsplit(at).scheme == "https" and urlsplit(next_at).scheme == "http":
                return Reply(at, reply.status, problem="source_redirected_away", redirected=True)
            at, redirected = next_at, True
        return Reply(at, problem="source_redirected_away", redirected=True)

    async def _get(self, url: str, validators: Mapping[str, str], redirected: bool) -> Reply:
        import aiohttp
        from yarl import URL

        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        try:
            async with asyncio.timeout(self.timeout_s):
                addresses = await asyncio.to_thread(self.site.vetted, host, port)
                connector = aiohttp.TCPConnector(resolver=_pinned(addresses), force_close=True)
                async with (
                    aiohttp.ClientSession(
                        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
                    ) as session,
                    session.get(
                        URL(url, encoded=True),
                        headers={
                            "User-Agent": self.user_agent,
                            "Accept-Encoding": "gzip",
                            "Accept": "*/*",
                            **validators,
                        },
                        allow_redirects=False,
                    ) as response,
                ):
                    return await self._reply(url, response, redirected)
        except AddressRefused:
            return Reply(url, problem="source_address_refused", redirected=redirected)
        except (aiohttp.ClientError, OSError, zlib.error, ValueError, UnicodeError):
            # TimeoutError is an OSError; ValueError is what the client says of an address that it cannot use
            return Reply(url, problem="source_page_unavailable", redirected=redirected)

    async def _reply(self, url: str, response: aiohttp.ClientResponse, redirected: bool) -> Reply:
        headers: dict[str, str] = {}
        for name, value in response.headers.items():
            key = name.lower()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        status = response.status
        if status == 304 or status in _REDIRECTS or status >= 400:
            return Reply(url, status, headers, redirected=redirected)
        coding = headers.get("content-encoding", "").strip().lower()
        if coding not in ("", "identity", "gzip", "x-gzip"):
            return Reply(url, status, headers, problem="source_page_unavailable", redirected=redirected)
        body = await self._body(response, gzipped=coding.endswith("gzip"))
        if body is None:
            return Reply(url, status, headers, problem="source_file_too_large", redirected=redirected)
        return Reply(url, status, headers, body, redirected=redirected)

    async def _body(self, response: aiohttp.ClientResponse, *, gzipped: bool) -> bytes | None:
        """None when it is larger than allowed, as sent or as unpacked. Raises `zlib.error` when it is cut off."""
        unpack = zlib.decompressobj(16 + zlib.MAX_WBITS) if gzipped else None
        found, sent = bytearray(), 0
        async for piece in response.content.iter_chunked(_PIECE):
            sent += len(piece)
            room = self.max_bytes - len(found)
            found += unpack.decompress(piece, room + 1) if unpack else piece
            if len(found) > self.max_bytes or sent > self.max_bytes:
                return None
        if unpack is not None and sent and not unpack.eof:
            raise zlib.error("cut off")
        return bytes(found)


def _pinned(addresses: list[str]) -> Any:
    """A resolver that knows nothing but what was judged: a second look-up could answer otherwise."""
    from aiohttp.abc import AbstractResolver, ResolveResult

    class Pinned(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> list[ResolveResult]:
            return [
                ResolveResult(
                    hostname=host,
                    host=address,
                    port=port,
                    family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                    proto=0,
                    flags=int(socket.AI_NUMERICHOST),
                )
                for address in addresses
            ]

        async def close(self) -> None:
            return None

    return Pinned()
