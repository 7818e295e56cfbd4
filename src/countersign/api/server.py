"""The application: every router of this door over one opened house."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import Scope

from countersign import __version__
from countersign.api import (
    answers,
    asks,
    chat,
    documents,
    errors,
    health,
    jobs,
    readiness,
    records,
    reference,
    reviews,
    search,
    sources,
)
from countersign.api.edge import Edge
from countersign.api.metrics import Metrics
from countersign.api.pushes import MAX_JSON_BYTES
from countersign.app.house import House

_MAX_BODY_BYTES = 1 << 20
_MULTIPART_SLACK_BYTES = 1 << 20
_SAYS = (
    "Ask governed documents and get answers with verified citations. Every request carries "
    "`Authorization: Bearer KEY`; every error is `{error: {code, message, hint, request_id}}`."
)


def create_app(house: House, *, behind_proxy: bool = False) -> FastAPI:
    """`behind_proxy` says that clients' addresses come from a proxy, so that loopback proves nothing."""
    app = FastAPI(
        title="Countersign",
        version=__version__,
        description=_SAYS,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    metrics = Metrics()
    app.state.house = house
    app.state.metrics = metrics
    app.state.behind_proxy = behind_proxy
    house.asking.observe(metrics.note_answer)
    house.searching.observe(metrics.note_search)
    for part in (
        chat,
        asks,
        search,
        answers,
        reviews,
        documents,
        sources,
        readiness,
        jobs,
        records,
        health,
        reference,
    ):
        app.include_router(part.router)
    errors.install(app)
    reference.describe(app)
    app.add_middleware(Edge, metrics=metrics, max_bytes=_body_limit(house))
    return app


def _body_limit(house: House):
    """Documents may be as large as the workspace allows; everything else is small."""
    largest = house.workspace.parsing.max_bytes + _MULTIPART_SLACK_BYTES

    def limit(scope: Scope) -> int:
        if scope["method"] != "PUT" or not scope["path"].startswith("/api/documents/"):
            return _MAX_BODY_BYTES
        kind = dict(scope["headers"]).get(b"content-type", b"")
        return largest if kind.lower().startswith(b"multipart/") else min(largest, MAX_JSON_BYTES)

    return limit
