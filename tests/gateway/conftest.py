from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from countersign.gateway.http import HttpClient


@pytest.fixture
async def http(anyio_backend: str) -> AsyncGenerator[HttpClient, None]:
    async with HttpClient() as client:
        yield client
