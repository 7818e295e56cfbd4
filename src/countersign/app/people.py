"""People, keys and sessions as a service; every change is recorded in the transaction that makes it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection

from countersign.access.explain import Explanation
from countersign.access.keys import load_server_key
from countersign.access.owner import impersonate, require_owner
from countersign.access.passwords import Passwords
from countersign.access.principal import Principal
from countersign.access.sign_in import NewSession, Session, SignIn
from countersign.access.throttle import SignInThrottle
from countersign.domain.clock import Clock
from countersign.domain.errors import NotAuthenticated, NotFound
from countersign.domain.events import Event, EventKind
from countersign.storage import keys, people, rights
from countersign.storage.access import SqlAccess
from countersign.storage.database import Database
from countersign.storage.events import append_in
from countersign.storage.keys import Key, NewKey
from countersign.storage.people import Person

OWNER = "owner"
"""The actor of what the workspace's own operating-system owner does at the command line."""


class People:
    """`actor` is who makes a change; the command line passes the operating-system owner's name."""

    def __init__(self, database: Database, state: Path, tenants: frozenset[str], clock: Clock) -> None:
        self._database = database
        self._state = state
        self._clock = clock
        self._server_key = load_server_key(state)
        self._access = SqlAccess(database, self._server_key, clock, tenants=tenants)
        self._passwords = Passwords()
        self._sign_in = SignIn(self._access, SignInThrottle(clock), self._passwords)

    # -- who is it ----------------------------------------------------------------------------------------------
    async def authenticate(self, token: str) -> Principal:
        """The holder of an API key. Raises `NotAuthenticated`, the same for every reason."""
        return await self._access.authenticate(token)

    async def session(self, token: str) -> Session:
        return await self._access.session(token)

    async def sign_in(self, name: str, secret: str, address: str) -> NewSession:
        """Raises `NotAuthenticated` or `LimitExceeded`; both outcomes are recorded."""
        try:
            new = await self._sign_in.sign_in(name, secret, address)
        except NotAuthenticated:
            await self._note_failure(name)
            raise
        principal = new.session.principal
        await self._record(EventKind.SIGNED_IN, principal.tenant, principal.name, principal.name)
        return new

    async def sign_out(self, session: Session, token: str) -> None:
        await self._access.sign_out(token)
        principal = session.principal
        await self._record(EventKind.SIGNED_OUT, principal.tenant, principal.name, principal.name)

    async def impersonate(self, name: str) -> Principal:
        """`--as NAME`: for the owner of the workspace's files only, and recorded. Raises `NotPermitted`, `NotFound`."""
        os_user = require_owner(self._state)
        principal = await self._database.read(people.principal_named, name)
        if principal is None:
            raise NotFound(f"there is no person {name!r}", hint="`countersign user list` shows them.")
        await self._record(EventKind.IMPERSONATED, principal.tenant, os_user, name)
        return impersonate(principal, os_user)

    async def _note_failure(self, name: str) -> None:
        """Only names that exist are recorded: anything else could be a password in the wrong field."""
        person = await self._database.read(people.find_person, name.strip())
        if person is not None:
            await self._record(EventKind.SIGN_IN_FAILED, person.tenant, person.name, person.name)

    async def _record(self, kind: EventKind, tenant: str, actor: str, subject: str) -> None:
        event = Event(kind, tenant, actor, subject, self._clock.now())
        await self._database.write(append_in, [event])

    # -- people -------------------------------------------------------------------------------------------------
    async def set_person(
        self,
        name: str,
        *,
        tenant: str,
        actor: str = OWNER,
        groups: Iterable[str] | None = None,
        roles: Iterable[str] | None = None,
        disabled: bool | None = None,
    ) -> Person:
        """Create or change. Raises `UsageError` or `Conflict`."""

        def change(connection: Connection) -> Person:
            now = self._clock.now()
            changed = people.set_person(
                connection, name, tenant=tenant, now=now, groups=groups, roles=roles, disabled=disabled
            )
            if changed.changed:
                after = changed.person
                facts: dict[str, object] = {
                    "changed": list(changed.changed),
                    "groups": list(after.groups),
                    "roles": [role.value for role in after.roles],
                    "disabled": after.disabled,
                }
                append_in(connection, [Event(EventKind.USER_CHANGED, tenant, actor, name, now, facts)])
            return changed.person

        return await self._database.write(change)

    async def set_password(self, name: str, password: str, *, actor: str = OWNER) -> None:
        """Raises `UsageError` for a weak password, `NotFound`. Ends every session of the person."""
        hashed = await asyncio.to_thread(self._passwords.hash, password)

        def change(connection: Connection) -> None:
            person = people.get_person(connection, name)
            people.set_password_hash(connection, name, hashed)
            facts: dict[str, object] = {"changed": ["password"]}
            append_in(
                connection,
                [Event(EventKind.USER_CHANGED, person.tenant, actor, name, self._clock.now(), facts)],
            )

        await self._database.write(change)

    async def person(self, name: str) -> Person:
        return await self._database.read(people.get_person, name)

    async def list_people(self, tenant: str = "", limit: int = 100, cursor: str = "") -> list[Person]:
        return await self._database.read(people.list_people, tenant, limit=limit, cursor=cursor)

    # -- keys ---------------------------------------------------------------------------------------------------
    async def create_key(
        self, name: str, *, actor: str = OWNER, label: str = "", lifetime: timedelta | None = None
    ) -> NewKey:
        """The token inside is shown once. Raises `NotFound` or `UsageError`."""

        def create(connection: Connection) -> NewKey:
            now = self._clock.now()
            new = keys.create_key(connection, self._server_key, name, now=now, label=label, lifetime=lifetime)
            self._note_key(connection, EventKind.KEY_CREATED, new.key, actor)
            return new

        return await self._database.write(create)

    async def revoke_key(self, key: str, *, actor: str = OWNER) -> Key:
        def revoke(connection: Connection) -> Key:
            revoked = keys.revoke_key(connection, key, self._clock.now())
            self._note_key(connection, EventKind.KEY_REVOKED, revoked, actor)
            return revoked

        return await self._database.write(revoke)

    async def rotate_key(self, key: str, *, actor: str = OWNER, overlap: timedelta = timedelta(0)) -> NewKey:
        """A new key in the old one's place, which ends after `overlap`."""

        def rotate(connection: Connection) -> NewKey:
            old = keys.get_key(connection, key)
            new = keys.rotate_key(connection, self._server_key, key, now=self._clock.now(), overlap=overlap)
            self._note_key(connection, EventKind.KEY_CREATED, new.key, actor)
            self._note_key(connection, EventKind.KEY_REVOKED, old, actor)
            return new

        return await self._database.write(rotate)

    async def list_keys(
        self, *, tenant: str = "", name: str = "", limit: int = 100, cursor: str = ""
    ) -> list[Key]:
        return await self._database.read(keys.list_keys, tenant=tenant, name=name, limit=limit, cursor=cursor)

    def _note_key(self, connection: Connection, kind: EventKind, key: Key, actor: str) -> None:
        facts: dict[str, object] = {"person": key.person, "prefix": key.prefix, "label": key.label}
        append_in(connection, [Event(kind, key.tenant, actor, key.key_id, self._clock.now(), facts)])

    # -- why ----------------------------------------------------------------------------------------------------
    async def why(self, viewer: Principal | None, about: str, document: str) -> Explanation:
        """Why `about` may or may not see `document` (an id, or an external id). Raises `NotFound`.

        People may ask about themselves; operators, auditors and administrators about anybody of their tenant; the
        workspace's own owner (`viewer` None) about everybody.
        """
        now = self._clock.now()
        subject = viewer
        if viewer is None or about not in ("", viewer.name):
            subject = await self._database.read(people.principal_named, about)
        if subject is None and viewer is None:
            raise NotFound(f"there is no person {about!r}", hint="`countersign user list` shows them.")
        if subject is None:  # who exists is not told to whom nothing else would be explained
            raise NotFound("there is no such document")
        found = await self._database.read(rights.explain, viewer, subject, document, now)
        actor = viewer.name if viewer else OWNER
        facts: dict[str, object] = {"about": subject.name}
        event = Event(EventKind.ACCESS_EXPLAINED, subject.tenant, actor, found.document_id, now, facts)
        await self._database.write(append_in, [event])
        return found
