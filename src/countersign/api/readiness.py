"""Audits of documents: what was found, for those who run the service; accepted or not."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, StringConstraints
from starlette.responses import Response

from countersign.api.schemas import Cursor, Json, Limit, Name, Strict, page, when
from countersign.api.security import Me, TheHouse, keyed
from countersign.app.audits import ShownReport
from countersign.corpus.readiness.report_json import acceptance_to_json, report_to_json
from countersign.domain.readiness import DocumentKey
from countersign.storage.audits import AuditRun

router = keyed()


class AcceptBody(Strict):
    code: Annotated[Name, StringConstraints(min_length=1)]
    source: Annotated[Name, StringConstraints(min_length=1)]
    external_id: Annotated[str, StringConstraints(min_length=1, max_length=4_000)]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
    days: Annotated[int, Field(ge=1, le=730)]


class UnacceptBody(Strict):
    code: Annotated[Name, StringConstraints(min_length=1)]
    source: Annotated[Name, StringConstraints(min_length=1)]
    external_id: Annotated[str, StringConstraints(min_length=1, max_length=4_000)]


@router.get("/api/readiness")
async def readiness(house: TheHouse, me: Me, limit: Limit = 20, cursor: Cursor = "") -> Response:
    """Audits of this tenant, newest first: scores, codes and counts. For operators, auditors and admins."""
    runs = await house.audits.list(me, limit=limit + 1, cursor=cursor)
    return page(runs, limit, _run_json, lambda run: run.id)


@router.get("/api/readiness/{audit_id}")
async def audit(house: TheHouse, me: Me, audit_id: str) -> Response:
    """One audit with its findings; `latest` is the newest. Names and evidence of documents that this person may not read
    are withheld (`external_id` empty); the counts are whole."""
    return Json(_shown_json(await house.audits.report(me, "" if audit_id == "latest" else audit_id)))


@router.get("/api/readiness-acceptances")
async def acceptances(house: TheHouse, me: Me) -> Response:
    """What was accepted, by whom and until when; expired ones too."""
    found = await house.audits.accepted(me)
    return Json({"items": [acceptance_to_json(each) for each in found], "next_cursor": None})


@router.post("/api/readiness-acceptances")
async def accept(house: TheHouse, me: Me, body: AcceptBody) -> Response:
    """Take responsibility for findings of a code in one document, until a day. Operators, and publishers of the source."""
    key = DocumentKey(body.source, body.external_id, me.tenant)
    made = await house.audits.accept(me, body.code, key, body.reason, timedelta(days=body.days))
    return Json(acceptance_to_json(made), 201)


@router.post("/api/readiness-acceptances/withdraw")
async def withdraw(house: TheHouse, me: Me, body: UnacceptBody) -> Response:
    """Take an acceptance back: what was found counts again."""
    key = DocumentKey(body.source, body.external_id, me.tenant)
    await house.audits.unaccept(me, body.code, key)
    return Json({"code": body.code, "source": body.source, "external_id": body.external_id})


def _run_json(run: AuditRun) -> dict[str, Any]:
    body = {name: value for name, value in run.body.items() if name != "findings"}
    return {
        **body,
        "audit_id": run.id,
        "started": when(run.started),
        "finished": when(run.finished),
        "complete": run.complete,
    }


def _shown_json(shown: ShownReport) -> dict[str, Any]:
    return {
        **report_to_json(shown.report),
        "audit_id": shown.run.id,
        "complete": shown.run.complete,
        "withheld": shown.withheld,
    }
