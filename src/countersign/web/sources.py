"""The sources for those who run the service: how fresh each is, what its passes did, and what of it nobody is answered from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import Response

from countersign.app.freshness import SourceFreshness, SourcePass
from countersign.corpus.readiness.catalogue import CODES
from countersign.domain.errors import CountersignError, NotFound, NotPermitted
from countersign.storage.document_views import left_out
from countersign.web.rendering import Web, problem_code, redirect, status_of
from countersign.web.routing import SignedIn, TheWeb, pages
from countersign.web.visitor import Visitor, read_signed_form
from countersign.web.wording_data import LEFT_OUT

router = pages()

_PASSES = 20
_NEEDS_SOMEBODY = ("failing", "held", "stale", "silent", "never_read")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Documents that answer nothing, and why: in the catalogue's words (`what`, `action`), or in those of `kind`."""

    status: str
    why: str
    documents: int
    kind: str
    what: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class Glance:
    """All sources together: how many need somebody, how many are older than they may be, and what is searchable."""

    sources: int
    needy: int
    late: int
    documents: int
    indexed: int


def glance_at(found: Sequence[SourceFreshness]) -> Glance:
    return Glance(
        len(found),
        sum(needs_somebody(each) for each in found),
        sum(each.is_late for each in found),
        sum(each.documents for each in found),
        sum(each.indexed for each in found),
    )


def needs_somebody(source: SourceFreshness) -> bool:
    return source.is_late or source.status in _NEEDS_SOMEBODY


def worst_first(found: Sequence[SourceFreshness]) -> list[SourceFreshness]:
    return sorted(found, key=lambda source: (not needs_somebody(source), source.source))


@router.get("/sources")
async def sources_page(request: Request, web: TheWeb, visitor: SignedIn) -> Response:
    found = await web.house.freshness.sources(visitor.me)
    return web.page(
        request,
        "sources.html",
        visitor,
        sources=worst_first(found),
        glance=glance_at(found),
        may_ask={source.source for source in found if web.house.freshness.may_ask(visitor.me, source.source)},
    )


@router.get("/sources/{name}")
async def source_page(request: Request, web: TheWeb, visitor: SignedIn, name: str) -> Response:
    return await _source(request, web, visitor, name)


@router.post("/sources/{name}/read")
async def read_now(request: Request, web: TheWeb, visitor: SignedIn, name: str) -> Response:
    """A pass as soon as its turn comes; `accept` lets it remove what the newest one held back."""
    form = await read_signed_form(request, visitor)
    accepts = bool(form.text("accept"))
    try:
        await web.house.freshness.ask(visitor.me, name, accept_removals=accepts)
    except (NotFound, NotPermitted):
        raise
    except CountersignError as error:
        return await _source(request, web, visitor, name, error)
    return redirect(f"/sources/{name}?notice={'removals_accepted' if accepts else 'source_asked'}")


async def _source(
    request: Request, web: Web, visitor: Visitor, name: str, error: CountersignError | None = None
) -> Response:
    house = web.house
    passes = await house.freshness.passes(visitor.me, name, limit=_PASSES)
    source = await _one(web, visitor, name)
    return web.page(
        request,
        "source.html",
        visitor,
        status_code=status_of(error) if error else 200,
        source=source,
        passes=passes,
        troubles=_troubles(passes),
        left_out=[_explained(*row) for row in await house.database.read(left_out, visitor.me.tenant, name)],
        may_ask=house.freshness.may_ask(visitor.me, name),
        problem=problem_code(error) if error else "",
    )


async def _one(web: Web, visitor: Visitor, name: str) -> SourceFreshness:
    for source in await web.house.freshness.sources(visitor.me):
        if source.source == name:
            return source
    raise NotFound("there is no such source", code="source_not_found")


def _troubles(passes: Sequence[SourcePass]) -> list[tuple[str, int]]:
    """Why documents of the newest pass could not be read, by code: names are not everybody's to see who sees states."""
    if not passes:
        return []
    return Counter(code for _, code in passes[0].problems).most_common()


def _explained(status: str, why: str, documents: int) -> LeftOut:
    if meaning := CODES.get(why):
        return LeftOut(status, why, documents, "readiness", meaning.what, meaning.action)
    return LeftOut(status, why, documents, "left_out" if why in LEFT_OUT else "parse")
