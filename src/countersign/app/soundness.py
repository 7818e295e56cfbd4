"""What a connector says, made fit to be kept: a connector may be wrong about names, tenants, rights and dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from countersign.access.terms import valid_term
from countersign.domain.documents import Rights, SourceDocument
from countersign.domain.text import made_storable, storable
from countersign.sources.connector import Listed

_MAX_NAME = 1_000
_SHOWN = 300
_MAX_REVISION = 500
_AHEAD = timedelta(days=1)
"""Clocks differ by minutes; a file that was modified next year was not."""
_TEXTS = ("title", "filename", "mime", "rights_origin", "residency", "classification", "owner", "supersedes")


def sound(listed: Listed, source: str, tenants: Sequence[str], now: datetime) -> Listed:
    """The same entry with what cannot be kept taken out, set aside (`quarantine`) or told (`problem`)."""
    document = _sound(listed.document, source, now)
    if document.tenant not in tenants:
        document = _set_aside(replace(document, tenant=tenants[0]), "wrong_tenant")
    revision = listed.revision if storable(listed.revision) and len(listed.revision) <= _MAX_REVISION else ""
    problem = listed.problem
    name = document.external_id
    if not name or len(name) > _MAX_NAME or not storable(name):
        problem = problem or "source_name_unreadable"
        document = replace(document, external_id=_shown(name))
    return replace(listed, document=document, revision=revision, problem=problem)


def _sound(document: SourceDocument, source: str, now: datetime) -> SourceDocument:
    said = {name: made_storable(getattr(document, name)) for name in _TEXTS}
    modified = _zoned(document.modified)
    made = replace(
        document,
        **said,
        source=source,
        modified=None if modified and modified > now + _AHEAD else modified,
        valid_from=_zoned(document.valid_from),
        valid_to=_zoned(document.valid_to),
        parts=tuple(_sound(part, source, now) for part in document.parts),
    )
    terms = (term for clause in document.rights.clauses for term in clause)
    if all(valid_term(term) and storable(term) for term in terms):
        return made
    return _set_aside(made, "rights_unsupported")


def _set_aside(document: SourceDocument, why: str) -> SourceDocument:
    return replace(document, rights=Rights(), quarantine=document.quarantine or why)


def _zoned(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


def _shown(text: str) -> str:
    """Characters that are no text, written out."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")[:_SHOWN]
