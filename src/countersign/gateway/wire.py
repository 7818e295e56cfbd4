"""One model behind HTTP: opens the call, reads the stream, keeps deadlines and caps, and names every failure.

A `WireDialect` says what goes over the wire and what comes back; everything else is the same for all of them. Nothing
from the provider is ever put into an error: its bodies may repeat the prompt or the key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import orjson

from countersign.domain.answers import Usage
from countersign.domain.errors import (
    ConfigError,
    ProviderError,
    ProviderGarbled,
    ProviderRejected,
    ProviderThrottled,
    ProviderTimeout,
    ProviderUnavailable,
)
from countersign.domain.workspace import ModelSettings, Price
from countersign.gateway.http import HttpClient
from countersign.gateway.seams import Delta, Done, FinishReason, ModelRequest
from countersign.gateway.sse import OversizedEvent, SseEvent, SseParser
from countersign.gateway.streams import closing
from countersign.gateway.tokens import OutputMeter, estimate_tokens

if TYPE_CHECKING:
    import aiohttp

_USAGE_GRACE_S = 2.0
"""How long to wait for the usage report after the text has ended."""
_CLOSE_GRACE_S = 0.2
"""How long to wait for the body to end after its last event, so that the connection can be used again."""
_ERROR_BODY_BYTES = 16_384
_MAX_MODEL_NAME = 200


@dataclass(frozen=True, slots=True)
class Piece:
    """What one event carried: text for the reader, and text that only costs (reasoning)."""

    text: str = ""
    hidden: str = ""


class Malformed(Exception):
    """A reply does not follow its dialect."""


class Reader(Protocol):
    """Reads one reply. Raises `Malformed`, or a `ProviderError` kind for an error reported inside the stream."""

    finish: FinishReason | None
    usage: Usage
    model: str
    complete: bool
    """Nothing more can follow."""

    def event(self, event: SseEvent) -> Piece: ...

    def whole(self, document: Any) -> Piece:
        """A reply that came in one JSON document from a server that ignored `stream`."""
        ...


class WireDialect(Protocol):
    def url(self, base_url: str) -> str: ...

    def headers(self, key: str) -> Mapping[str, str]: ...

    def body(self, request: ModelRequest, model: str) -> dict[str, Any]: ...

    def reader(self) -> Reader: ...

    def adapt(self, error_body: bytes) -> bool:
        """After a 400: True when it taught the dialect how to ask this server, and one more try makes sense."""
        ...


class WireModel:
    """A `ChatModel` over HTTP. The key is read from `settings` for each call and goes into one header, nowhere else."""

    def __init__(self, settings: ModelSettings, http: HttpClient, dialect: WireDialect) -> None:
        _check(settings)
        self._settings = settings
        self._http = http
        self._dialect = dialect
        self._url = dialect.url(settings.base_url)

    @property
    def name(self) -> str:
        return self._settings.name

    @property
    def region(self) -> str:
        return self._settings.region

    @property
    def price(self) -> Price | None:
        return self._settings.price

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | Done, None]:
        request = replace(
            request, max_output_tokens=min(request.max_output_tokens, self._settings.max_output_tokens)
        )
        ends = asyncio.get_running_loop().time() + min(request.deadline_s, self._settings.timeout_s)
        reader = self._dialect.reader()
        meter = OutputMeter(request.max_output_tokens)
        said_something = False
        response = await self._open(request, ends)
        try:
            async with closing(self._pieces(response, reader, ends, request.max_output_tokens)) as pieces:
                async for piece in pieces:
                    meter.take(piece.hidden)
                    if text := meter.take(piece.text):
                        said_something = True
                        yield Delta(text)
                    if meter.cut:
                        break
            if not said_something and not meter.cut and reader.finish != "filtered":
                raise self._garbled("ended its reply without saying anything")
            yield self._done(request, reader, meter)
        finally:
            response.close()  # frees the connection; one that was read to its end has gone back to the pool already

    def _done(self, request: ModelRequest, reader: Reader, meter: OutputMeter) -> Done:
        usage = reader.usage
        # No prompt and no text costs nothing: a zero, said or not, is a count that is missing.
        if meter.cut or not usage.input_tokens or (meter.tokens and not usage.output_tokens):
            sent = usage.input_tokens or sum(estimate_tokens(message.content) for message in request.messages)
            written = meter.tokens if meter.cut else usage.output_tokens or meter.tokens
            usage = Usage(input_tokens=sent, output_tokens=written, reported=False)
        finish: FinishReason = "length" if meter.cut else reader.finish or "stop"
        return Done(finish, usage, (reader.model or self._settings.model)[:_MAX_MODEL_NAME])

    # -- the call -------------------------------------------------------------------------------------------------
    async def _open(self, request: ModelRequest, ends: float) -> aiohttp.ClientResponse:
        response = await self._post(request, ends)
        if response.status == 400 and self._dialect.adapt(await self._error_body(response, ends)):
            response.close()
            response = await self._post(request, ends)
        if response.status != 200:
            response.close()
            raise _status_error(self.name, response.status)
        return response

    async def _post(self, request: ModelRequest, ends: float) -> aiohttp.ClientResponse:
        import aiohttp

        try:
            body = orjson.dumps(self._dialect.body(request, self._settings.model))
        except orjson.JSONEncodeError:
            raise ProviderRejected(
                f"the prompt for model {self.name!r} is not valid Unicode",
                hint="Normalise the text before composing.",
            ) from None
        key = self._settings.key.value if self._settings.key else ""
        headers = {"Content-Type": "application/json", **self._dialect.headers(key)}
        try:
            async with asyncio.timeout_at(ends):
                return await self._http.session.post(
                    self._url, data=body, headers=headers, allow_redirects=False
                )
        except TimeoutError:
            raise self._timeout() from None
        except (aiohttp.ClientError, OSError) as error:
            # `from None`: the library's errors carry the request's headers, and the key with them.
            raise self._transport_error(error) from None

    async def _error_body(self, response: aiohttp.ClientResponse, ends: float) -> bytes:
        """Only to adapt to the server; never shown or kept."""
        import aiohttp

        try:
            async with asyncio.timeout_at(ends):
                return await response.content.read(_ERROR_BODY_BYTES)
        except (aiohttp.ClientError, OSError):
            return b""

    # -- the reply ------------------------------------------------------------------------------------------------
    async def _pieces(
        self, response: aiohttp.ClientResponse, reader: Reader, ends: float, max_output_tokens: int
    ) -> AsyncGenerator[Piece, None]:
        max_bytes = (1 << 18) + 4096 * max_output_tokens
        try:
            async with closing(self._chunks(response, reader, ends, max_bytes)) as chunks:
                if "json" in response.headers.get("Content-Type", ""):
                    yield reader.whole(orjson.loads(b"".join([chunk async for chunk in chunks])))
                else:
                    parser = SseParser()
                    async for chunk in chunks:
                        for event in parser.feed(chunk):
                            if not reader.complete:
                                yield reader.event(event)
        except (Malformed, orjson.JSONDecodeError, OversizedEvent):
            raise self._garbled("sent something that is not its protocol") from None
        except ProviderError as error:
            raise replace_model(error, self.name) from None
        if reader.finish is None:
            raise self._garbled("ended its reply before finishing it")

    async def _chunks(
        self, response: aiohttp.ClientResponse, reader: Reader, ends: float, max_bytes: int
    ) -> AsyncGenerator[bytes, None]:
        """The body as it arrives, until its end, its deadline or its cap."""
        import aiohttp

        clock = asyncio.get_running_loop()
        total = 0
        until = ends
        while True:
            if reader.finish is not None:
                until = min(until, clock.time() + (_CLOSE_GRACE_S if reader.complete else _USAGE_GRACE_S))
            try:
                async with asyncio.timeout_at(until):
                    chunk = await response.content.readany()
            except TimeoutError:
                if reader.finish is not None:
                    return  # the text is whole; only the end of the body is missing
                raise self._timeout() from None
            except (aiohttp.ClientError, OSError) as error:
                if reader.complete:
                    return
                raise self._transport_error(error) from None
            if not chunk:
                return
            total += len(chunk)
            if total > max_bytes:
                raise self._garbled("sent far more than was asked for")
            yield chunk

    # -- failures -------------------------------------------------------------------------------------------------
    def _timeout(self) -> ProviderTimeout:
        return ProviderTimeout(
            f"model {self.name!r} did not finish in time",
            hint="Check its load, or raise `timeout_s` for this model.",
        )

    def _garbled(self, what: str) -> ProviderGarbled:
        return ProviderGarbled(
            f"model {self.name!r} {what}",
            hint="Check that `dialect` and `base_url` fit the server behind them.",
        )

    def _transport_error(self, error: Exception) -> ProviderError:
        import aiohttp

        if isinstance(error, aiohttp.ClientPayloadError):
            return self._garbled("broke off in the middle of its reply")
        if isinstance(error, aiohttp.ClientResponseError):
            return self._garbled("did not answer in HTTP")
        if isinstance(error, aiohttp.ClientSSLError):
            return ProviderUnavailable(
                f"model {self.name!r}: the secure connection was refused ({type(error).__name__})",
                hint="Check the server's certificate and the machine's trusted authorities.",
            )
        return ProviderUnavailable(
            f"model {self.name!r} cannot be reached ({type(error).__name__})",
            hint="Check `base_url`, the network and that the server runs.",
        )


def replace_model(error: ProviderError, name: str) -> ProviderError:
    """An error that a reader raised without knowing the model's name, with it."""
    return type(error)(f"model {name!r} {error.message}", code=error.code, hint=error.hint)


def _check(settings: ModelSettings) -> None:
    where = f"models.{settings.name}"
    if not _is_plain_address(settings.base_url):
        raise ConfigError(
            f"{where}.base_url must be an http or https address without a user name or password in it",
            code="model_url_invalid",
            hint="Give the secret as `key: ${env:NAME}`.",
        )
    key = settings.key.value if settings.key else ""
    if not key.isascii() or any(ord(letter) < 33 or ord(letter) == 127 for letter in key):
        raise ConfigError(
            f"{where}.key contains a space, a line break or a letter that no key can contain",
            code="model_key_invalid",
            hint="Look for a line break at the end of the file or variable that holds it.",
        )


def _is_plain_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and "@" not in parts.netloc
            and parts.port != 0
        )
    except ValueError:
        return False


def _status_error(name: str, status: int) -> ProviderError:
    if status == 429:
        return ProviderThrottled(
            f"model {name!r} refuses more requests (429)", hint="Lower `max_concurrent` or the load."
        )
    if status in {408, 504}:
        return ProviderTimeout(f"model {name!r} timed out on its side ({status})", hint="Check its load.")
    if status >= 500:
        return ProviderUnavailable(
            f"model {name!r} failed ({status})", hint="Look into the server's own log."
        )
    if status in {401, 403}:
        return ProviderRejected(
            f"model {name!r} does not accept its key ({status})", hint="Renew `key` of this model."
        )
    if status == 404:
        return ProviderRejected(f"model {name!r} was not found (404)", hint="Check `base_url` and `model`.")
    if 300 <= status < 400:
        return ProviderRejected(
            f"model {name!r} redirects elsewhere ({status}), which is not followed",
            hint="Set `base_url` to the final address.",
        )
    if status >= 400:
        return ProviderRejected(
            f"model {name!r} refused the request ({status})", hint="Check `model` and its limits."
        )
    return ProviderGarbled(f"model {name!r} answered with status {status}", hint="Check `base_url`.")


def finish_of(reason: object, known: Mapping[str, FinishReason]) -> FinishReason:
    """The reason that a provider gave for ending its text, in our words."""
    if not isinstance(reason, str) or reason not in known:
        raise Malformed
    return known[reason]


def merge_usage(usage: Usage, *, input_tokens: object = None, output_tokens: object = None) -> Usage:
    """`usage` with what a provider reported; a count that is not a whole number ≥ 0 counts as not reported."""
    for field, value in (("input_tokens", input_tokens), ("output_tokens", output_tokens)):
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 40:
            usage = replace(usage, reported=True, **{field: value})
    return usage
