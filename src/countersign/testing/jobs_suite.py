"""What every durable queue must do; an adapter's test inherits this and gives `jobs` and a clock that it can move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from countersign.domain.jobs import Jobs


class MovableClock:
    """A clock that stands still until it is told to go on."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class JobsUnderTest(Protocol):
    jobs: Jobs
    clock: MovableClock


@pytest.mark.anyio
class JobsSuite:
    """Needs a fixture `under_test` that gives a `JobsUnderTest` on an empty queue."""

    async def test_a_job_is_claimed_once_and_finished(self, under_test: JobsUnderTest) -> None:
        jobs = under_test.jobs
        job_id = await jobs.enqueue("ingest", "bank", "doc_1:1")
        [claimed] = await jobs.claim("one", 5, 60)
        assert (claimed.job_id, claimed.subject, claimed.attempts) == (job_id, "doc_1:1", 1)
        assert await jobs.claim("two", 5, 60) == []
        await jobs.finish(claimed, {"passages": 3})
        done = await jobs.get(job_id)
        assert done is not None
        assert (done.state, done.result) == ("done", {"passages": 3})
        assert await jobs.pending() == 0

    async def test_asking_twice_for_the_same_work_is_once(self, under_test: JobsUnderTest) -> None:
        jobs = under_test.jobs
        first = await jobs.enqueue("ingest", "bank", "doc_1:1")
        assert await jobs.enqueue("ingest", "bank", "doc_1:1") == first
        assert await jobs.pending() == 1
        [claimed] = await jobs.claim("one", 5, 60)
        assert await jobs.enqueue("ingest", "bank", "doc_1:1") == first
        assert await jobs.claim("two", 5, 60) == []
        await jobs.finish(claimed, {})
        await jobs.enqueue("ingest", "bank", "doc_1:1")
        assert len(await jobs.claim("two", 5, 60)) == 1

    async def test_a_worker_that_died_loses_its_job_to_another(self, under_test: JobsUnderTest) -> None:
        jobs = under_test.jobs
        await jobs.enqueue("ingest", "bank", "doc_1:1")
        [claimed] = await jobs.claim("dead", 1, 60)
        await jobs.renew("dead", [claimed.job_id], 60)
        under_test.clock.advance(59)
        assert await jobs.claim("alive", 1, 60) == []
        under_test.clock.advance(2)
        [again] = await jobs.claim("alive", 1, 60)
        assert again.attempts == 2

    async def test_a_renewed_lease_keeps_a_long_job(self, under_test: JobsUnderTest) -> None:
        jobs = under_test.jobs
        await jobs.enqueue("ingest", "bank", "doc_1:1")
        [claimed] = await jobs.claim("busy", 1, 60)
        for _ in range(5):
            under_test.clock.advance(50)
            await jobs.renew("busy", [claimed.job_id], 60)
            assert await jobs.claim("other", 1, 60) == []

    async def test_what_failed_for_now_waits_and_what_failed_for_good_stays(
        self, under_test: JobsUnderTest
    ) -> None:
        jobs, clock = under_test.jobs, under_test.clock
        job_id = await jobs.enqueue("ingest", "bank", "doc_1:1")
        [claimed] = await jobs.claim("one", 1, 60)
        await jobs.fail(claimed, "provider_unavailable", retry_at=clock.now() + timedelta(seconds=30))
        assert await jobs.claim("one", 1, 60) == []
        clock.advance(31)
        [again] = await jobs.claim("one", 1, 60)
        await jobs.fail(again, "internal", retry_at=None)
        failed = await jobs.get(job_id)
        assert failed is not None
        assert (failed.state, failed.error) == ("failed", "internal")
        clock.advance(1_000)
        assert await jobs.claim("one", 1, 60) == []

    async def test_work_for_later_is_not_due_yet(self, under_test: JobsUnderTest) -> None:
        jobs, clock = under_test.jobs, under_test.clock
        later = clock.now() + timedelta(hours=1)
        await jobs.enqueue("remind", "bank", "rev_1", not_before=later)
        assert await jobs.claim("one", 1, 60) == []
        assert await jobs.pending() == 0
        clock.advance(3_601)
        assert len(await jobs.claim("one", 1, 60)) == 1

    async def test_a_worker_that_lost_its_lease_ends_nothing(self, under_test: JobsUnderTest) -> None:
        jobs, clock = under_test.jobs, under_test.clock
        job_id = await jobs.enqueue("ingest", "bank", "doc_1:1")
        [stale] = await jobs.claim("stood still", 1, 60)
        clock.advance(61)
        [held] = await jobs.claim("alive", 1, 60)
        await jobs.finish(stale, {"passages": 0})
        await jobs.fail(stale, "internal", retry_at=None)
        await jobs.fail(stale, "provider_unavailable", retry_at=clock.now())
        assert await jobs.claim("third", 1, 60) == []
        await jobs.finish(held, {"passages": 3})
        done = await jobs.get(job_id)
        assert done is not None
        assert (done.state, done.result) == ("done", {"passages": 3})

    async def test_a_kind_that_only_another_may_do_is_left_to_it(self, under_test: JobsUnderTest) -> None:
        jobs = under_test.jobs
        await jobs.enqueue("erase", "bank", "doc_1")
        await jobs.enqueue("ingest", "bank", "doc_2:1")
        assert [job.kind for job in await jobs.claim("one", 5, 60, without=["erase"])] == ["ingest"]
        assert await jobs.claim("one", 5, 60, without=["erase"]) == []
        assert [job.kind for job in await jobs.claim("leader", 5, 60)] == ["erase"]
