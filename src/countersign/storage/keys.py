"""API keys in the database: made, listed, revoked, rotated, and looked up by every request in one statement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, insert, select, update

from countersign.access.keys import NO_DIGEST, ServerKey, new_key, prefix_of, same
from countersign.access.principal import Principal
from countersign.domain.clock import from_iso, iso
from countersign.domain.errors import Conflict, NotAuthenticated, NotFound, UsageError
from countersign.domain.ids import new_id
from countersign.storage.people import get_person, principal_of
from countersign.storage.prepared import Prepared, loaded
from countersign.storage.tables import api_key, person

_MAX_LABEL = 200


@dataclass(frozen=True, slots=True)
class Key:
    """What may be shown of a key: everything but its secret."""

    key_id: str
    prefix: str
    person: str
    tenant: str
    label: str
    created: datetime
    expires: datetime | None
    revoked: datetime | None

    def state(self, now: datetime) -> str:
        """`revoked`, `expired` or `valid`."""
        if self.revoked is not None and self.revoked <= now:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "valid"


@dataclass(frozen=True, slots=True, repr=False)
class NewKey:
    """`token` is shown once and stored nowhere."""

    token: str
    key: Key


def create_key(
    connection: Connection,
    server_key: ServerKey,
    name: str,
    *,
    now: datetime,
    label: str = "",
    lifetime: timedelta | None = None,
) -> NewKey:
    """A new key for an existing person. Raises `NotFound`, or `UsageError` for a lifetime that is over at once."""
    get_person(connection, name)
    if lifetime is not None and lifetime <= timedelta(0):
        raise UsageError("a key must live longer than that", code="bad_lifetime", hint="Write --expires 90d.")
    prefix, token = new_key()
    row = {
        "id": new_id("key"),
        "prefix": prefix,
        "digest": server_key.digest("key", token),
        "person": name,
        "label": label[:_MAX_LABEL],
        "created": iso(now),
        "expires": None if lifetime is None else iso(now + lifetime),
    }
    connection.execute(insert(api_key).values(row))
    return NewKey(token, get_key(connection, row["id"] or ""))


def get_key(connection: Connection, key: str) -> Key:
    """By its id or its prefix. Raises `NotFound`."""
    query = _SHOWN.where((api_key.c.id == key) | (api_key.c.prefix == key))
    row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFound("there is no such key", hint="`countersign key list` shows them.")
    return _key(row)


def list_keys(
    connection: Connection, *, tenant: str = "", name: str = "", limit: int = 100, cursor: str = ""
) -> list[Key]:
    """In order of creation, beginning behind the key id `cursor`; empty filters mean all."""
    query = _SHOWN.where(api_key.c.id > cursor).order_by(api_key.c.id).limit(limit)
    if tenant:
        query = query.where(person.c.tenant == tenant)
    if name:
        query = query.where(person.c.name == name)
    return [_key(row) for row in connection.execute(query).mappings()]


def revoke_key(connection: Connection, key: str, now: datetime) -> Key:
    """From this commit on the key opens nothing. Revoking twice changes nothing. Raises `NotFound`."""
    found = get_key(connection, key)
    at_once = api_key.c.revoked.is_(None) | (api_key.c.revoked > iso(now))
    connection.execute(update(api_key).where(api_key.c.id == found.key_id, at_once).values(revoked=iso(now)))
    return get_key(connection, found.key_id)


def rotate_key(
    connection: Connection,
    server_key: ServerKey,
    key: str,
    *,
    now: datetime,
    overlap: timedelta = timedelta(0),
) -> NewKey:
    """A new key with the same person, label and length of life; the old one ends after `overlap`.

    Raises `Conflict` (`key_not_valid`) when the old one is revoked or expired: there is nothing to continue.
    """
    old = get_key(connection, key)
    if old.state(now) != "valid" or old.revoked is not None:
        raise Conflict("this key is not valid any more", code="key_not_valid", hint="Create a new one.")
    lifetime = None if old.expires is None else old.expires - old.created
    new = create_key(connection, server_key, old.person, now=now, label=old.label, lifetime=lifetime)
    connection.execute(update(api_key).where(api_key.c.id == old.key_id).values(revoked=iso(now + overlap)))
    return new


def authenticate(connection: Connection, server_key: ServerKey, token: str, now: datetime) -> Principal:
    """Who holds this key, with groups and roles as they are at this moment: one statement.

    Raises the same `NotAuthenticated`, after the same work, for a key that is unknown, wrong, expired or revoked and
    for a person that is disabled.
    """
    digest = server_key.digest("key", token)
    found = _LOOKUP.rows(connection, {"prefix": prefix_of(token)})
    row: dict[str, Any] | None = dict(zip(_LOOKED_UP, found[0], strict=True)) if found else None
    genuine = same(digest, NO_DIGEST if row is None else row["digest"])
    if row is None or not (genuine and _in_force(row, iso(now))):
        raise not_authenticated()
    return principal_of({**row, "groups": loaded(row["groups"]), "roles": loaded(row["roles"])})


def not_authenticated() -> NotAuthenticated:
    """The one answer to every key that opens nothing."""
    return NotAuthenticated(
        "the key is not valid", hint="Send `Authorization: Bearer KEY` with a key in force."
    )


def _in_force(row: Mapping[str, Any], now: str) -> bool:
    expired = row["expires"] is not None and row["expires"] <= now
    revoked = row["revoked"] is not None and row["revoked"] <= now
    return not (expired or revoked or row["disabled"])


_LOOKED_UP: tuple[str, ...] = (
    "digest",
    "expires",
    "revoked",
    "name",
    "tenant",
    "groups",
    "roles",
    "disabled",
)
_LOOKUP = Prepared(
    select(
        api_key.c.digest, api_key.c.expires, api_key.c.revoked, person.c.name, person.c.tenant, person.c.groups,
        person.c.roles, person.c.disabled,
    )
    .join(person, person.c.name == api_key.c.person)
    .where(api_key.c.prefix == bindparam("prefix"))
)  # fmt: skip
_SHOWN = select(api_key, person.c.tenant).join(person, person.c.name == api_key.c.person)


def _key(row: RowMapping) -> Key:
    return Key(
        key_id=row["id"],
        prefix=row["prefix"],
        person=row["person"],
        tenant=row["tenant"],
        label=row["label"],
        created=from_iso(row["created"]),
        expires=from_iso(row["expires"]) if row["expires"] else None,
        revoked=from_iso(row["revoked"]) if row["revoked"] else None,
    )
