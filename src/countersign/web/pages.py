"""The web desk: server-rendered pages over the same services as the other doors. `mount` is all that is needed."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from countersign.app.house import House
from countersign.web import (
    answers,
    asking,
    documents,
    questions,
    readiness,
    records,
    reviews,
    search,
    sign_in,
    sources,
    status,
)
from countersign.web.rendering import HEADERS, Web


class Assets(StaticFiles):
    """Our own files. An address that names its content's hash may be kept for ever; every other is asked for again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        named = b"v=" in scope.get("query_string", b"")
        response.headers.update(HEADERS)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if named else "no-cache"
        return response


def mount(app: FastAPI, house: House) -> None:
    """Add the desk's pages and their assets to a server of this house."""
    app.state.web = Web(house)
    for page in (
        sign_in,
        asking,
        search,
        answers,
        documents,
        reviews,
        records,
        readiness,
        sources,
        questions,
        status,
    ):
        app.include_router(page.router)
    app.mount("/static", Assets(packages=[("countersign.web", "static")]), name="static")
