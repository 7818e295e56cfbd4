"""`POST /api/search`: the passages that a question finds, in order, without an answer; and the pages that they stand on."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from countersign.api.schemas import Json, SearchBody, zoned
from countersign.api.security import Me, TheHouse, keyed, request_id_of
from countersign.app.shapes import search_json
from countersign.domain.answers import HistoryTurn
from countersign.domain.search import SearchQuery

router = keyed()


@router.post("/api/search")
async def search(request: Request, house: TheHouse, me: Me, body: SearchBody) -> Response:
    """Passages that this person may see, best first: what an answer to the same question would rest on."""
    query = SearchQuery(
        assistant=body.assistant,
        text=body.query,
        history=tuple(HistoryTurn(turn.role, turn.content) for turn in body.history),
        as_of=zoned(body.as_of),
        document_ids=tuple(body.document_ids),
        language=body.language,
        limit=body.limit,
        per_document=body.per_document,
        explain=body.explain,
        index_version=body.index_version,
    )
    return Json(search_json(await house.searching.search(me, query, request_id_of(request))))


@router.get("/api/searches/{search_id}/hits/{rank}/page.png")
async def page_image(house: TheHouse, me: Me, search_id: str, rank: int) -> Response:
    """The page of a passage that one's own search has shown; 404 `no_page` when the format has no pages."""
    return Response(await house.searching.page_png(me, search_id, rank), media_type="image/png")
