"""`countersign user`, `countersign key`, `countersign why`: who there is, how they come in, and what they may see."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from countersign.cli.command import Run, as_user, command, group, listed, tenant_option
from countersign.cli.failure import DONE, SAID_NO
from countersign.cli.terminal import table
from countersign.cli.types import DURATION

if TYPE_CHECKING:
    from countersign.app.office import Office
    from countersign.storage.keys import Key, NewKey
    from countersign.storage.people import Person

_ROLES = "user, publisher, reviewer, operator, auditor, admin"
_PAGE = 500

user = group(
    "user",
    says="People: their tenant, groups and roles.",
    examples="countersign user set aigerim --tenant bank --groups staff,call-centre\ncountersign user list",
)
groups_option = click.option("--groups", help="Groups, separated by commas; they replace the present ones.")
roles_option = click.option("--roles", help=f"Roles, separated by commas: {_ROLES}.")


@command(
    "set",
    group=user,
    examples="""
countersign user set aigerim --tenant bank --groups staff,call-centre --roles user
countersign user set timur --tenant bank --groups staff,quality --roles user,reviewer
countersign user set aigerim --groups staff
""",
)
@click.argument("name")
@tenant_option
@groups_option
@roles_option
@click.option("--enable", is_flag=True, help="Let a disabled person in again.")
async def set_user(
    run: Run, name: str, tenant: str, groups: str | None, roles: str | None, enable: bool
) -> None:
    """Create or change a person. What is not said stays as it is; no role grants a right to documents."""
    with run.office() as office:
        person = await _set(office, name, tenant, groups, roles, disabled=False if enable else None)
    run.result(_person(person))
    run.say(f"{person.name}: tenant {person.tenant}, groups {_names(person.groups)}, roles {_roles(person)}")


async def _set(
    office: Office,
    name: str,
    tenant: str,
    groups: str | None,
    roles: str | None,
    disabled: bool | None = None,
) -> Person:
    from countersign.domain.errors import NotFound

    try:
        known = (await office.people.person(name)).tenant
    except NotFound:
        known = ""
    wanted = office.tenant(tenant) if tenant or not known else known
    return await office.people.set_person(
        name, tenant=wanted, groups=listed(groups), roles=listed(roles), disabled=disabled
    )


@command("list", group=user, examples="countersign user list\ncountersign user list --tenant bank --json")
@tenant_option
async def list_users(run: Run, tenant: str) -> None:
    """Everybody, in order of name."""
    people: list[Person] = []
    with run.office() as office:
        while page := await office.people.list_people(tenant, _PAGE, people[-1].name if people else ""):
            people += page
    run.result({"items": [_person(person) for person in people]})
    rows = [(p.name, p.tenant, _names(p.groups), _roles(p), "disabled" if p.disabled else "") for p in people]
    run.say(table(("name", "tenant", "groups", "roles", ""), rows))


@command("disable", group=user, examples="countersign user disable aigerim")
@click.argument("name")
async def disable(run: Run, name: str) -> None:
    """Shut a person out at once: keys, password and open sessions."""
    with run.office() as office:
        person = await office.people.person(name)
        person = await office.people.set_person(name, tenant=person.tenant, disabled=True)
    run.result(_person(person))
    run.say(f"{name} is disabled; `countersign user set {name} --enable` undoes it.")


@command(
    "password",
    group=user,
    examples='countersign user password aigerim\nprintf %s "$PASSWORD" | countersign user password aigerim --stdin',
)
@click.argument("name")
@click.option("--stdin", is_flag=True, help="Read it from standard input instead of asking.")
async def password(run: Run, name: str, stdin: bool) -> None:
    """Set the password for the web sign-in; it ends the person's open sessions."""
    with run.office() as office:
        await office.people.person(name)
        secret = (
            sys.stdin.readline(1024).rstrip("\r\n")
            if stdin
            else click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        )
        await office.people.set_password(name, secret)
    run.result({"name": name, "password": "set"})
    run.say(f"The password of {name} is set.")


def _person(person: Person) -> dict[str, Any]:
    from countersign.app.shapes import jsonable

    return jsonable(person)


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"


def _roles(person: Person) -> str:
    return _names(tuple(role.value for role in person.roles))


# -- keys -------------------------------------------------------------------------------------------------------
key = group(
    "key",
    says="API keys: 256 random bits, shown once, stored as a keyed hash.",
    examples="countersign key create --user aigerim --expires 90d\ncountersign key list",
)


@command(
    "create",
    group=key,
    examples="""
countersign key create --user aigerim --expires 90d
countersign key create --user ci --tenant bank --groups staff --roles user --json
KEY=$(countersign key create --user aigerim)
""",
)
@click.option("--user", "name", required=True, metavar="NAME", help="Whose key.")
@click.option("--expires", type=DURATION, metavar="DURATION", help="How long it lives, such as 90d.")
@click.option("--label", default="", help="What it is for.")
@tenant_option
@groups_option
@roles_option
async def create_key(
    run: Run,
    name: str,
    expires: timedelta | None,
    label: str,
    tenant: str,
    groups: str | None,
    roles: str | None,
) -> None:
    """Make a key and print it, once. With --tenant, --groups or --roles the person is made or changed too."""
    with run.office() as office:
        if tenant or groups is not None or roles is not None:
            await _set(office, name, tenant, groups, roles)
        new = await office.people.create_key(name, label=label, lifetime=expires)
        _show_new(run, new, office.clock.now())


@command("list", group=key, examples="countersign key list\ncountersign key list --user aigerim --json")
@click.option("--user", "name", default="", metavar="NAME", help="Only this person's.")
@tenant_option
async def list_keys(run: Run, name: str, tenant: str) -> None:
    """Keys in order of creation, without their secrets."""
    keys: list[Key] = []
    with run.office() as office:
        now = office.clock.now()
        while page := await office.people.list_keys(
            tenant=tenant, name=name, limit=_PAGE, cursor=keys[-1].key_id if keys else ""
        ):
            keys += page
    run.result({"items": [_key(each, now) for each in keys]})
    rows = [(k.key_id, k.prefix, k.person, k.tenant, k.state(now), k.label) for k in keys]
    run.say(table(("id", "prefix", "person", "tenant", "state", "label"), rows))


@command("revoke", group=key, examples="countersign key revoke key_01jd…")
@click.argument("key_id", metavar="KEY")
async def revoke_key(run: Run, key_id: str) -> None:
    """End a key now, by its id or prefix."""
    with run.office() as office:
        revoked = await office.people.revoke_key(key_id)
        run.result(_key(revoked, office.clock.now()))
    run.say(f"{revoked.key_id} of {revoked.person} is revoked.")


@command(
    "rotate",
    group=key,
    examples="countersign key rotate key_01jd…\ncountersign key rotate key_01jd… --overlap 24h",
)
@click.argument("key_id", metavar="KEY")
@click.option("--overlap", type=DURATION, metavar="DURATION", help="How long the old one goes on working.")
async def rotate_key(run: Run, key_id: str, overlap: timedelta | None) -> None:
    """A new key in the old one's place, printed once."""
    with run.office() as office:
        new = await office.people.rotate_key(key_id, overlap=overlap or timedelta(0))
        _show_new(run, new, office.clock.now())


def _show_new(run: Run, new: NewKey, now: datetime) -> None:
    run.result({"key": new.token, **_key(new.key, now)})
    run.say(new.token)
    ends = f", until {new.key.expires:%Y-%m-%d}" if new.key.expires else ""
    run.note(f"This is the only time the key is shown ({new.key.key_id}, for {new.key.person}{ends}).")


def _key(found: Key, now: datetime) -> dict[str, Any]:
    from countersign.app.shapes import jsonable

    shown = jsonable(found)
    shown["user"] = shown.pop("person")
    return {**shown, "state": found.state(now)}


def _as_of(source: str, confirmed: datetime | None) -> str:
    """How old the source's word is."""
    if confirmed is None:
        return ""
    age = timedelta(seconds=round((datetime.now(UTC) - confirmed).total_seconds()))
    return f", as {source} said {age} ago ({confirmed:%Y-%m-%d %H:%M:%S %Z})"


# -- why --------------------------------------------------------------------------------------------------------
@command(
    "why",
    examples="countersign why hr/bands.xlsx --as aigerim\ncountersign why doc_01jd… --as aigerim --json",
)
@click.argument("document", metavar="DOCUMENT")
@as_user
async def why(run: Run, document: str, user: str) -> int:
    """Why a person may or may not see DOCUMENT (its id or external id). Exit code 3 when they may not."""
    from countersign.access.owner import require_owner
    from countersign.app.shapes import jsonable

    with run.office() as office:
        require_owner(office.workspace.state)
        found = await office.people.why(None, user, document)
    run.result(jsonable(found))
    verdict = "may see" if found.permitted else "may not see"
    run.say(f"{found.person} {verdict} {found.external_id or found.document_id} ({found.title})\n")
    run.say(
        table(("gate", "", "reason"), [(g.name, "open" if g.open else "SHUT", g.detail) for g in found.gates])
    )
    run.say()
    for clause in found.clauses:
        met = f"satisfied by {clause.satisfied_by}" if clause.satisfied else "NOT satisfied"
        run.say(f"one of {', '.join(clause.terms)}: {met}")
    run.say(f"rights come from: {found.rights_origin}{_as_of(found.source, found.confirmed)}")
    if found.inherits_from:
        run.say(f"narrowed by the document that holds it: {found.inherits_from}")
    return DONE if found.permitted else SAID_NO
