"""Both databases, one schema, a clock that a test can move, and cheap password hashing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from countersign.access.keys import ServerKey
from countersign.access.passwords import Passwords
from countersign.storage.database import Database
from tests.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]


class MovableClock:
    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def move(self, by: timedelta) -> None:
        self.moment += by


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'access.db'}" if sqlite else request.getfixturevalue("postgres_url")
    found = Database(url)
    found.create_tables()
    yield found
    found.close()


@pytest.fixture(scope="session")
def server_key() -> ServerKey:
    return ServerKey(bytes(range(32)))


@pytest.fixture(scope="session")
def passwords() -> Passwords:
    return Passwords(memory_kib=64, passes=1)
