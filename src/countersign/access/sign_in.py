"""Signing in to the web desk: throttle, then a password or a pasted key, then a session. One answer to every failure."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from countersign.access.keys import looks_like_key, same
from countersign.access.passwords import Passwords
from countersign.access.principal import Principal
from countersign.access.throttle import SignInThrottle
from countersign.domain.errors import NotAuthenticated, NotPermitted

_HASHING_AT_ONCE = 2  # each takes 64 MiB


@dataclass(frozen=True, slots=True, repr=False)
class Session:
    """A signed-in person. `csrf` must come back with every change that a browser asks for."""

    principal: Principal
    csrf: str
    expires: datetime


@dataclass(frozen=True, slots=True, repr=False)
class NewSession:
    """`token` goes into the cookie and is stored nowhere."""

    token: str
    session: Session


class SignInStore(Protocol):
    """The database's side; every method is one transaction."""

    async def password_hash(self, name: str) -> str | None:
        """None for an unknown or disabled person and for one without a password."""
        ...

    async def by_key(self, token: str) -> Principal | None: ...

    async def open_session(self, name: str) -> NewSession | None:
        """None when the person is not there or disabled."""
        ...


class SignIn:
    """`sign_in` raises `NotAuthenticated` (`sign_in_failed`) whatever was wrong, or `LimitExceeded` when throttled."""

    def __init__(self, store: SignInStore, throttle: SignInThrottle, passwords: Passwords) -> None:
        self._store = store
        self._throttle = throttle
        self._passwords = passwords
        self._hashing = asyncio.Semaphore(_HASHING_AT_ONCE)

    async def sign_in(self, name: str, secret: str, address: str) -> NewSession:
        """`secret` is the person's password or one of their keys; with a key the name may be empty."""
        name = name.strip()
        self._throttle.check(name, address)
        person = await (
            self._by_key(name, secret) if looks_like_key(secret) else self._by_password(name, secret)
        )
        new = await self._store.open_session(person) if person else None
        if new is None:
            self._throttle.failed(name, address)
            raise NotAuthenticated(
                "name and password, or key, do not fit",
                code="sign_in_failed",
                hint="Check both and try again.",
            )
        self._throttle.succeeded(name, address)
        return new

    async def _by_key(self, name: str, key: str) -> str:
        principal = await self._store.by_key(key)
        if principal is None or (name and name != principal.name):
            return ""
        return principal.name

    async def _by_password(self, name: str, password: str) -> str:
        stored = await self._store.password_hash(name)
        async with self._hashing:
            fits = await asyncio.to_thread(self._passwords.verify, stored, password)
        return name if fits else ""


def require_csrf(session: Session, sent: str) -> None:
    """Raises `NotPermitted` (`csrf_failed`) unless the form or header brought the session's own token."""
    if not sent or not same(session.csrf, sent):
        raise NotPermitted(
            "this form is out of date", code="csrf_failed", hint="Reload the page and try again."
        )
