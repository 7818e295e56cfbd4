"""Slows down guessing: failures are counted per name and address, and per address, in a bounded memory of this process."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from countersign.domain.clock import Clock
from countersign.domain.errors import LimitExceeded


@dataclass(slots=True)
class _Failures:
    count: int
    first: datetime
    locked_until: datetime | None = None


class _Counter:
    """Counts failures by key; a key that reaches `limit` within `window` is locked for `lockout`."""

    def __init__(self, limit: int, window: timedelta, lockout: timedelta, max_entries: int) -> None:
        self._limit = limit
        self._window = window
        self._lockout = lockout
        self._max_entries = max_entries
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def locked_for(self, key: str, now: datetime) -> timedelta | None:
        entry = self._failures.get(key)
        if entry is None or entry.locked_until is None or entry.locked_until <= now:
            return None
        return entry.locked_until - now

    def failed(self, key: str, now: datetime) -> None:
        entry = self._failures.pop(key, None)
        if entry is None or now - entry.first > max(self._window, self._lockout):
            entry = _Failures(0, now)
        entry.count += 1
        if entry.count >= self._limit:
            entry.locked_until = now + self._lockout
        self._failures[key] = entry
        while len(self._failures) > self._max_entries:
            self._failures.popitem(last=False)

    def forget(self, key: str) -> None:
        self._failures.pop(key, None)


class SignInThrottle:
    """Five failures for one name from one address lock that pair; fifty from one address lock the address.

    Nobody can lock a colleague out from elsewhere: a name alone is never locked.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        per_name: int = 5,
        per_address: int = 50,
        window: timedelta = timedelta(minutes=15),
        lockout: timedelta = timedelta(minutes=15),
        max_entries: int = 10_000,
    ) -> None:
        self._clock = clock
        self._pairs = _Counter(per_name, window, lockout, max_entries)
        self._addresses = _Counter(per_address, window, lockout, max_entries)

    def check(self, name: str, address: str) -> None:
        """Raises `LimitExceeded` (`sign_in_locked`) while this pair or this address is locked."""
        now = self._clock.now()
        left = self._pairs.locked_for(_pair(name, address), now) or self._addresses.locked_for(address, now)
        if left is not None:
            minutes = int(left.total_seconds() // 60) + 1
            raise LimitExceeded(
                "too many failed attempts to sign in",
                code="sign_in_locked",
                hint=f"Try again in {minutes} min.",
            )

    def failed(self, name: str, address: str) -> None:
        now = self._clock.now()
        self._pairs.failed(_pair(name, address), now)
        self._addresses.failed(address, now)

    def succeeded(self, name: str, address: str) -> None:
        """Forgets the pair's failures; the address keeps its own, or one good account would reset a guesser's count."""
        self._pairs.forget(_pair(name, address))


def _pair(name: str, address: str) -> str:
    return f"{name.casefold()[:200]}\x00{address}"
