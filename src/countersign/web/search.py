"""The search page: what this person finds, with the words that were searched for, and for operators why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import Response

from countersign.access.decide import Action, Permit, may, require
from countersign.access.principal import Principal
from countersign.answer.excerpt import excerpt, marked_words
from countersign.app.index_versions import ListedVersion
from countersign.domain.clock import from_iso
from countersign.domain.errors import UsageError
from countersign.domain.search import MAX_HITS, SearchHit, SearchQuery
from countersign.web.marks import Stretch, stretches
from countersign.web.rendering import HEADERS, Web, request_id
from countersign.web.routing import SignedIn, TheWeb, pages

router = pages()

_LIMITS = (10, 30, MAX_HITS)


@dataclass(frozen=True, slots=True)
class Found:
    """A hit as the list shows it: what fits best at once, and the whole passage where that is more."""

    hit: SearchHit
    best: tuple[Stretch, ...]
    whole: tuple[Stretch, ...]
    starts_inside: bool
    ends_inside: bool

    @property
    def is_cut(self) -> bool:
        return self.starts_inside or self.ends_inside


@router.get("/search")
async def search_page(
    request: Request,
    web: TheWeb,
    visitor: SignedIn,
    query: str = "",
    assistant: str = "",
    as_of: str = "",
    language: str = "",
    every: str = "",
    limit: str = "",
    explain: str = "",
    version: str = "",
) -> Response:
    """Everything stands in the address, so that a search can be repeated, changed and gone back to."""
    require(visitor.me, Action.ASK)
    assistants = web.house.asking.assistants(visitor.me)
    said = {
        "query": query.strip()[:8000],
        "assistant": assistant or await _usual(web, visitor.me, [each.name for each in assistants]),
        "as_of": as_of,
        "language": language[:8],
        "every": every,
        "limit": limit,
        "explain": explain,
        "version": version,
    }
    wanted = _wanted(said) if said["query"] and assistants else None
    results = await web.house.searching.search(visitor.me, wanted, request_id(request)) if wanted else None
    shown = wanted.limit if wanted else _LIMITS[0]
    more = next((each for each in _LIMITS if each > shown), 0)
    return web.page(
        request,
        "search.html",
        visitor,
        said=said,
        assistants=assistants,
        results=results,
        found=[_found(hit, said["query"]) for hit in results.hits] if results else [],
        more=more if results and len(results.hits) == shown else 0,
        versions=await _versions(web, visitor.me),
        address=partial(_address, said),
    )


@router.get("/searches/{search_id}/hits/{rank}/page.png")
async def page_image(web: TheWeb, visitor: SignedIn, search_id: str, rank: int) -> Response:
    image = await web.house.searching.page_png(visitor.me, search_id, rank)
    return Response(image, media_type="image/png", headers=dict(HEADERS))


async def _usual(web: Web, me: Principal, names: Sequence[str]) -> str:
    """The assistant that this person asked last, else their first."""
    recent = await web.house.desk.my_answers(me, 1)
    used = recent[0]["assistant"] if recent else ""
    return used if used in names else next(iter(names), "")


def _wanted(said: Mapping[str, str]) -> SearchQuery:
    limit = said["limit"]
    return SearchQuery(
        said["assistant"],
        said["query"],
        as_of=_day(said["as_of"]),
        language=said["language"],
        limit=int(limit) if limit in map(str, _LIMITS) else _LIMITS[0],
        per_document=not said["every"],
        explain=bool(said["explain"]),
        index_version=said["version"],
    )


def _found(hit: SearchHit, query: str) -> Found:
    marked = marked_words(hit.quote, query, hit.language)
    start, end = excerpt(hit.quote, marked)
    return Found(
        hit,
        stretches(hit.quote, marked, start, end),
        stretches(hit.quote, marked),
        bool(hit.quote[:start].strip()),
        bool(hit.quote[end:].strip()),
    )


async def _versions(web: Web, me: Principal) -> list[ListedVersion]:
    """What an operator may look at beside the live version; nothing where there is only that one."""
    if not isinstance(may(me, Action.EXPLAIN_SEARCH), Permit):
        return []
    listed = await web.house.index_versions.list()
    kept = [each for each in listed if each.servable and each.stored.state in ("ready", "live")]
    return kept if len(kept) > 1 else []


def _address(said: Mapping[str, str], **changed: str | int) -> str:
    """This search once more, with something changed."""
    pairs = {name: str(value) for name, value in {**said, **changed}.items() if value}
    return f"/search?{urlencode(pairs)}"


def _day(text: str) -> datetime | None:
    try:
        return from_iso(text) if text else None
    except ValueError:
        raise UsageError("the date cannot be read", code="date_invalid") from None
