"""The queue on SQLite and on Postgres, against the suite that any queue must pass."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from countersign.app.worker import Worker
from countersign.domain.jobs import Job, Jobs
from countersign.storage.database import Database
from countersign.storage.jobs import SqlJobs
from countersign.testing.jobs_suite import JobsSuite, MovableClock


@dataclass
class UnderTest:
    jobs: Jobs
    clock: MovableClock


class TestSqlJobs(JobsSuite):
    @pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
    def under_test(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[UnderTest]:
        url = f"sqlite:///{tmp_path / 'jobs.db'}"
        if request.param == "postgres":
            url = request.getfixturevalue("postgres_url")
        database = Database(url)
        database.create_tables()
        clock = MovableClock()
        yield UnderTest(SqlJobs(database, clock), clock)
        database.close()


@pytest.mark.anyio
async def test_the_only_owner_takes_over_at_once_what_its_predecessor_left(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'jobs.db'}")
    database.create_tables()
    jobs = SqlJobs(database, MovableClock())
    await jobs.enqueue("ingest", "bank", "doc_1:1")
    await jobs.claim("dead", 1, 60)
    assert await jobs.take_over() == 1
    [again] = await jobs.claim("alive", 1, 60)
    assert again.attempts == 2
    database.close()


@pytest.mark.anyio
async def test_a_worker_that_stood_still_for_longer_than_its_lease_begins_again_once(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'jobs.db'}")
    database.create_tables()
    clock = MovableClock()
    jobs = SqlJobs(database, clock)
    begun: list[int] = []
    left: list[int] = []
    may_end = asyncio.Event()

    async def handle(job: Job) -> dict[str, object]:
        begun.append(job.attempts)
        try:
            await may_end.wait()
        except asyncio.CancelledError:
            left.append(job.attempts)
            raise
        return {"attempt": job.attempts}

    job_id = await jobs.enqueue("ingest", "bank", "doc_1:1")
    working = asyncio.create_task(Worker(jobs, {"ingest": handle}, clock).drain())
    async with asyncio.timeout(60):
        while begun != [1]:
            await asyncio.sleep(0.01)
        clock.advance(61)
        while begun != [1, 2] or left != [1]:
            await asyncio.sleep(0.01)
        may_end.set()
        await working
    done = await jobs.get(job_id)
    assert done is not None
    assert (done.state, done.result) == ("done", {"attempt": 2})
    database.close()
