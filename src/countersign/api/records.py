"""The record: one answer's whole story, and pages of events for those who audit."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from countersign.api.schemas import Json, Limit, page, stored_json, when
from countersign.api.security import Me, TheHouse, keyed
from countersign.app.ledger import sees_record
from countersign.record.views import RecordedEvent

router = keyed()

_INSIDE = frozenset({"passages", "documents", "denied", "dropped"})
"""What retrieval considered: for those who may read the record, not for the asker."""
SeqCursor = Annotated[str, Query(pattern=r"^[0-9]{0,18}$", description="`next_cursor` of the page before")]
Kind = Annotated[str, Query(pattern=r"^[a-z_.]{0,60}$", description="such as `answer.decided`")]


@router.get("/api/record/answers/{answer_id}")
async def story(house: TheHouse, me: Me, answer_id: str) -> Response:
    """Everything that happened to one answer, in its order: for its asker, its reviewers and auditors."""
    told = await house.ledger.story(me, answer_id)
    whole = sees_record(me)
    return Json({"answer": stored_json(told.stored), "events": [event_json(e, whole) for e in told.events]})


@router.get("/api/record/events")
async def events(
    house: TheHouse, me: Me, kind: Kind = "", limit: Limit = 50, cursor: SeqCursor = ""
) -> Response:
    """Events of this tenant, newest first, without personal data."""
    found = await house.ledger.events(me, kind=kind, before=int(cursor or 0), limit=limit + 1)
    return page(found, limit, lambda event: event_json(event, True), lambda event: str(event.seq))


def event_json(event: RecordedEvent, whole: bool) -> dict[str, Any]:
    facts = {name: value for name, value in event.facts.items() if whole or name not in _INSIDE}
    return {
        "seq": event.seq,
        "at": when(event.at),
        "kind": event.kind,
        "actor": event.actor,
        "subject": event.subject,
        "request_id": event.request_id or None,
        "facts": facts,
        "personal": dict(event.personal),
        "personal_state": event.personal_state,
        "hash": event.hash,
    }
