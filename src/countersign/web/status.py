"""The state of the house for those who run it: sources, documents by status, work pending, readiness, spending."""

from __future__ import annotations

from datetime import timedelta

from fastapi import Request
from fastapi.responses import Response

from countersign.access.decide import Action, require
from countersign.storage.document_views import status_counts
from countersign.web.routing import SignedIn, TheWeb, pages
from countersign.web.sources import glance_at, worst_first

router = pages()

_COST_DAYS = 30


@router.get("/status")
async def status_page(request: Request, web: TheWeb, visitor: SignedIn) -> Response:
    require(visitor.me, Action.READ_STATE)
    house, tenant = web.house, visitor.me.tenant
    counts = await house.database.read(status_counts, tenant)
    sources = await house.freshness.sources(visitor.me)
    since = house.clock.now() - timedelta(days=_COST_DAYS)
    return web.page(
        request,
        "status.html",
        visitor,
        readiness=await house.health.ready(),
        sources=worst_first(sources),
        glance=glance_at(sources),
        counts=sorted(counts.items()),
        total=sum(counts.values()),
        costs=await house.ledger.costs(visitor.me, since),
        cost_days=_COST_DAYS,
        releases=sorted(house.asking.line.releases.items()),
    )
