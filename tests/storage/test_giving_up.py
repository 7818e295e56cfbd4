"""A caller may stop waiting for its write at any moment; the writer goes on for everybody else."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection

from countersign.storage.database import Database, last_seq, next_seq

pytestmark = pytest.mark.anyio


async def test_writes_that_nobody_waits_for_harm_no_other(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'a.db'}")
    database.create_tables()
    begins, goes_on = threading.Event(), threading.Event()

    def held_seq(connection: Connection) -> int:
        begins.set()
        assert goes_on.wait(60)
        return next_seq(connection)

    try:
        begun = asyncio.create_task(database.write(held_seq))
        assert await asyncio.to_thread(begins.wait, 60)
        queued = asyncio.create_task(database.write(next_seq))
        await asyncio.sleep(0)
        for task in (begun, queued):
            task.cancel()
        await asyncio.gather(begun, queued, return_exceptions=True)
        goes_on.set()
        last = await asyncio.wait_for(database.write(next_seq), 60)
        assert last == await database.read(last_seq) == 2  # the one that had begun, and this one
    finally:
        goes_on.set()
        database.close()
