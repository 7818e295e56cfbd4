"""What every test shares: asyncio, and a network that ends at this machine."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest
from hypothesis import settings

from tests import workspaces
from tests.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]

# A slow machine is no failure, and the same commit must give the same verdict. Who looks for what nobody has drawn yet
# sets COUNTERSIGN_EXPLORE=1.
settings.register_profile("house", deadline=None, derandomize=not os.environ.get("COUNTERSIGN_EXPLORE"))
settings.load_profile("house")

_LOOPBACK = ("127.", "::1", "localhost")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to anything but this machine fails the test that tried it."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else "localhost"
        if not str(host).startswith(_LOOPBACK):
            raise AssertionError(f"a test tried to reach {host}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def database_switch(request: pytest.FixtureRequest) -> None:
    """`COUNTERSIGN_TEST_DATABASE=postgres` runs every workspace of the tests on a real Postgres."""
    if os.environ.get("COUNTERSIGN_TEST_DATABASE") == "postgres" and not workspaces.POSTGRES:
        workspaces.POSTGRES.append(request.getfixturevalue("postgres_server"))
