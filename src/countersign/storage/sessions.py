"""Web sessions: a random token in the cookie, only its digest in the database, a CSRF token beside it."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, insert, select

from countersign.access.keys import ServerKey
from countersign.access.sign_in import NewSession, Session
from countersign.domain.clock import from_iso, iso
from countersign.storage.people import principal_named, principal_of
from countersign.storage.tables import person, web_session

SESSION_LIFETIME = timedelta(hours=12)
_TOKEN_BYTES = 32
_MAX_TOKEN_CHARACTERS = 100


def open_session(
    connection: Connection,
    server_key: ServerKey,
    name: str,
    now: datetime,
    lifetime: timedelta = SESSION_LIFETIME,
) -> NewSession | None:
    """None when the person is not there or disabled. Sessions that have expired are cleared away on the way."""
    principal = principal_named(connection, name)
    if principal is None:
        return None
    connection.execute(delete(web_session).where(web_session.c.expires <= iso(now)))
    token, csrf = secrets.token_urlsafe(_TOKEN_BYTES), secrets.token_urlsafe(_TOKEN_BYTES)
    row = {
        "digest": server_key.digest("session", token),
        "person": name,
        "csrf": csrf,
        "created": iso(now),
        "expires": iso(now + lifetime),
    }
    connection.execute(insert(web_session).values(row))
    return NewSession(token, Session(principal, csrf, now + lifetime))


def find_session(connection: Connection, server_key: ServerKey, token: str, now: datetime) -> Session | None:
    """Who is signed in, with groups and roles as they are at this moment; None when expired, ended or disabled."""
    if not token or len(token) > _MAX_TOKEN_CHARACTERS:
        return None
    row = connection.execute(_LOOKUP, {"digest": server_key.digest("session", token)}).mappings().first()
    if row is None or row["disabled"] or row["expires"] <= iso(now):
        return None
    return Session(principal_of(row), row["csrf"], from_iso(row["expires"]))


def close_session(connection: Connection, server_key: ServerKey, token: str) -> bool:
    """Sign out; False when there was no such session."""
    digest = server_key.digest("session", token[:_MAX_TOKEN_CHARACTERS])
    return connection.execute(delete(web_session).where(web_session.c.digest == digest)).rowcount > 0


_LOOKUP = (
    select(
        web_session.c.csrf, web_session.c.expires, person.c.name, person.c.tenant, person.c.groups, person.c.roles,
        person.c.disabled,
    )
    .join(person, person.c.name == web_session.c.person)
    .where(web_session.c.digest == bindparam("digest"))
)  # fmt: skip
