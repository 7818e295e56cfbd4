"""Who is calling: every keyed route authenticates before it reads a body, so none can forget to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute

from countersign.access.principal import Principal
from countersign.app.house import House
from countersign.domain.errors import NotFound

_MAX_PART = 1_000


class KeyedRoute(APIRoute):
    """A route for holders of a key."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # pyright: ignore[reportIncompatibleMethodOverride]
        handle = super().get_route_handler()

        async def handle_keyed(request: Request) -> Response:
            request.state.principal = await caller(request)
            _check_ids(request)
            return await handle(request)

        return handle_keyed


def keyed() -> APIRouter:
    return APIRouter(route_class=KeyedRoute)


async def caller(request: Request) -> Principal:
    """The holder of the request's key. Raises `NotAuthenticated`, the same for a missing, malformed and wrong one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    house: House = request.app.state.house
    return await house.people.authenticate(token.strip() if scheme.lower() == "bearer" else "")


def _check_ids(request: Request) -> None:
    """What cannot be an id names nothing: it looks like any other id that is not there."""
    for name, value in request.path_params.items():
        text = str(value)
        if name != "external_id" and (not text.isprintable() or len(text) > _MAX_PART):
            raise NotFound("there is nothing here under this id")


async def _the_house(request: Request) -> House:
    return request.app.state.house


async def _the_caller(request: Request) -> Principal:
    return request.state.principal


def request_id_of(request: Request) -> str:
    return request.scope["state"]["request_id"]


TheHouse = Annotated[House, Depends(_the_house)]
Me = Annotated[Principal, Depends(_the_caller)]
