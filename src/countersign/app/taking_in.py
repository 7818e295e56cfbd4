"""A whole pass over sources as one call: receive what changed, see every job through, say what became of each file.

Where another process owns the workspace, this one only enqueues and follows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, and_, select

from countersign.app.house import House
from countersign.app.sync import SyncReport, SyncStep
from countersign.storage.jobs import job_id_of
from countersign.storage.tables import document, document_version, job

INGEST_JOB = "ingest"
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


@dataclass(slots=True)
class _Seen:
    """Steps of the pass so far, by source and external id."""

    steps: dict[tuple[str, str], SyncStep] = field(default_factory=dict[tuple[str, str], SyncStep])
    listed: int = 0
    """How many files the sources have, as far as they were listed."""

    def waiting_for(self) -> list[str]:
        received = [step.received for step in self.steps.values() if step.received]
        return [r.job_id for r in received if r.job_id and r.change in ("new", "content")]


async def take_in(house: House, sources: Sequence[str], watch: Watch) -> Pass:
    """Raises `NotFound`, `UsageError`, `SourceError`."""
    seen = _Seen()
    working = asyncio.create_task(house.worker.run()) if house.is_owner else None
    try:
        reports = [await _one(house, name, seen, watch) for name in sources]
        await _follow(house, seen, watch)
    finally:
        if working is not None:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
    if house.is_owner:
        for tenant in house.workspace.tenants:
            await house.retriever.warm_up(tenant)
    files = await house.database.read(_files, tuple(sources), seen.steps)
    return Pass(tuple(reports), tuple(files), house.is_owner)


async def _one(house: House, name: str, seen: _Seen, watch: Watch) -> SyncReport:
    before = seen.listed

    def note(step: SyncStep) -> None:
        seen.steps[(name, step.external_id)] = step
        seen.listed = before + step.total

    return await house.sync(name, note)


async def _follow(house: House, seen: _Seen, watch: Watch) -> None:
    """Until every job of this pass, and every job that these brought forth, has ended."""
    while True:
        states = await house.database.read(_states, seen.waiting_for())
        done = seen.listed - sum(state in ("queued", "running") for state, _ in states.values())
        newest = next((subject for state, subject in states.values() if state == "running"), "")
        watch(done, seen.listed, newest)
        if done >= seen.listed and not (house.is_owner and await house.jobs.pending()):
            return
        await asyncio.sleep(_FOLLOW_S)


def _states(connection: Connection, job_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Job → its state and the external id of the file that it is about."""
    found: dict[str, tuple[str, str]] = {}
    for start in range(0, len(job_ids), 500):
        query = select(job.c.id, job.c.state, job.c.subject).where(job.c.id.in_(job_ids[start : start + 500]))
        for row in connection.execute(query):
            found[row.id] = (row.state, "")
    return found


def _files(
    connection: Connection, sources: tuple[str, ...], steps: dict[tuple[str, str], SyncStep]
) -> list[TakenIn]:
    newest = and_(
        document_version.c.document_id == document.c.id, document_version.c.version == document.c.version
    )
    query = (
        select(document, document_version.c.parse_status, document_version.c.pages, job.c.result, job.c.error)
        .join(document_version, newest, isouter=True)
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
    change = "part"
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
        reason=row["reason"] or str(result.get("reason", "")) or row["error"] or (step.problem if step else ""),
        pages=row["pages"],
        passages=int(result.get("passages", 0)),
    )
