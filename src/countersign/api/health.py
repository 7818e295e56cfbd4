"""Is it alive, can it answer, what does it count."""

from __future__ import annotations

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from countersign.access.decide import Action, require
from countersign.api.bind import is_loopback
from countersign.api.metrics import Metrics
from countersign.api.schemas import Json
from countersign.api.security import TheHouse, caller

router = APIRouter()


@router.get("/healthz")
async def healthz() -> Response:
    """The process is alive."""
    return Json({"status": "ok"})


@router.get("/readyz")
async def readyz(house: TheHouse) -> Response:
    """200 when questions can be answered, else 503 with what is lacking."""
    state = await house.health.ready()
    body = {
        "ready": state.ready,
        "lacks": list(state.lacks),
        "degraded": list(state.degraded),
        "jobs_pending": state.jobs_pending,
        "owner": state.owner,
        "leads": house.leader.leads if house.leader else state.owner,
    }
    return Json(body, 200 if state.ready else 503)


@router.get("/metrics")
async def metrics(request: Request, house: TheHouse) -> Response:
    """Prometheus text. From this machine without a key; from elsewhere with a key that may read metrics."""
    here = request.client is not None and is_loopback(request.client.host)
    if request.app.state.behind_proxy or not here:
        require(await caller(request), Action.READ_METRICS)
    counted: Metrics = request.app.state.metrics
    return Response(await counted.scrape(house), media_type=CONTENT_TYPE_LATEST)
