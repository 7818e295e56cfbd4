"""A served house: real files, a real server on loopback, people with keys, and clients that talk to it over HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from countersign.api.serve import running
from countersign.app.house import House
from countersign.domain.workspace import HoldRules, Workspace
from tests.workspaces import assistant, opened, workspace, write_files

TARIFF = """# Card tariffs

The monthly service fee of the Gold card is 990 tenge. The fee is charged on the first working day of the month.
"""
MINUTES = """# Minutes of the board, 12 March 2025

The board decided to raise the monthly service fee of the Gold card to 1,290 tenge from 1 October 2025.
"""
FILES = {"tariff.md": TARIFF, "minutes.md": MINUTES}
ROWS = [
    {"file": "tariff.md", "acl": ["group:staff"], "modified": "2025-05-01"},
    {"file": "minutes.md", "acl": ["group:board"], "classification": "board", "modified": "2025-03-12"},
]
FEE = "What is the monthly service fee of the Gold card?"
ABSENT = "ans_000000000000000000000000x"


@dataclass(slots=True)
class Served:
    house: House
    url: str
    http: aiohttp.ClientSession

    async def key(
        self, name: str, groups: Sequence[str] = (), roles: Sequence[str] = ("user",), tenant: str = "bank"
    ) -> str:
        await self.house.people.set_person(name, tenant=tenant, groups=groups, roles=roles)
        return (await self.house.people.create_key(name)).token

    async def call(
        self, method: str, path: str, key: str = "", **more: Any
    ) -> tuple[int, Any, aiohttp.ClientResponse]:
        """(status, body, response); the body is JSON where it says so, else bytes."""
        status, raw, response = await self.raw(method, path, key, **more)
        is_json = response.content_type == "application/json" and raw
        return status, orjson.loads(raw) if is_json else raw, response

    async def raw(
        self, method: str, path: str, key: str = "", **more: Any
    ) -> tuple[int, bytes, aiohttp.ClientResponse]:
        """(status, body as it came, response)."""
        headers = dict(more.pop("headers", {}))
        if key:
            headers.setdefault("Authorization", f"Bearer {key}")
        async with self.http.request(method, self.url + path, headers=headers, **more) as response:
            return response.status, await response.read(), response


@asynccontextmanager
async def serving(settings: Workspace, cache: Path, *, ingest: bool = True) -> AsyncGenerator[Served, None]:
    async with (
        opened(settings, cache, ingest=ingest) as house,
        running(house) as url,
        aiohttp.ClientSession() as http,
    ):
        yield Served(house, url, http)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncGenerator[Served, None]:
    write_files(tmp_path / "files", FILES, ROWS)
    holding = assistant(hold_when=HoldRules(classification=("board",)))
    plain = workspace(tmp_path, assistants={"staff-help": holding}, tenants=("bank", "telecom"))
    bank_only = {name: replace(source, tenants=("bank",)) for name, source in plain.sources.items()}
    settings = replace(plain, sources=bank_only)
    async with serving(settings, tmp_path / "cache") as joined:
        yield joined
