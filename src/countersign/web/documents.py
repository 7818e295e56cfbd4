"""Documents with their state and reasons; readers see theirs, operators the state of all."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from countersign.domain.documents import DocumentStatus
from countersign.web.rendering import Web
from countersign.web.routing import SignedIn, TheWeb, pages

router = pages()

_PAGE_OF_DOCUMENTS = 50


@router.get("/documents")
async def documents_page(
    request: Request,
    web: TheWeb,
    visitor: SignedIn,
    source: str = "",
    status: str = "",
    cursor: str = "",
) -> Response:
    found = await web.house.library.list(
        visitor.me, source=source, status=status, limit=_PAGE_OF_DOCUMENTS + 1, cursor=cursor
    )
    shown = found[:_PAGE_OF_DOCUMENTS]
    return web.page(
        request,
        "documents.html",
        visitor,
        documents=shown,
        source=source,
        wanted_status=status,
        cursor=cursor,
        more=shown[-1].document_id if len(found) > len(shown) else "",
        sources=_sources(web, visitor.me.tenant),
        statuses=[status.value for status in DocumentStatus],
    )


@router.get("/documents/{document_id}")
async def document_page(
    request: Request, web: TheWeb, visitor: SignedIn, document_id: str, why: str = "", about: str = ""
) -> Response:
    """The explanation of rights is recorded, so it is made only when asked for."""
    document = await web.house.library.get(visitor.me, document_id)
    explanation = await web.house.people.why(visitor.me, about.strip(), document_id) if why else None
    summarisers = [a.name for a in web.house.asking.assistants(visitor.me) if "summarise" in a.tasks]
    return web.page(
        request,
        "document.html",
        visitor,
        document=document,
        explanation=explanation,
        about=about,
        summariser=summarisers[0] if summarisers else "",
    )


def _sources(web: Web, tenant: str) -> list[str]:
    """The sources that may speak for this tenant: configuration, not content."""
    known = web.house.workspace.sources.values()
    return sorted(source.name for source in known if not source.tenants or tenant in source.tenants)
