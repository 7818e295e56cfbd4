"""Stored answers and their citations; every read re-checks what its reader may see at this moment."""

from __future__ import annotations

from typing import Any

from sqlalchemy import RowMapping
from starlette.responses import Response

from countersign.api.schemas import Cursor, FeedbackBody, Json, Limit, page, stored_json
from countersign.api.security import Me, TheHouse, keyed
from countersign.app.shapes import citation_json

router = keyed()


@router.get("/api/answers")
async def answers(house: TheHouse, me: Me, limit: Limit = 50, cursor: Cursor = "") -> Response:
    """One's own answers, newest first, without their texts."""
    rows = await house.desk.my_answers(me, limit + 1, before_id=cursor)
    return page(rows, limit, _line, lambda row: str(row["id"]))


@router.get("/api/answers/{answer_id}")
async def answer(house: TheHouse, me: Me, answer_id: str) -> Response:
    """One answer, for its asker, its reviewers and auditors; texts are withheld when a source is no longer theirs."""
    return Json(stored_json(await house.desk.answer(me, answer_id)))


@router.post("/api/answers/{answer_id}/feedback")
async def feedback(house: TheHouse, me: Me, answer_id: str, body: FeedbackBody) -> Response:
    """Say whether an answer helped: `helpful`, `wrong`, `incomplete` or `other`."""
    await house.desk.feedback(me, answer_id, body.verdict, body.text)
    return Json({"answer_id": answer_id, "verdict": body.verdict}, 201)


@router.get("/api/citations/{citation_id}")
async def citation(house: TheHouse, me: Me, citation_id: str) -> Response:
    """A citation with the passage around its quote."""
    cited = await house.desk.citation(me, citation_id)
    has_page = cited.citation.page is not None
    return Json(
        citation_json(cited.citation)
        | {
            "passage": cited.passage_text,
            "filename": cited.filename,
            "mime": cited.mime,
            "pages": cited.pages,
            "page_image": f"/api/citations/{cited.citation.citation_id}/page.png" if has_page else None,
        }
    )


@router.get("/api/citations/{citation_id}/page.png")
async def page_image(house: TheHouse, me: Me, citation_id: str) -> Response:
    """The cited page as an image; 404 `no_page` when the format has no pages."""
    return Response(await house.desk.page_png(me, citation_id), media_type="image/png")


def _line(row: RowMapping) -> dict[str, Any]:
    return {
        "answer_id": row["id"],
        "question": row["question"],
        "status": row["status"],
        "assistant": row["assistant"],
        "created": row["created"],
    }
