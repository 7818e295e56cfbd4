"""The review desk: the queue, one item with its sources beside it, and the decisions."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from countersign.app.desk import ReviewItem
from countersign.domain.errors import CountersignError, NotFound
from countersign.web.answers import sentences_of, source_cards
from countersign.web.rendering import Web, problem_code, redirect, status_of
from countersign.web.routing import SignedIn, TheWeb, pages
from countersign.web.visitor import Visitor, read_signed_form

router = pages()

_PAGE_OF_REVIEWS = 25
_NOTICES = {"approve": "approved", "edit": "edited", "reject": "rejected", "escalate": "escalated"}


@router.get("/reviews")
async def queue_page(
    request: Request, web: TheWeb, visitor: SignedIn, state: str = "open", cursor: str = ""
) -> Response:
    """The queue with its first item opened, so that a reviewer begins with one key."""
    return await _desk(request, web, visitor, state=state, cursor=cursor)


@router.get("/reviews/{review_id}")
async def review_page(
    request: Request,
    web: TheWeb,
    visitor: SignedIn,
    review_id: str,
    state: str = "open",
    cursor: str = "",
    act: str = "",
) -> Response:
    """`act` opens the form of an action for browsers without scripts."""
    return await _desk(request, web, visitor, state=state, cursor=cursor, review_id=review_id, act=act)


@router.post("/reviews/{review_id}/claim")
async def claim(request: Request, web: TheWeb, visitor: SignedIn, review_id: str) -> Response:
    form = await read_signed_form(request, visitor)
    try:
        if form.text("give_back"):
            await web.house.desk.release_claim(visitor.me, review_id)
        else:
            await web.house.desk.claim(visitor.me, review_id)
    except CountersignError as error:
        return await _failed(request, web, visitor, review_id, error)
    return redirect(f"/reviews/{review_id}?notice={'returned' if form.text('give_back') else 'claimed'}")


@router.post("/reviews/{review_id}/decision")
async def decision(request: Request, web: TheWeb, visitor: SignedIn, review_id: str) -> Response:
    """On to the next item; what was typed survives a decision that could not be taken."""
    form = await read_signed_form(request, visitor)
    verdict, text, reason = form.text("decision"), form.text("text"), form.text("reason")
    try:
        await web.house.desk.decide(visitor.me, review_id, verdict, text if verdict == "edit" else "", reason)
    except CountersignError as error:
        return await _failed(request, web, visitor, review_id, error, act=verdict, text=text, reason=reason)
    following = form.text("next")
    notice = _NOTICES[verdict]
    if following and await _is_open(web, visitor, following):
        return redirect(f"/reviews/{following}?notice={notice}")
    return redirect(f"/reviews?notice={notice}")


async def _is_open(web: Web, visitor: Visitor, review_id: str) -> bool:
    try:
        return (await web.house.desk.review(visitor.me, review_id)).review.state != "decided"
    except NotFound:
        return False


async def _failed(
    request: Request,
    web: Web,
    visitor: Visitor,
    review_id: str,
    error: CountersignError,
    *,
    act: str = "",
    text: str = "",
    reason: str = "",
) -> Response:
    if isinstance(error, NotFound):
        raise error
    return await _desk(
        request,
        web,
        visitor,
        review_id=review_id,
        act=act,
        typed_text=text,
        typed_reason=reason,
        problem=problem_code(error),
        status=status_of(error),
    )


async def _desk(
    request: Request,
    web: Web,
    visitor: Visitor,
    *,
    state: str = "open",
    cursor: str = "",
    review_id: str = "",
    act: str = "",
    typed_text: str = "",
    typed_reason: str = "",
    problem: str = "",
    status: int = 200,
) -> Response:
    state = "decided" if state == "decided" else "open"
    waiting = await web.house.desk.queue(visitor.me, state, _PAGE_OF_REVIEWS + 1, cursor)
    queue = [await web.house.desk.review(visitor.me, one.review_id) for one in waiting[:_PAGE_OF_REVIEWS]]
    item = await _chosen(web, visitor, queue, review_id)
    answer = item.stored.answer if item else None
    before, after = _neighbours(queue, item)
    draft = (answer.draft or answer.text) if answer else ""
    return web.page(
        request,
        "reviews.html",
        visitor,
        status_code=status,
        queue=queue,
        more=queue[-1].review.review_id if len(waiting) > len(queue) else "",
        state=state,
        item=item,
        draft=draft,
        sentences=sentences_of(draft, answer.claims, answer.citations) if answer else (),
        sources=await source_cards(web, visitor.me, item.stored) if item else [],
        before=before,
        after=after,
        act=act,
        typed_text=typed_text or draft,
        typed_reason=typed_reason,
        problem=problem,
        is_chosen=bool(review_id),
    )


async def _chosen(web: Web, visitor: Visitor, queue: list[ReviewItem], review_id: str) -> ReviewItem | None:
    if not review_id:
        return queue[0] if queue else None
    for item in queue:
        if item.review.review_id == review_id:
            return item
    return await web.house.desk.review(visitor.me, review_id)


def _neighbours(queue: list[ReviewItem], item: ReviewItem | None) -> tuple[str, str]:
    """Ids of the items before and after; empty at the ends."""
    ids = [one.review.review_id for one in queue]
    if item is None or item.review.review_id not in ids:
        return "", ids[0] if ids else ""
    at = ids.index(item.review.review_id)
    return ids[at - 1] if at else "", ids[at + 1] if at + 1 < len(ids) else ""
