"""How a page is reached: routes that answer errors with pages, and the two things that every page asks for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute

from countersign.domain.errors import CountersignError, UsageError
from countersign.web.rendering import HEADERS, Web, redirect
from countersign.web.visitor import SignInNeeded, Visitor, came_from_elsewhere, find_visitor, sign_in_path


class PageRoute(APIRoute):
    """Errors of the house become pages here, so that other doors of the same server keep their own shapes."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # pyright: ignore[reportIncompatibleMethodOverride]
        handle = super().get_route_handler()

        async def handle_page(request: Request) -> Response:
            try:
                return await handle(request)
            except SignInNeeded:
                return _to_sign_in(request)
            except RequestValidationError:
                return await _problem(request, UsageError("the request is malformed", code="form_invalid"))
            except CountersignError as error:
                return await _problem(request, error)

        return handle_page


def pages() -> APIRouter:
    return APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)


def the_web(request: Request) -> Web:
    web: Any = request.app.state.web
    return web


async def signed_in(request: Request, web: Annotated[Web, Depends(the_web)]) -> Visitor:
    """Raises `SignInNeeded`."""
    visitor = await find_visitor(request, web.house)
    if visitor is None:
        raise SignInNeeded
    return visitor


TheWeb = Annotated[Web, Depends(the_web)]
SignedIn = Annotated[Visitor, Depends(signed_in)]


async def _problem(request: Request, error: CountersignError) -> Response:
    web = the_web(request)
    return web.problem(request, await find_visitor(request, web.house), error)


def _to_sign_in(request: Request) -> Response:
    """A link from elsewhere arrives without our strict cookie: one step on our own site, and the browser brings it."""
    if request.method == "GET" and came_from_elsewhere(request):
        return the_web(request).page(request, "arrived.html", None)
    if request.method != "GET":
        return Response(status_code=401, headers=dict(HEADERS))
    return redirect(sign_in_path(request))
