from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from countersign.gateway.http import HttpClient
from tests.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]


@pytest.fixture
async def http(anyio_backend: str) -> AsyncGenerator[HttpClient, None]:
    async with HttpClient() as client:
        yield client
