"""Durable jobs, for those who may see what they work on."""

from __future__ import annotations

from starlette.responses import Response

from countersign.api.schemas import Json, when
from countersign.api.security import Me, TheHouse, keyed

router = keyed()


@router.get("/api/jobs/{job_id}")
async def job(house: TheHouse, me: Me, job_id: str) -> Response:
    """`queued`, `running`, `done` with its result, or `failed` with the code of its error."""
    found = await house.library.job(me, job_id)
    return Json(
        {
            "job_id": found.job_id,
            "kind": found.kind,
            "document_id": found.subject.partition(":")[0],
            "state": found.state,
            "attempts": found.attempts,
            "created": when(found.created),
            "finished": when(found.finished),
            "error": found.error or None,
            "result": dict(found.result) if found.result is not None else None,
        }
    )
