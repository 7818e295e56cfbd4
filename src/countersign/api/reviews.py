"""The review queue: answers that wait for a human, and the four decisions about them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.responses import Response

from countersign.api.schemas import Cursor, DecisionBody, Json, Limit, page, stored_json, when
from countersign.api.security import Me, TheHouse, keyed
from countersign.review.desk import Review

router = keyed()

State = Annotated[Literal["open", "decided"], Query(description="`open` is everything undecided")]


@router.get("/api/reviews")
async def reviews(
    house: TheHouse, me: Me, state: State = "open", limit: Limit = 50, cursor: Cursor = ""
) -> Response:
    """What this reviewer may decide and whose every source they may read; `overdue` ones first, then the oldest."""
    items = await house.desk.queue(me, state, limit + 1, cursor)
    now = house.clock.now()
    return page(items, limit, lambda item: review_json(item, now), lambda item: item.review_id)


@router.get("/api/reviews/{review_id}")
async def review(house: TheHouse, me: Me, review_id: str) -> Response:
    """One item with the question, the draft and its citations."""
    item = await house.desk.review(me, review_id)
    shown = stored_json(item.stored) | {"draft": item.stored.answer.draft}
    return Json(review_json(item.review, house.clock.now()) | {"answer": shown})


@router.post("/api/reviews/{review_id}/claim")
async def claim(house: TheHouse, me: Me, review_id: str) -> Response:
    """Take an item for oneself; 409 `review_claimed` when someone else has it."""
    return Json(review_json(await house.desk.claim(me, review_id), house.clock.now()))


@router.delete("/api/reviews/{review_id}/claim")
async def release_claim(house: TheHouse, me: Me, review_id: str) -> Response:
    """Put an item of one's own back into the queue."""
    return Json(review_json(await house.desk.release_claim(me, review_id), house.clock.now()))


@router.post("/api/reviews/{review_id}/decision")
async def decide(house: TheHouse, me: Me, review_id: str, body: DecisionBody) -> Response:
    """`approve`, `edit` (with the text), `reject` or `escalate` (each with a reason)."""
    decided = await house.desk.decide(me, review_id, body.decision, body.text, body.reason)
    return Json(review_json(decided, house.clock.now()))


def review_json(review: Review, now: datetime) -> dict[str, Any]:
    return {
        "review_id": review.review_id,
        "answer_id": review.answer_id,
        "assistant": review.assistant,
        "asker": review.asker,
        "state": review.state,
        "reasons": list(review.reasons),
        "groups": sorted(review.groups),
        "created": when(review.created),
        "deadline": when(review.deadline),
        "overdue": review.overdue(now),
        "claimed_by": review.claimed_by or None,
        "decided_by": review.decided_by or None,
        "decision": review.decision or None,
        "text": review.decision_text or None,
        "reason": review.decision_reason or None,
        "decided": when(review.decided),
    }
