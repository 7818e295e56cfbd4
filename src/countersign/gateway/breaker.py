"""A circuit breaker: a model that keeps failing is left alone, then tried with one call at a time.

closed → open after `failures` consecutive failures → half-open after `open_s`: exactly one probe is let through.
Its success closes the breaker; its failure opens it again for twice as long, up to `max_open_s`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Literal

from countersign.domain.errors import (
    ProviderGarbled,
    ProviderRejected,
    ProviderThrottled,
    ProviderTimeout,
    ProviderUnavailable,
)
from countersign.gateway.seams import ChatModel, Delta, Done, ModelRequest
from countersign.gateway.streams import closing
from countersign.gateway.wrapper import Wrapper

BreakerState = Literal["closed", "open", "half_open"]

_COUNTED = (ProviderUnavailable, ProviderThrottled, ProviderTimeout, ProviderGarbled)
"""`ProviderRejected` is not among them: a request was refused, the model is well."""


@dataclass(frozen=True, slots=True)
class BreakerView:
    """What metrics, the health page and the record show."""

    name: str
    state: BreakerState
    consecutive_failures: int
    retry_in_s: float
    last_reason: str


class Breaker(Wrapper):
    """Raises `ProviderUnavailable` with code `breaker_open` without calling the model. Belongs to one event loop."""

    def __init__(
        self,
        model: ChatModel,
        *,
        failures: int = 5,
        open_s: float = 1.0,
        max_open_s: float = 10.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(model)
        self._failures = failures
        self._first_open_s = open_s
        self._max_open_s = max_open_s
        self._monotonic = monotonic
        self._consecutive = 0
        self._open_s = open_s
        self._open_until: float | None = None
        self._probing = False
        self._last_reason = ""

    @property
    def view(self) -> BreakerView:
        left = 0.0 if self._open_until is None else max(0.0, self._open_until - self._monotonic())
        return BreakerView(self.name, self._state, self._consecutive, left, self._last_reason)

    @property
    def _state(self) -> BreakerState:
        if self._open_until is None:
            return "closed"
        return "half_open" if self._probing or self._monotonic() >= self._open_until else "open"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta | Done, None]:
        probe = self._admit()
        try:
            async with closing(self._model.stream(request)) as values:
                async for value in values:
                    if isinstance(value, Done):
                        self._succeeded(probe)
                    yield value
        except ProviderRejected:
            self._succeeded(probe)  # it answered, so it is alive
            raise
        except _COUNTED as error:
            self._failed(error.code, probe)
            raise
        finally:
            if probe:
                self._probing = False

    def _admit(self) -> bool:
        """Whether this call is the probe; raises when it must not be made."""
        if self._open_until is None:
            return False
        if self._probing or self._monotonic() < self._open_until:
            raise ProviderUnavailable(
                f"model {self.name!r} failed {self._consecutive} times in a row and is left alone for now",
                code="breaker_open",
                hint="It is tried again by itself; look at the last reason on the health page.",
            )
        self._probing = True
        return True

    def _succeeded(self, probe: bool) -> None:
        # A call that began before the breaker opened does not close it: only the probe speaks for the present.
        if probe or self._open_until is None:
            self._consecutive, self._open_s, self._open_until = 0, self._first_open_s, None

    def _failed(self, reason: str, probe: bool) -> None:
        self._consecutive += 1
        self._last_reason = reason
        if probe:
            self._open_s = min(2 * self._open_s, self._max_open_s)
        elif self._open_until is not None or self._consecutive < self._failures:
            return
        self._open_until = self._monotonic() + self._open_s
