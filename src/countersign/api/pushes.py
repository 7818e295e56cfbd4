"""What a client pushes, in either of its two forms: JSON with the content inside, or multipart with a file."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, TypeVar

import orjson
from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from countersign.api.errors import invalid
from countersign.api.schemas import DocumentBody, MetaBody, zoned
from countersign.app.library import Submission
from countersign.domain.errors import UsageError

T = TypeVar("T", bound=MetaBody)

MAX_JSON_BYTES = 32 << 20
"""A larger document comes as multipart, which is not held in memory twice."""
_MAX_META_BYTES = 256 << 10
_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "meta": {"$ref": "#/components/schemas/MetaBody"},
    },
}
PUSH_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/DocumentBody"}},
            "multipart/form-data": {"schema": _FORM},
        },
    }
}
"""How a push looks in the description of this API."""


async def read_push(request: Request) -> tuple[bytes, Submission]:
    """(content, what is said of it). Raises `UsageError`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _multipart(request)
    if kind == "application/json" or kind.endswith("+json"):
        return _from_json(await request.body())
    raise UsageError(
        "the body is neither multipart nor JSON",
        code="content_type_unsupported",
        hint="Send multipart/form-data with `file` and `meta`, or application/json.",
    )


def _from_json(raw: bytes) -> tuple[bytes, Submission]:
    body = _parsed(DocumentBody, raw)
    if (body.text is None) == (body.content_base64 is None):
        raise UsageError(
            "the content is missing or said twice",
            code="content_invalid",
            hint="Give either `text` or `content_base64`.",
        )
    if body.text is not None:
        return body.text.encode(), _said(body, body.filename, body.mime or "text/plain")
    return _decoded(body.content_base64 or ""), _said(
        body, body.filename, body.mime or "application/octet-stream"
    )


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise UsageError("`content_base64` is not base64", code="content_invalid") from None


async def _multipart(request: Request) -> tuple[bytes, Submission]:
    async with request.form(max_files=2, max_fields=2, max_part_size=_MAX_META_BYTES) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise UsageError(
                "there is no `file` part", code="file_missing", hint="Send the document as `file`."
            )
        meta = _parsed(MetaBody, await _meta(form))
        mime = meta.mime or file.content_type or "application/octet-stream"
        return await file.read(), _said(meta, meta.filename or _base_name(file.filename or ""), mime)


async def _meta(form: FormData) -> bytes:
    """As a field, or as a small file, which is how some clients send JSON."""
    meta = form.get("meta", "{}")
    return await meta.read(_MAX_META_BYTES) if isinstance(meta, UploadFile) else meta.encode()


def _parsed(kind: type[T], raw: bytes) -> T:
    try:
        value: Any = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise invalid([{"type": "json_invalid", "loc": ("body",)}]) from None
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        details: list[Mapping[str, Any]] = [
            {"type": one["type"], "loc": ("body", *one["loc"]), "msg": one["msg"]}
            for one in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        raise invalid(details) from None


def _base_name(filename: str) -> str:
    """A browser may send a path; only its last part is a name, and control characters are none of it."""
    last = filename.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(c for c in last if c.isprintable())[:255]


def _said(meta: MetaBody, filename: str, mime: str) -> Submission:
    return Submission(
        filename=filename,
        mime=mime,
        title=meta.title,
        any_of=tuple(meta.rights.any_of),
        all_of=tuple(meta.rights.all_of),
        residency=meta.residency,
        classification=meta.classification,
        owner=meta.owner,
        modified=zoned(meta.modified),
        valid_from=zoned(meta.valid_from),
        valid_to=zoned(meta.valid_to),
        supersedes=meta.supersedes,
    )
