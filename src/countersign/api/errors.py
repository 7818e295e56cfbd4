"""The one place where errors become HTTP: a status for each kind, and one body for each of the two dialects.

What must look absent gives the same bytes whatever it was, except for the request's id.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from countersign.domain.errors import (
    BudgetExceeded,
    Conflict,
    CountersignError,
    LimitExceeded,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    ProviderError,
    ProviderThrottled,
    ProviderTimeout,
    SourceError,
    StorageError,
    UsageError,
)

logger = logging.getLogger(__name__)

_STATUSES: tuple[tuple[type[CountersignError], int], ...] = (
    (UsageError, 400),
    (NotAuthenticated, 401),
    (NotPermitted, 403),
    (NotFound, 404),
    (Conflict, 409),
    (LimitExceeded, 429),
    (BudgetExceeded, 429),
    (ProviderThrottled, 503),
    (ProviderTimeout, 504),
    (ProviderError, 502),
    (SourceError, 502),
    (StorageError, 503),
)
_STATUS_BY_CODE = {
    "body_too_large": 413,
    "document_too_large": 413,
    "content_type_unsupported": 415,
    "method_not_allowed": 405,
    "overloaded": 503,
}
_OPENAI_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,40}")
_HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


def status_of(error: CountersignError) -> int:
    """The HTTP status of an error: by its code where the kind is too coarse, else by its kind."""
    if error.code in _STATUS_BY_CODE:
        return _STATUS_BY_CODE[error.code]
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def known(error: BaseException, request_id: str) -> CountersignError:
    """`error` itself when it may be told; anything else is logged here and told as `internal`."""
    if isinstance(error, CountersignError) and status_of(error) != 500:
        return error
    logger.error("request %s failed", request_id, exc_info=error)
    return CountersignError(
        "something went wrong on our side",
        hint="Retry; if it stays, give the request id to whoever runs this service.",
    )


def error_body(error: CountersignError, path: str, request_id: str) -> dict[str, Any]:
    """`{"error": {code, message, hint, request_id}}`, with `type` and `param` beside them under `/v1`."""
    message, hint = error.message, error.hint
    if isinstance(error, NotFound) and error.code == NotFound.default_code:
        message = "there is nothing here under this id"
        hint = "It may not exist, or you may not see it."
    body: dict[str, Any] = {"code": error.code, "message": message, "hint": hint, "request_id": request_id}
    if is_openai(path):
        kind = _OPENAI_TYPES.get(
            status_of(error), "invalid_request_error" if status_of(error) < 500 else "api_error"
        )
        body |= {"type": kind, "param": None}
    return {"error": body}


def error_response(error: CountersignError, path: str, request_id: str) -> Response:
    status = status_of(error)
    headers: dict[str, str] = {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status in (429, 503):
        headers["Retry-After"] = "1"
    body = orjson.dumps(error_body(error, path, request_id))
    return Response(body, status, headers, media_type="application/json")


def is_openai(path: str) -> bool:
    return path == "/v1" or path.startswith("/v1/")


def install(app: FastAPI) -> None:
    """Unknown exceptions do not come here: the edge has the last word on them."""
    app.add_exception_handler(CountersignError, _on_ours)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)


async def _on_ours(request: Request, error: Exception) -> Response:
    request_id = request.scope["state"]["request_id"]
    return error_response(known(error, request_id), request.url.path, request_id)


async def _on_invalid(request: Request, error: Exception) -> Response:
    details: Sequence[Any] = error.errors() if isinstance(error, RequestValidationError) else ()
    return await _on_ours(request, invalid(details))


async def _on_http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 400
    if status == 404:
        return await _on_ours(request, NotFound("there is no such page", code="route_not_found"))
    code = _HTTP_CODES.get(status, "bad_request")
    words = HTTPStatus(status).phrase.lower() if code != "bad_request" else "the request cannot be read"
    return await _on_ours(request, UsageError(words, code=code))


def invalid(details: Sequence[Mapping[str, Any]]) -> UsageError:
    """Names the first field that is wrong and why, and never repeats what was sent."""
    first = details[0] if details else {"type": "", "loc": ()}
    if first["type"] == "json_invalid":
        return UsageError("the body is not valid JSON", code="json_invalid")
    where, *path = first["loc"] or ("body",)
    field = ".".join(_name(part) for part in path) or "body"
    words = str(first.get("msg", "not valid")) if first["type"] != "value_error" else "not valid"
    code = "body_invalid" if where == "body" else "parameter_invalid"
    return UsageError(f"{field}: {words}", code=code, hint="/api/docs describes every request.")


def _name(part: object) -> str:
    return str(part) if isinstance(part, int) or _FIELD.fullmatch(str(part)) else "…"
