"""The description of this API, for machines as OpenAPI and for people as one page without anything from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from jinja2 import Environment, StrictUndefined
from starlette.responses import Response

from countersign.api.schemas import DocumentBody, Json, MetaBody

router = APIRouter()

_OPEN = frozenset({"/healthz", "/readyz", "/metrics"})
_ERROR = {
    "description": "What happened and what to do: `{error: {code, message, hint, request_id}}`",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}
_ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {name: {"type": "string"} for name in ("code", "message", "hint", "request_id")},
        }
    },
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One request as the page shows it."""

    method: str
    path: str
    says: str
    keyed: bool
    parameters: tuple[tuple[str, str, str], ...]
    """(name, where, description)."""
    fields: tuple[tuple[str, str], ...]
    """(name, type) of the body."""


@router.get("/api/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    return Json(request.app.openapi())


@router.get("/api/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    described = request.app.openapi()
    style = files("countersign.api").joinpath("reference.css").read_text(encoding="utf-8")
    source = files("countersign.api").joinpath("reference.html").read_text(encoding="utf-8")
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(source)
    html = template.render(info=described["info"], operations=list(operations(described)), style=style)
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'none'"
    )
    return Response(html, media_type="text/html", headers={"Content-Security-Policy": policy})


def describe(app: FastAPI) -> None:
    """Keys and errors are the same everywhere: said once, here, not at every route."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        schema = plain()
        parts: dict[str, Any] = schema.setdefault("components", {})
        parts.setdefault("securitySchemes", {})["key"] = {"type": "http", "scheme": "bearer"}
        parts.setdefault("schemas", {}).update({"Error": _ERROR_SCHEMA, **_pushed()})
        for path, methods in schema["paths"].items():
            for operation in methods.values():
                operation["responses"].pop("422", None)
                operation["responses"]["default"] = _ERROR
                operation["security"] = [] if path in _OPEN else [{"key": []}]
        for unused in ("HTTPValidationError", "ValidationError"):
            parts["schemas"].pop(unused, None)
        return schema

    app.openapi = described


def _pushed() -> dict[str, Any]:
    """Pushes are read by hand, so their bodies are described by hand too."""
    bodies: dict[str, Any] = {}
    for body in (DocumentBody, MetaBody):
        schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
        bodies |= schema.pop("$defs", {}) | {body.__name__: schema}
    return bodies


def operations(described: Mapping[str, Any]) -> Iterator[Operation]:
    schemas = described["components"]["schemas"]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield Operation(
                method=method.upper(),
                path=path,
                says=operation.get("description", ""),
                keyed=bool(operation["security"]),
                parameters=tuple(
                    (p["name"], p["in"], p.get("description") or p["schema"].get("description", ""))
                    for p in operation.get("parameters", ())
                ),
                fields=tuple(_fields(operation.get("requestBody"), schemas)),
            )


def _fields(body: Mapping[str, Any] | None, schemas: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if body is None:
        return
    reference = body["content"]["application/json"]["schema"].get("$ref", "")
    schema = schemas.get(reference.rsplit("/", 1)[-1], {})
    for name, kind in schema.get("properties", {}).items():
        yield name, _type(kind) + (", required" if name in schema.get("required", ()) else "")


def _type(kind: Mapping[str, Any]) -> str:
    if "enum" in kind:
        return " | ".join(str(value) for value in kind["enum"])
    if "anyOf" in kind:
        return " or ".join(_type(one) for one in kind["anyOf"])
    if "$ref" in kind:
        return str(kind["$ref"]).rsplit("/", 1)[-1]
    if kind.get("type") == "array":
        return f"list of {_type(kind.get('items', {}))}"
    return str(kind.get("format") or kind.get("type", "any"))
