"""Where the server may listen, and how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import aiohttp
import pytest

from countersign.api.bind import check_bind
from countersign.api.serve import serve
from countersign.domain.errors import UsageError
from tests.workspaces import opened, workspace


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_nothing(host: str) -> None:
    check_bind(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.5", "127.evil.example", "example.org"])
def test_elsewhere_needs_tls_or_a_proxy(host: str, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert", tmp_path / "key"
    cert.touch()
    key.touch()
    with pytest.raises(UsageError) as refused:
        check_bind(host)
    assert refused.value.code == "bind_refused"
    check_bind(host, str(cert), str(key))
    check_bind(host, behind_proxy=True)


def test_tls_is_whole_or_refused(tmp_path: Path) -> None:
    cert = tmp_path / "cert"
    cert.touch()
    for pair, code in (((str(cert), ""), "tls_incomplete"), ((str(cert), "/nowhere"), "tls_unreadable")):
        with pytest.raises(UsageError) as refused:
            check_bind("127.0.0.1", *pair)
        assert refused.value.code == code


@pytest.mark.anyio
async def test_a_signal_ends_it_in_order_and_the_house_can_still_be_closed(tmp_path: Path) -> None:
    async with opened(workspace(tmp_path), tmp_path / "cache", ingest=False) as house:
        addresses: asyncio.Queue[str] = asyncio.Queue()
        serving = asyncio.create_task(serve(house, port=0, ready=addresses.put_nowait))
        url = await addresses.get()
        async with aiohttp.ClientSession() as http, http.get(f"{url}/healthz") as response:
            assert response.status == 200
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(serving, 60)


@pytest.mark.anyio
async def test_an_address_that_is_taken_is_said_so(tmp_path: Path) -> None:
    async with opened(workspace(tmp_path), tmp_path / "cache", ingest=False) as house:
        with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError) as refused:
            await serve(house, port=taken.getsockname()[1])
        assert refused.value.code == "address_unavailable"
