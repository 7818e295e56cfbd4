"""Signing in: by password or key, one answer to every failure, throttled, and out again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from countersign.access.keys import ServerKey
from countersign.access.passwords import Passwords
from countersign.access.sign_in import SignIn, require_csrf
from countersign.access.throttle import SignInThrottle
from countersign.domain.errors import LimitExceeded, NotAuthenticated, NotPermitted, UsageError
from countersign.storage import keys, people
from countersign.storage.access import SqlAccess
from countersign.storage.database import Database
from tests.access.conftest import MovableClock

PASSWORD = "жауын жауып тұр 7"
HOME = "10.0.0.5"


class Desk:
    def __init__(
        self, database: Database, server_key: ServerKey, clock: MovableClock, passwords: Passwords
    ) -> None:
        self.database = database
        self.clock = clock
        self.access = SqlAccess(database, server_key, clock, timedelta(hours=1))
        self.sign_in = SignIn(self.access, SignInThrottle(clock), passwords).sign_in
        database.write_now(people.set_person, "aigul", tenant="bank", now=clock.now(), groups=["hr"])
        database.write_now(people.set_person, "marat", tenant="bank", now=clock.now())
        database.write_now(people.set_password_hash, "aigul", passwords.hash(PASSWORD, "aigul"))
        self.key = database.write_now(keys.create_key, server_key, "aigul", now=clock.now()).token

    def change(self, **said: object) -> None:
        self.database.write_now(people.set_person, "aigul", tenant="bank", now=self.clock.now(), **said)  # type: ignore[arg-type]


@pytest.fixture
def desk(database: Database, server_key: ServerKey, clock: MovableClock, passwords: Passwords) -> Desk:
    return Desk(database, server_key, clock, passwords)


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["aigul", " aigul "])
async def test_a_password_opens_a_session(desk: Desk, name: str) -> None:
    new = await desk.sign_in(name, PASSWORD, HOME)
    session = await desk.access.session(new.token)
    assert session.principal.name == "aigul" and session.principal.groups == {"hr"}
    assert new.token not in repr(new) and len(new.token) >= 43


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["", "aigul"])
async def test_a_pasted_key_opens_a_session(desk: Desk, name: str) -> None:
    new = await desk.sign_in(name, desk.key, HOME)
    assert (await desk.access.session(new.token)).principal.name == "aigul"


@pytest.mark.anyio
async def test_every_failure_gets_the_same_answer(desk: Desk) -> None:
    answers: set[tuple[str, str, str]] = set()
    for name, secret in (
        ("aigul", "wrong"), ("nobody", PASSWORD), ("marat", PASSWORD), ("marat", desk.key), ("aigul", ""),
        ("aigul", desk.key[:-1]), ("aigul", "x" * 100_000),
    ):  # fmt: skip
        with pytest.raises(NotAuthenticated) as caught:
            await desk.sign_in(name, secret, f"10.1.1.{len(secret) % 200}")
        answers.add((caught.value.code, caught.value.message, caught.value.hint))
    desk.change(disabled=True)
    for secret in (PASSWORD, desk.key):
        with pytest.raises(NotAuthenticated) as caught:
            await desk.sign_in("aigul", secret, HOME)
        answers.add((caught.value.code, caught.value.message, caught.value.hint))
    assert len(answers) == 1


@pytest.mark.anyio
async def test_guessing_is_locked_here_and_not_elsewhere(desk: Desk) -> None:
    for _ in range(5):
        with pytest.raises(NotAuthenticated):
            await desk.sign_in("aigul", "guess", HOME)
    with pytest.raises(LimitExceeded) as caught:
        await desk.sign_in("aigul", PASSWORD, HOME)
    assert caught.value.code == "sign_in_locked"
    assert (await desk.sign_in("aigul", PASSWORD, "10.0.0.6")).session.principal.name == "aigul"
    desk.clock.move(timedelta(minutes=16))
    assert (await desk.sign_in("aigul", PASSWORD, HOME)).session.principal.name == "aigul"


def test_many_names_from_one_address_lock_the_address_within_bounded_memory(clock: MovableClock) -> None:
    throttle = SignInThrottle(clock, max_entries=100)
    for number in range(50):
        throttle.check(f"n{number}", HOME)
        throttle.failed(f"n{number}", HOME)
    with pytest.raises(LimitExceeded):
        throttle.check("somebody else", HOME)
    for number in range(1000):
        throttle.failed(f"n{number}", f"10.9.{number // 250}.{number % 250}")
    assert all(len(counter._failures) <= 100 for counter in (throttle._pairs, throttle._addresses))  # pyright: ignore[reportPrivateUsage]


@pytest.mark.anyio
async def test_a_session_follows_its_person_and_ends(desk: Desk) -> None:
    token = (await desk.sign_in("aigul", PASSWORD, HOME)).token
    desk.change(groups=["board"])
    assert (await desk.access.session(token)).principal.groups == {"board"}
    desk.clock.move(timedelta(hours=1))
    with pytest.raises(NotAuthenticated):
        await desk.access.session(token)

    token = (await desk.sign_in("aigul", PASSWORD, HOME)).token
    await desk.access.sign_out(token)
    with pytest.raises(NotAuthenticated):
        await desk.access.session(token)

    token = (await desk.sign_in("aigul", PASSWORD, HOME)).token
    desk.change(disabled=True)
    desk.change(disabled=False)
    with pytest.raises(NotAuthenticated):
        await desk.access.session(token)


@pytest.mark.anyio
async def test_a_new_password_ends_every_session(desk: Desk, passwords: Passwords) -> None:
    token = (await desk.sign_in("aigul", desk.key, HOME)).token
    await desk.database.write(people.set_password_hash, "aigul", passwords.hash("another long one"))
    with pytest.raises(NotAuthenticated):
        await desk.access.session(token)
    with pytest.raises(NotAuthenticated):
        await desk.sign_in("aigul", PASSWORD, HOME)


@pytest.mark.anyio
async def test_a_key_is_no_session_and_a_session_no_key(desk: Desk) -> None:
    token = (await desk.sign_in("aigul", PASSWORD, HOME)).token
    with pytest.raises(NotAuthenticated):
        await desk.access.session(desk.key)
    with pytest.raises(NotAuthenticated):
        await desk.access.authenticate(token)


@pytest.mark.anyio
async def test_a_change_needs_the_sessions_own_token(desk: Desk) -> None:
    first = (await desk.sign_in("aigul", PASSWORD, HOME)).session
    second = (await desk.sign_in("aigul", PASSWORD, HOME)).session
    require_csrf(first, first.csrf)
    for sent in ("", second.csrf, first.csrf + "x", "ц"):
        with pytest.raises(NotPermitted) as caught:
            require_csrf(first, sent)
        assert caught.value.code == "csrf_failed"


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaa", "x" * 300, "aigul-aigul-aigul"])
def test_a_weak_password_is_refused(passwords: Passwords, password: str) -> None:
    with pytest.raises(UsageError) as caught:
        passwords.hash(password, "aigul")
    assert caught.value.code == "weak_secret" and password not in caught.value.message


def test_passwords_are_argon2id_at_the_recommended_cost() -> None:
    assert Passwords().hash(PASSWORD).startswith("$argon2id$v=19$m=65536,t=3,p=1$")
