"""A real chain in a real SQLite file, made through the front door."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from countersign.domain.events import Event, EventKind
from countersign.storage.database import Database
from tests.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'countersign.db'}")
    database.create_tables()
    yield database
    database.close()


def step(n: int, tenant: str = "bank", **changes: object) -> Event:
    values: dict[str, object] = {
        "kind": EventKind.ANSWER_RETRIEVED,
        "tenant": tenant,
        "actor": "aigerim",
        "subject": f"ans_{n}",
        "at": START + timedelta(seconds=n),
        "facts": {"passages": n, "duration_ms": 1.5},
        "personal": {"question": f"Сұрақ № {n}"} if n % 3 == 0 else {},
        "request_id": f"req_{n}",
    }
    return Event(**(values | changes))  # pyright: ignore[reportArgumentType]
