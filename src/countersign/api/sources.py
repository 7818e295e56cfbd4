"""Sources: how fresh each is, what its passes did, and asking for one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from countersign.access.decide import Action, Permit, may
from countersign.api.schemas import Json, Limit, Strict, page, when
from countersign.api.security import Me, TheHouse, keyed
from countersign.app.freshness import SourceFreshness, SourcePass
from countersign.domain.workspace import SourceSettings
from countersign.storage.document_views import SourceView

router = keyed()

PassCursor = Annotated[str, Query(pattern=r"^[0-9]{0,18}$", description="`next_cursor` of the page before")]


class SyncBody(Strict):
    accept_removals: bool = False


@router.get("/api/sources")
async def sources(house: TheHouse, me: Me) -> Response:
    """The sources of this tenant and when each was last whole; figures and errors for those who run the service."""
    if isinstance(may(me, Action.READ_STATE), Permit):
        items = [source_json(one) for one in await house.freshness.sources(me)]
        return Json({"items": items, "next_cursor": None})
    states = {state.source: state for state in await house.library.sources(me)}
    mine = (s for s in house.workspace.sources.values() if not s.tenants or me.tenant in s.tenants)
    items = [_outside(source, states.get(source.name)) for source in sorted(mine, key=lambda s: s.name)]
    return Json({"items": items, "next_cursor": None})


@router.get("/api/sources/{source}/passes")
async def passes(
    house: TheHouse, me: Me, source: str, limit: Limit = 20, cursor: PassCursor = ""
) -> Response:
    """The newest hundred passes over a source, newest first."""
    found = await house.freshness.passes(me, source, limit=limit + 1, before=int(cursor or 0))
    return page(found, limit, pass_json, lambda one: str(one.number))


@router.post("/api/sources/{source}/sync")
async def sync(house: TheHouse, me: Me, source: str, body: SyncBody | None = None) -> Response:
    """Begin a pass soon, for operators and the source's publishers. One that runs already is followed by another.
    `accept_removals` lets it remove what the newest pass held back (`source_shrunk`); operators only."""
    asked = await house.freshness.ask(me, source, accept_removals=bool(body and body.accept_removals))
    return Json({"source": asked.source, "job_id": asked.job_id}, 202)


def source_json(one: SourceFreshness) -> dict[str, Any]:
    return {
        "source": one.source,
        "connector": one.connector,
        "status": one.status,
        "synced": when(one.synced),
        "attempted": when(one.attempted),
        "next_due": when(one.next_due),
        "lag_s": one.lag_s,
        "max_age_s": one.max_age.total_seconds() if one.max_age else None,
        "late": one.is_late,
        "schedule": one.schedule or None,
        "watch": one.watch,
        "documents": one.documents,
        "indexed": one.indexed,
        "queued": one.queued,
        "quarantined": one.quarantined,
        "failed": one.failed,
        "coverage": one.coverage,
        "error": one.error or None,
        "hint": one.hint or None,
        "failures": one.failures,
        "held": {"absent": one.held_absent, "of": one.held_of} if one.held_absent else None,
        "last_pass": pass_json(one.last) if one.last else None,
    }


def pass_json(one: SourcePass) -> dict[str, Any]:
    return {
        "number": one.number,
        "trigger": one.trigger,
        "begun": when(one.begun),
        "ended": when(one.ended),
        "duration_s": one.duration_s,
        "outcome": one.outcome,
        "error": one.error or None,
        "listed": one.listed,
        "new": one.new,
        "changed": one.changed,
        "unchanged": one.unchanged,
        "removed": one.removed,
        "quarantined": one.quarantined,
        "failed": one.failed,
        "bytes_read": one.bytes_read,
        "problems": [{"external_id": external_id, "code": code} for external_id, code in one.problems],
    }


def _outside(source: SourceSettings, state: SourceView | None) -> dict[str, Any]:
    return {
        "source": source.name,
        "connector": source.connector,
        "synced": state.synced if state else None,
        "documents": None,
        "error": None,
    }
