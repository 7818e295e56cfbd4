"""The documents of a source as they were taken in, without whatever is inside them: what was pushed can be read again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, or_, select

from countersign.domain.documents import SourceDocument
from countersign.storage.documents import source_document
from countersign.storage.tables import document, document_version


@dataclass(frozen=True, slots=True)
class Stored:
    """`size` in bytes, `sha256` of the content."""

    document: SourceDocument
    size: int
    sha256: str


def stored_documents(
    connection: Connection, tenant: str, source: str, after: str, limit: int
) -> list[Stored]:
    """By name, those behind `after`."""
    of_version = [document_version.c[name] for name in ("blob", "filename", "mime", "size", "sha256")]
    query = (
        select(document, *of_version)
        .join(document_version, _newest())
        .where(
            _of(tenant, source),
            document.c.external_id > after,
            or_(document.c.parent_id.is_(None), document.c.parent_id == ""),
        )
        .order_by(document.c.external_id)
        .limit(limit)
    )
    rows = connection.execute(query).mappings()
    return [Stored(source_document(row), row["size"], row["sha256"]) for row in rows]


def blob_of(connection: Connection, tenant: str, source: str, external_id: str) -> str:
    """Where the content of one of them lies; empty when it is not there any more."""
    query = select(document_version.c.blob).join(document, _newest())
    found = connection.execute(query.where(_of(tenant, source), document.c.external_id == external_id))
    return str(found.scalar() or "")


def _newest() -> Any:
    same = document_version.c.document_id == document.c.id
    return and_(same, document_version.c.version == document.c.version)


def _of(tenant: str, source: str) -> Any:
    there = document.c.deleted.is_(None)
    return and_(document.c.tenant == tenant, document.c.source == source, there)
