"""Keys: made once, shown once, found by prefix, and dead the moment they should be."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, select

from countersign.access.keys import ServerKey, create_server_key, load_server_key, new_key, server_key_path
from countersign.access.principal import Principal, Role
from countersign.domain.errors import (
    ConfigError,
    Conflict,
    CountersignError,
    NotAuthenticated,
    NotFound,
    UsageError,
)
from countersign.storage import keys, people
from countersign.storage.access import SqlAccess
from countersign.storage.database import Database
from countersign.storage.tables import api_key
from tests.access.conftest import MovableClock


def person(
    database: Database, clock: MovableClock, name: str = "aigul", tenant: str = "bank", **said: object
) -> None:
    database.write_now(people.set_person, name, tenant=tenant, now=clock.now(), **said)  # type: ignore[arg-type]


def key(database: Database, server_key: ServerKey, clock: MovableClock, **said: object) -> keys.NewKey:
    return database.write_now(keys.create_key, server_key, "aigul", now=clock.now(), **said)  # type: ignore[arg-type]


def authenticate(database: Database, server_key: ServerKey, token: str, clock: MovableClock) -> Principal:
    return database.read_now(keys.authenticate, server_key, token, clock.now())


def test_a_key_opens_as_its_person_is_now(
    database: Database, server_key: ServerKey, clock: MovableClock
) -> None:
    person(database, clock, groups=["hr"], roles=["user", "reviewer"])
    token = key(database, server_key, clock).token
    principal = authenticate(database, server_key, token, clock)
    assert principal == Principal("aigul", "bank", frozenset({"hr"}), frozenset({Role.USER, Role.REVIEWER}))
    person(database, clock, groups=[])
    assert authenticate(database, server_key, token, clock).groups == frozenset()


def test_only_a_digest_is_stored(database: Database, server_key: ServerKey, clock: MovableClock) -> None:
    person(database, clock)
    new = key(database, server_key, clock, label="till 7")
    with database.engine.connect() as connection:
        row = connection.execute(select(api_key)).mappings().one()
    assert re.fullmatch(r"cs_[0-9A-Za-z]{10}_[0-9A-Za-z]{43}", new.token)
    assert new.token.split("_")[2] not in str(dict(row)) and row["digest"] == server_key.digest(
        "key", new.token
    )
    assert new.token not in repr(new) and (new.key.label, new.key.prefix) == (
        "till 7",
        new.token.split("_")[1],
    )


def test_every_dead_key_gets_the_same_answer(
    database: Database, server_key: ServerKey, clock: MovableClock
) -> None:
    person(database, clock)
    expired = key(database, server_key, clock, lifetime=timedelta(days=90)).token
    revoked = key(database, server_key, clock)
    clock.move(timedelta(days=90))
    database.write_now(keys.revoke_key, revoked.key.prefix, clock.now())
    living = key(database, server_key, clock).token
    wrong_secret = living[:-1] + ("a" if living[-1] != "a" else "b")
    answers = {said(database, server_key, token, clock) for token in (
        expired, revoked.token, wrong_secret, new_key()[1], "", "cs_", "x" * 5000, "cs_'; drop table person; --", "ключ",
    )}  # fmt: skip
    person(database, clock, disabled=True)
    answers.add(said(database, server_key, living, clock))
    assert len(answers) == 1


def said(database: Database, server_key: ServerKey, token: str, clock: MovableClock) -> tuple[str, str, str]:
    with pytest.raises(NotAuthenticated) as caught:
        authenticate(database, server_key, token, clock)
    return caught.value.code, caught.value.message, caught.value.hint


def test_another_server_key_opens_nothing(
    database: Database, server_key: ServerKey, clock: MovableClock
) -> None:
    person(database, clock)
    token = key(database, server_key, clock).token
    said(database, ServerKey(bytes(32)), token, clock)


def test_rotation_hands_over(database: Database, server_key: ServerKey, clock: MovableClock) -> None:
    person(database, clock)
    old = key(database, server_key, clock, label="crm", lifetime=timedelta(days=30))
    clock.move(timedelta(days=10))
    new = database.write_now(
        keys.rotate_key, server_key, old.key.key_id, now=clock.now(), overlap=timedelta(hours=1)
    )
    assert new.key.label == "crm" and new.key.expires == clock.now() + timedelta(days=30)
    assert authenticate(database, server_key, old.token, clock) == authenticate(
        database, server_key, new.token, clock
    )
    clock.move(timedelta(hours=1))
    said(database, server_key, old.token, clock)
    assert authenticate(database, server_key, new.token, clock).name == "aigul"
    with pytest.raises(Conflict):
        database.write_now(keys.rotate_key, server_key, old.key.key_id, now=clock.now())


def test_listing_shows_state_and_pages(
    database: Database, server_key: ServerKey, clock: MovableClock
) -> None:
    person(database, clock)
    person(database, clock, "marat", "telecom")
    made = [key(database, server_key, clock).key.key_id for _ in range(3)]
    database.write_now(keys.create_key, server_key, "marat", now=clock.now())
    first = database.read_now(keys.list_keys, tenant="bank", limit=2)
    rest = database.read_now(keys.list_keys, tenant="bank", cursor=first[-1].key_id)
    assert sorted(k.key_id for k in (*first, *rest)) == sorted(made)
    database.write_now(keys.revoke_key, made[0], clock.now())
    assert database.read_now(keys.get_key, made[0]).state(clock.now()) == "revoked"


def test_what_cannot_be_a_key_is_refused(
    database: Database, server_key: ServerKey, clock: MovableClock
) -> None:
    with pytest.raises(NotFound):
        key(database, server_key, clock)
    person(database, clock)
    with pytest.raises(UsageError):
        key(database, server_key, clock, lifetime=timedelta(0))
    with pytest.raises(NotFound):
        database.write_now(keys.revoke_key, "nothing", clock.now())


@pytest.mark.anyio
async def test_the_door_sees_a_revocation_on_its_next_request(
    database: Database, server_key: ServerKey, clock: MovableClock
) -> None:
    person(database, clock)
    new = key(database, server_key, clock)
    access = SqlAccess(database, server_key, clock)
    assert [p.name for p in await asyncio.gather(*(access.authenticate(new.token) for _ in range(8)))] == [
        "aigul"
    ] * 8
    await database.write(keys.revoke_key, new.key.key_id, clock.now())
    with pytest.raises(NotAuthenticated):
        await access.authenticate(new.token)


@pytest.mark.anyio
async def test_people_of_a_tenant_that_is_gone_stay_outside(
    database: Database, server_key: ServerKey, clock: MovableClock
) -> None:
    person(database, clock)
    token = key(database, server_key, clock).token
    assert await SqlAccess(database, server_key, clock, tenants=frozenset({"bank"})).authenticate(token)
    with pytest.raises(NotAuthenticated):
        await SqlAccess(database, server_key, clock, tenants=frozenset({"telecom"})).authenticate(token)


def test_a_request_costs_one_statement(
    database: Database, server_key: ServerKey, clock: MovableClock
) -> None:
    person(database, clock)
    token = key(database, server_key, clock).token
    statements: list[str] = []

    def watched(connection: Connection, sent: str) -> None:
        driver: Any = connection.connection.driver_connection
        if database.is_sqlite:
            driver.set_trace_callback(statements.append)
        with contextlib.suppress(NotAuthenticated):
            keys.authenticate(connection, server_key, sent, clock.now())
        if database.is_sqlite:
            driver.set_trace_callback(None)

    event.listen(database.engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    for sent in (token, new_key()[1]):
        statements.clear()
        database.read_now(watched, sent)
        assert len(statements) == 1 and statements[0].startswith("SELECT")


# -- people -----------------------------------------------------------------------------------------------------
def test_a_person_is_changed_part_by_part(database: Database, clock: MovableClock) -> None:
    made = database.write_now(
        people.set_person, "aigul", tenant="bank", now=clock.now(), groups=["b", "a", "a"]
    )
    assert (
        made.changed == ("created",)
        and made.person.groups == ("a", "b")
        and made.person.roles == (Role.USER,)
    )
    changed = database.write_now(
        people.set_person, "aigul", tenant="bank", now=clock.now(), roles=["auditor"]
    )
    assert changed.changed == ("roles",) and changed.person.groups == ("a", "b")
    again = database.write_now(people.set_person, "aigul", now=clock.now(), roles=["auditor"])
    assert again.changed == ()
    assert database.read_now(people.list_people, "bank") == [again.person]
    assert database.read_now(people.list_people, "telecom") == []


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"name": "a,group:hr"}, "bad_name"),
        ({"name": ""}, "bad_name"),
        ({"groups": ["hr;group:board"]}, "bad_group"),
        ({"groups": ["hr,group:board"]}, "bad_group"),
        ({"roles": ["root"]}, "bad_role"),
        ({"tenant": "telecom"}, "tenant_fixed"),
        ({"name": "marat", "tenant": ""}, "tenant_missing"),
    ],
)
def test_what_cannot_be_a_person_is_refused(
    database: Database, clock: MovableClock, said: dict[str, object], code: str
) -> None:
    person(database, clock)
    with pytest.raises(CountersignError) as caught:
        person(database, clock, **said)  # type: ignore[arg-type]
    assert caught.value.code == code


# -- the server key ---------------------------------------------------------------------------------------------
def test_the_server_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    made = create_server_key(tmp_path)
    assert load_server_key(tmp_path) == made and made.value.hex() not in repr(made)
    assert server_key_path(tmp_path).stat().st_mode & 0o777 == 0o600
    with pytest.raises(Conflict):
        create_server_key(tmp_path)


@pytest.mark.parametrize("content", ["", "00" * 32, "ab" * 16, "not hexadecimal"])
def test_a_weak_server_key_stops_the_start(tmp_path: Path, content: str) -> None:
    path = server_key_path(tmp_path)
    path.parent.mkdir()
    path.write_text(content)
    os.chmod(path, 0o600)
    with pytest.raises(ConfigError) as caught:
        load_server_key(tmp_path)
    assert caught.value.code == "weak_secret"


def test_a_server_key_that_others_may_read_or_that_is_gone_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_server_key(tmp_path)
    assert caught.value.code == "server_key_missing"
    create_server_key(tmp_path)
    os.chmod(server_key_path(tmp_path), 0o640)
    with pytest.raises(ConfigError) as caught:
        load_server_key(tmp_path)
    assert caught.value.code == "weak_secret"


def test_keys_that_were_never_written_are_made_again_and_others_stay(tmp_path: Path) -> None:
    """As a process leaves them that dies in the middle of founding a workspace."""
    from countersign.app.founding import make_keys
    from countersign.record.keys import load_public_key, load_signer

    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    for name in ("server.key", "record.key"):
        (folder / name).touch(mode=0o600)
    make_keys(tmp_path)
    made = load_server_key(tmp_path).value, load_signer(folder).key_id
    (folder / "record.pub").unlink()
    make_keys(tmp_path)
    assert (load_server_key(tmp_path).value, load_signer(folder).key_id) == made
    assert load_public_key(folder) == load_signer(folder).public
