"""The process's one HTTP client for models: shared connections, no proxy from the environment, no cookies, no redirects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from countersign.domain.errors import CountersignError

if TYPE_CHECKING:
    import aiohttp


class HttpClient:
    """Start it inside the event loop that will use it and close it before that loop ends; or `async with HttpClient()`."""

    def __init__(self, *, max_connections: int = 256) -> None:
        self._max_connections = max_connections
        self._started = False
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        self._started = True

    async def close(self) -> None:
        self._started = False
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """Made at the first call: a command that asks no model does not pay for the HTTP library."""
        if not self._started:
            raise CountersignError(
                "the HTTP client is not running",
                hint="Call `await http.start()` before the first model call.",
            )
        if self._session is None:
            self._session = self._open()
        return self._session

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._max_connections, ttl_dns_cache=30),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),  # every caller brings its own deadline
            trust_env=False,
            # A compressed body could unfold to any size; we ask for none and do not unpack one.
            auto_decompress=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "countersign"},
        )

    async def __aenter__(self) -> HttpClient:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
