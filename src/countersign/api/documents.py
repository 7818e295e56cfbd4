"""Documents: push, look at, change, remove, erase."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

from countersign.api.pushes import PUSH_BODY, read_push
from countersign.api.schemas import Cursor, Json, Limit, PatchBody, Word, page, zoned
from countersign.api.security import Me, TheHouse, keyed
from countersign.app.library import Change
from countersign.storage.document_views import DocumentView

router = keyed()


@router.get("/api/documents")
async def documents(
    house: TheHouse, me: Me, source: Word = "", status: Word = "", limit: Limit = 50, cursor: Cursor = ""
) -> Response:
    """What this person may read; operators see the state of everything, without titles they may not read."""
    views = await house.library.list(me, source=source, status=status, limit=limit + 1, cursor=cursor)
    return page(views, limit, document_json, lambda view: view.document_id)


@router.get("/api/documents/{document_id}")
async def document(house: TheHouse, me: Me, document_id: str) -> Response:
    """One document: its status, how it was read, and what was found about it."""
    return Json(document_json(await house.library.get(me, document_id)))


@router.put("/api/documents/{source}/{external_id:path}", openapi_extra=PUSH_BODY)
async def put(request: Request, house: TheHouse, me: Me, source: str, external_id: str) -> Response:
    """Push a document: multipart (`file`, `meta`) or JSON. 202: it is kept, and searchable when its job is done."""
    content, said = await read_push(request)
    received = await house.library.put(me, source, external_id, content, said)
    body = {
        "document_id": received.document_id,
        "version": received.version,
        "job_id": received.job_id or None,
        "change": received.change,
    }
    return Json(body, 202)


@router.patch("/api/documents/{document_id}")
async def patch(house: TheHouse, me: Me, document_id: str, body: PatchBody) -> Response:
    """Change rights, labels or validity, effective for the very next question."""
    said = {name: getattr(body, name) for name in body.model_fields_set - {"rights"}}
    for name in said.keys() & {"valid_from", "valid_to"}:
        said[name] = zoned(said[name])
    new_rights = "rights" in body.model_fields_set
    change = Change(
        fields=said,
        any_of=tuple(body.rights.any_of) if new_rights else None,
        all_of=tuple(body.rights.all_of),
    )
    return Json(document_json(await house.library.change(me, document_id, change)))


@router.delete("/api/documents/{document_id}")
async def delete(
    house: TheHouse,
    me: Me,
    document_id: str,
    erase: Annotated[bool, Query(description="remove every trace; the job's result is the proof")] = False,
) -> Response:
    """Remove a document, so that the next question no longer finds it; with `erase`, remove every trace of it."""
    gone: dict[str, Any] = {"document_id": document_id, "status": "deleted"}
    if erase:
        return Json(gone | {"job_id": await house.library.erase(me, document_id)}, 202)
    await house.library.delete(me, document_id)
    return Json(gone)


def document_json(view: DocumentView) -> dict[str, Any]:
    return {
        "document_id": view.document_id,
        "source": view.source,
        "external_id": view.external_id,
        "title": view.title,
        "readable": view.readable,
        "status": view.status,
        "reason": view.reason or None,
        "version": view.version,
        "parse_status": view.parse_status or None,
        "parser": view.parser or None,
        "mime": view.mime,
        "filename": view.filename,
        "size": view.size,
        "pages": view.pages,
        "languages": list(view.languages),
        "findings": [dict(finding) for finding in view.findings],
        "job_id": view.job_id or None,
        "residency": view.residency or None,
        "classification": view.classification or None,
        "owner": view.owner or None,
        "modified": view.modified,
        "valid_from": view.valid_from,
        "valid_to": view.valid_to,
        "superseded_at": view.superseded_at,
        "synced": view.synced,
        "updated": view.updated,
    }
