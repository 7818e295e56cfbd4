"""People in the database. Groups and roles are read anew for every request, so a change acts on the next question.

The functions return values; whoever calls them records the event in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from countersign.access.principal import Principal, Role
from countersign.access.terms import valid_name
from countersign.domain.clock import from_iso, iso
from countersign.domain.errors import Conflict, NotFound, UsageError
from countersign.storage.tables import person, web_session


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    tenant: str
    groups: tuple[str, ...]
    roles: tuple[Role, ...]
    disabled: bool
    has_password: bool
    created: datetime


@dataclass(frozen=True, slots=True)
class PersonChange:
    """`changed` names what is different now: `created`, `groups`, `roles`, `disabled`; empty when nothing is."""

    person: Person
    changed: tuple[str, ...]


def set_person(
    connection: Connection,
    name: str,
    *,
    tenant: str = "",
    now: datetime,
    groups: Iterable[str] | None = None,
    roles: Iterable[str] | None = None,
    disabled: bool | None = None,
) -> PersonChange:
    """Create or change a person; None leaves a part as it is. New people have the role `user` and no group, and need
    a tenant.

    Raises `UsageError` for a name, group or role that cannot be, `Conflict` (`tenant_fixed`) for a move to another
    tenant: what somebody asked and was answered stays where it was, so a new tenant takes a new name.
    """
    wanted = _wanted(name, groups, roles, disabled)
    before = find_person(connection, name)
    if before is None:
        if not tenant:
            raise UsageError(
                f"{name} is new and needs a tenant", code="tenant_missing", hint="Say --tenant T."
            )
        row: dict[str, Any] = {"groups": [], "roles": [Role.USER.value], "disabled": False, **wanted}
        connection.execute(insert(person).values(name=name, tenant=tenant, created=iso(now), **row))
        return PersonChange(get_person(connection, name), ("created",))
    if tenant and before.tenant != tenant:
        raise Conflict(
            f"{name} belongs to the tenant {before.tenant}",
            code="tenant_fixed",
            hint="Use another name in this tenant.",
        )
    if wanted:
        connection.execute(update(person).where(person.c.name == name).values(wanted))
    after = get_person(connection, name)
    changed = tuple(
        part for part in ("groups", "roles", "disabled") if getattr(before, part) != getattr(after, part)
    )
    if after.disabled:
        end_sessions(connection, name)
    return PersonChange(after, changed)


def _wanted(
    name: str, groups: Iterable[str] | None, roles: Iterable[str] | None, disabled: bool | None
) -> dict[str, Any]:
    if not valid_name(name):
        raise UsageError(
            f"{name!r} cannot be a person's name", code="bad_name", hint="No comma, semicolon or control."
        )
    wanted: dict[str, Any] = {}
    if groups is not None:
        wanted["groups"] = sorted(set(groups))
        for group in wanted["groups"]:
            if not valid_name(group):
                raise UsageError(
                    f"{group!r} cannot be a group", code="bad_group", hint="No comma or semicolon."
                )
    if roles is not None:
        wanted["roles"] = sorted({_role(role).value for role in roles})
    if disabled is not None:
        wanted["disabled"] = disabled
    return wanted


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is not a role",
            code="bad_role",
            hint=f"Roles: {', '.join(role.value for role in Role)}.",
        ) from None


def find_person(connection: Connection, name: str) -> Person | None:
    row = connection.execute(select(person).where(person.c.name == name)).mappings().first()
    return None if row is None else _person(row)


def get_person(connection: Connection, name: str) -> Person:
    """Raises `NotFound`."""
    found = find_person(connection, name)
    if found is None:
        raise NotFound(f"there is no person {name!r}", hint="`countersign user set NAME` creates one.")
    return found


def list_people(
    connection: Connection, tenant: str = "", *, limit: int = 100, cursor: str = ""
) -> list[Person]:
    """In order of name, beginning behind `cursor`; an empty tenant means all of them."""
    query = select(person).where(person.c.name > cursor).order_by(person.c.name).limit(limit)
    if tenant:
        query = query.where(person.c.tenant == tenant)
    return [_person(row) for row in connection.execute(query).mappings()]


def principal_named(connection: Connection, name: str) -> Principal | None:
    """The person as a principal, as the database knows them now; None when absent or disabled."""
    found = find_person(connection, name)
    if found is None or found.disabled:
        return None
    return Principal(found.name, found.tenant, frozenset(found.groups), frozenset(found.roles))


def principal_of(row: RowMapping | Mapping[str, Any]) -> Principal:
    """From a row that carries `name, tenant, groups, roles`. A role of a later version grants nothing here."""
    known = {role.value for role in Role}
    roles = frozenset(Role(role) for role in row["roles"] if role in known)
    return Principal(row["name"], row["tenant"], frozenset(row["groups"]), roles)


def set_password_hash(connection: Connection, name: str, password_hash: str | None) -> None:
    """Store what `Passwords.hash` made (None removes it) and end every session. Raises `NotFound`."""
    get_person(connection, name)
    connection.execute(update(person).where(person.c.name == name).values(password_hash=password_hash))
    end_sessions(connection, name)


def password_hash_of(connection: Connection, name: str) -> str | None:
    """None for an unknown or disabled person and for one without a password."""
    query = select(person.c.password_hash).where(person.c.name == name, person.c.disabled.is_(False))
    return connection.execute(query).scalar()


def end_sessions(connection: Connection, name: str) -> int:
    """Sign a person out everywhere; how many sessions ended."""
    return connection.execute(delete(web_session).where(web_session.c.person == name)).rowcount


def _person(row: RowMapping) -> Person:
    known = {role.value for role in Role}
    return Person(
        name=row["name"],
        tenant=row["tenant"],
        groups=tuple(row["groups"]),
        roles=tuple(Role(role) for role in row["roles"] if role in known),
        disabled=bool(row["disabled"]),
        has_password=row["password_hash"] is not None,
        created=from_iso(row["created"]),
    )
