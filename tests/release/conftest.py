"""The same databases as the tests of access."""

from __future__ import annotations

from tests.access.conftest import database
from tests.postgres import postgres_server, postgres_url

__all__ = ["database", "postgres_server", "postgres_url"]
