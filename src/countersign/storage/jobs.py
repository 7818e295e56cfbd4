"""The durable queue as a table beside the facts it is about, so that a fact and its job commit together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, func, insert, not_, or_, select, update

from countersign.domain.clock import Clock, from_iso, iso
from countersign.domain.jobs import Job
from countersign.storage.database import Database
from countersign.storage.tables import job


def job_id_of(kind: str, subject: str) -> str:
    """The same work has the same id, so that asking for it twice is once."""
    return f"job_{sha256(f'{kind}/{subject}'.encode()).hexdigest()[:26]}"


def state_of_job(connection: Connection, job_id: str) -> str | None:
    """None when there is no such job."""
    return connection.execute(select(job.c.state).where(job.c.id == job_id)).scalar()


def enqueue_in(
    connection: Connection,
    kind: str,
    tenant: str,
    subject: str,
    now: datetime,
    *,
    job_id: str = "",
    not_before: datetime | None = None,
) -> str:
    """Queue work inside the caller's transaction."""
    job_id = job_id or job_id_of(kind, subject)
    state = state_of_job(connection, job_id)
    if state in ("queued", "running"):
        return job_id
    values: dict[str, Any] = {
        "kind": kind,
        "tenant": tenant,
        "subject": subject,
        "state": "queued",
        "attempts": 0,
        "not_before": iso(not_before or now),
        "lease_owner": None,
        "lease_until": None,
        "error": "",
        "result": None,
        "created": iso(now),
        "finished": None,
    }
    if state is None:
        connection.execute(insert(job).values(id=job_id, **values))
    else:
        connection.execute(update(job).where(job.c.id == job_id).values(**values))
    return job_id


class SqlJobs:
    """`Jobs` on the workspace's database. Several workers on Postgres skip each other's locked rows."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def enqueue(
        self, kind: str, tenant: str, subject: str, *, job_id: str = "", not_before: datetime | None = None
    ) -> str:
        return await self._database.write(
            enqueue_in, kind, tenant, subject, self._clock.now(), job_id=job_id, not_before=not_before
        )

    async def claim(
        self, worker: str, limit: int, lease_s: float, *, without: Collection[str] = ()
    ) -> list[Job]:
        if not await self._database.read(_any_due, self._clock.now(), tuple(without)):
            return []
        return await self._database.write(_claim, worker, limit, lease_s, self._clock.now(), tuple(without))

    async def take_over(self) -> int:
        """Everything that was under way is due again. Only for the one process that runs this workspace's jobs."""
        return await self._database.write(_take_over, self._clock.now())

    async def renew(self, worker: str, job_ids: list[str], lease_s: float) -> None:
        await self._database.write(_renew, worker, job_ids, self._clock.now() + timedelta(seconds=lease_s))

    async def finish(self, job: Job, result: Mapping[str, object]) -> None:
        await self._database.write(_close, job, "done", "", dict(result), self._clock.now())

    async def fail(self, job: Job, error: str, *, retry_at: datetime | None) -> None:
        if retry_at is None:
            await self._database.write(_close, job, "failed", error, None, self._clock.now())
        else:
            await self._database.write(_requeue, job, error, retry_at)

    async def get(self, job_id: str) -> Job | None:
        return await self._database.read(_get, job_id)

    async def pending(self) -> int:
        return await self._database.read(_pending, self._clock.now())


def _due(now: datetime, without: Sequence[str]) -> Any:
    waits = or_(
        and_(job.c.state == "queued", job.c.not_before <= iso(now)),
        and_(job.c.state == "running", job.c.lease_until < iso(now)),
    )
    return and_(waits, job.c.kind.not_in(without)) if without else waits


def _any_due(connection: Connection, now: datetime, without: Sequence[str]) -> bool:
    return connection.execute(select(job.c.id).where(_due(now, without)).limit(1)).first() is not None


def _claim(
    connection: Connection, worker: str, limit: int, lease_s: float, now: datetime, without: Sequence[str]
) -> list[Job]:
    due = select(job.c.id).where(_due(now, without)).order_by(job.c.not_before, job.c.id).limit(limit)
    ids = list(connection.execute(due.with_for_update(skip_locked=True)).scalars())
    if not ids:
        return []
    taken = (
        update(job)
        .where(job.c.id.in_(ids))
        .values(
            state="running",
            attempts=job.c.attempts + 1,
            lease_owner=worker,
            lease_until=iso(now + timedelta(seconds=lease_s)),
        )
        .returning(job)
    )
    return [_job(row) for row in connection.execute(taken).mappings()]


def _take_over(connection: Connection, now: datetime) -> int:
    values = {"state": "queued", "lease_owner": None, "lease_until": None, "not_before": iso(now)}
    return connection.execute(update(job).where(job.c.state == "running").values(**values)).rowcount


def _renew(connection: Connection, worker: str, job_ids: list[str], until: datetime) -> None:
    mine = and_(job.c.id.in_(job_ids), job.c.lease_owner == worker, job.c.state == "running")
    connection.execute(update(job).where(mine).values(lease_until=iso(until)))


def _still_its(claimed: Job) -> Any:
    """Each claim counts up, so a worker that lost its lease holds an older number."""
    return and_(job.c.id == claimed.job_id, job.c.attempts == claimed.attempts, job.c.state == "running")


def _close(
    connection: Connection,
    claimed: Job,
    state: str,
    error: str,
    result: dict[str, object] | None,
    now: datetime,
) -> None:
    values = {"state": state, "error": error, "result": result, "finished": iso(now), "lease_owner": None}
    connection.execute(update(job).where(_still_its(claimed)).values(**values))


def _requeue(connection: Connection, claimed: Job, error: str, retry_at: datetime) -> None:
    values = {"state": "queued", "error": error, "not_before": iso(retry_at), "lease_owner": None}
    connection.execute(update(job).where(_still_its(claimed)).values(**values))


def _get(connection: Connection, job_id: str) -> Job | None:
    row = connection.execute(select(job).where(job.c.id == job_id)).mappings().first()
    return _job(row) if row else None


def _pending(connection: Connection, now: datetime) -> int:
    scheduled = and_(job.c.state == "queued", job.c.attempts == 0, job.c.not_before > iso(now))
    waiting = and_(job.c.state.in_(("queued", "running")), not_(scheduled))
    return connection.execute(select(func.count()).where(waiting)).scalar_one()


def _job(row: RowMapping) -> Job:
    return Job(
        job_id=row["id"],
        kind=row["kind"],
        tenant=row["tenant"],
        subject=row["subject"],
        state=row["state"],
        attempts=row["attempts"],
        created=from_iso(row["created"]),
        finished=from_iso(row["finished"]) if row["finished"] else None,
        error=row["error"],
        result=row["result"],
    )
