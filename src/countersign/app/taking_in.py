"""A whole pass over sources as one call: receive what changed, see every job through, say what became of each file.

Where another process owns the workspace, this one only enqueues and follows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, select, update

from countersign.app.house import House
from countersign.app.sync import SyncReport, SyncStep
from countersign.domain.documents import DocumentStatus
from countersign.storage.documents import INGEST_JOB
from countersign.storage.jobs import enqueue_in
from countersign.storage.tables import document, document_version, job

_FOLLOW_S = 0.2

Watch = Callable[[int, int, str], None]
"""Told how many files are done, of how many, and the newest one's name."""


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What became of one file. `change` is what the pass saw: `new`, `content`, `metadata`, `unchanged`, `quarantined`,
    `part` (inside another file) or `unreadable`."""

    source: str
    external_id: str
    tenant: str
    change: str
    document_id: str
    version: int
    status: str
    parse_status: str
    reason: str
    pages: int | None
    passages: int


@dataclass(frozen=True, slots=True)
class Pass:
    reports: tuple[SyncReport, ...]
    files: tuple[TakenIn, ...]
    owner: bool
    """False when another process did the work."""

    @property
    def statuses(self) -> dict[str, int]:
        """`status/parse_status` → how many files, without those that did not change."""
        counts: dict[str, int] = {}
        for file in self.files:
            if file.change != "unchanged":
                name = f"{file.status}/{file.parse_status}" if file.parse_status else file.status
                counts[name] = counts.get(name, 0) + 1
        return counts


async def take_in(house: House, sources: Sequence[str], watch: Watch, *, retry_failed: bool = False) -> Pass:
    """One pass over each source, and every job that it brought forth. Raises `NotFound`, `UsageError`, `SourceError`."""
    steps: dict[tuple[str, str], SyncStep] = {}
    working = asyncio.create_task(house.worker.run()) if house.is_owner else None
    try:
        if retry_failed:
            await house.database.write(_retry, tuple(sources), house.clock.now())
        reports = [await _one(house, name, steps, watch) for name in sources]
        await _follow(house, tuple(sources), sum(report.listed for report in reports), watch)
    finally:
        if working is not None:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
    if house.is_owner:
        await house.bring_up_to_date()
    files = await house.database.read(_files, tuple(sources), steps)
    return Pass(tuple(reports), tuple(files), house.is_owner)


async def _one(house: House, name: str, steps: dict[tuple[str, str], SyncStep], watch: Watch) -> SyncReport:
    def note(step: SyncStep) -> None:
        if step.received is None or step.received.change != "unchanged":
            steps[(name, step.external_id)] = step
        watch(0, max(step.total, step.done), step.external_id)

    return await house.sync(name, note)


async def _follow(house: House, sources: tuple[str, ...], listed: int, watch: Watch) -> None:
    """Until no file of these sources waits; attachments are found on the way and are counted with the others."""
    most = listed
    while True:
        waiting, newest = await house.database.read(_waiting, sources)
        most = max(most, waiting)
        watch(most - waiting, most, newest)
        if not waiting:
            return
        await asyncio.sleep(_FOLLOW_S)


def _newest_version() -> Any:
    same = document_version.c.document_id == document.c.id
    return and_(same, document_version.c.version == document.c.version)


def _waiting(connection: Connection, sources: tuple[str, ...]) -> tuple[int, str]:
    """How many files of `sources` are queued or being worked on, and one of them."""
    query = (
        select(document.c.external_id)
        .join(document_version, _newest_version())
        .join(job, job.c.id == document_version.c.job_id)
        .where(document.c.source.in_(sources), job.c.state.in_(("queued", "running")))
        .order_by(job.c.state.desc())
    )
    names = connection.execute(query).scalars().all()
    return len(names), names[0] if names else ""


def _retry(connection: Connection, sources: tuple[str, ...], now: datetime) -> None:
    """What could not be read is queued once more: a missing tesseract or a too narrow limit may be mended by now."""
    failed = (
        select(document.c.id, document.c.tenant, document.c.version)
        .where(document.c.source.in_(sources), document.c.deleted.is_(None))
        .where(document.c.status == DocumentStatus.FAILED)
    )
    for row in connection.execute(failed).all():
        same = and_(document_version.c.document_id == row.id, document_version.c.version == row.version)
        connection.execute(update(document_version).where(same).values(state="queued"))
        connection.execute(
            update(document).where(document.c.id == row.id).values(status=DocumentStatus.QUEUED, reason="")
        )
        enqueue_in(connection, INGEST_JOB, row.tenant, f"{row.id}:{row.version}", now)


def _files(
    connection: Connection, sources: tuple[str, ...], steps: dict[tuple[str, str], SyncStep]
) -> list[TakenIn]:
    query = (
        select(document, document_version.c.parse_status, document_version.c.pages, job.c.result, job.c.error)
        .join(document_version, _newest_version(), isouter=True)
        .join(job, job.c.id == document_version.c.job_id, isouter=True)
        .where(document.c.source.in_(sources), document.c.deleted.is_(None))
        .order_by(document.c.source, document.c.external_id)
    )
    files = [_file(row, steps) for row in connection.execute(query).mappings()]
    known = {(file.source, file.external_id) for file in files}
    lost = [
        TakenIn(source, external_id, "", "unreadable", "", 0, "unreadable", "", step.problem, None, 0)
        for (source, external_id), step in steps.items()
        if step.problem and (source, external_id) not in known
    ]
    return files + lost


def _file(row: Any, steps: dict[tuple[str, str], SyncStep]) -> TakenIn:
    step = steps.get((row["source"], row["external_id"]))
    change = "part" if row["parent_id"] else "unchanged"
    if step is not None:
        change = step.received.change if step.received else "unreadable"
    result = row["result"] or {}
    return TakenIn(
        source=row["source"],
        external_id=row["external_id"],
        tenant=row["tenant"],
        change=change,
        document_id=row["id"],
        version=row["version"],
        status=row["status"],
        parse_status=row["parse_status"] or "",
        reason=row["reason"]
        or str(result.get("reason", ""))
        or row["error"]
        or (step.problem if step else ""),
        pages=row["pages"],
        passages=int(result.get("passages", 0)),
    )
