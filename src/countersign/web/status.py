"""The state of the house for those who run it: sources, documents by status, work pending, readiness, spending."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from fastapi import Request
from fastapi.responses import Response

from countersign.access.decide import Action, require
from countersign.domain.clock import from_iso
from countersign.storage.document_views import SourceView, status_counts
from countersign.web.rendering import Web
from countersign.web.routing import SignedIn, TheWeb, pages

router = pages()

_COST_DAYS = 30


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A configured source; `is_late` when its last complete pass is older than its `max_age`."""

    name: str
    connector: str
    documents: int
    synced: str | None
    error: str
    max_age: timedelta | None
    is_late: bool


@router.get("/status")
async def status_page(request: Request, web: TheWeb, visitor: SignedIn) -> Response:
    require(visitor.me, Action.READ_STATE)
    house, tenant = web.house, visitor.me.tenant
    counts = await house.database.read(status_counts, tenant)
    since = house.clock.now() - timedelta(days=_COST_DAYS)
    return web.page(
        request,
        "status.html",
        visitor,
        readiness=await house.health.ready(),
        sources=_sources(web, tenant, await house.library.sources(visitor.me)),
        counts=sorted(counts.items()),
        total=sum(counts.values()),
        costs=await house.ledger.costs(visitor.me, since),
        cost_days=_COST_DAYS,
        releases=sorted(house.asking.line.releases.items()),
    )


def _sources(web: Web, tenant: str, seen: Sequence[SourceView]) -> list[SourceLine]:
    states = {view.source: view for view in seen}
    known = web.house.workspace.sources.values()
    mine = [source for source in known if not source.tenants or tenant in source.tenants]
    now = web.house.clock.now()
    lines: list[SourceLine] = []
    for source in sorted(mine, key=lambda source: source.name):
        state = states.get(source.name, SourceView(source.name, 0, None, ""))
        age = now - from_iso(state.synced) if state.synced else None
        is_late = source.max_age is not None and (age is None or age > source.max_age)
        lines.append(
            SourceLine(
                source.name,
                source.connector,
                state.documents,
                state.synced,
                state.error,
                source.max_age,
                is_late,
            )
        )
    return lines
