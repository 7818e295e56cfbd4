"""What is read row by row is let go of when its reader stops on the way."""

from __future__ import annotations

import gc
import warnings
from datetime import UTC, datetime

import pytest

from countersign.domain.events import Event, EventKind
from countersign.storage.database import Database
from countersign.storage.events import append_in, chain

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]


async def test_a_reader_of_the_chain_may_stop_at_its_first_link(postgres_url: str) -> None:
    database = Database(postgres_url)
    database.create_tables()
    asked = Event(EventKind.ANSWER_ASKED, "bank", "aigerim", "ans_1", datetime.now(UTC), {})
    try:
        await database.write(append_in, [asked, asked, asked])
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            link, _ = await database.read(lambda connection: next(chain(connection, "bank")))
            gc.collect()
        assert link.seq == 1
        assert [str(warning.message) for warning in told] == []
    finally:
        database.close()
