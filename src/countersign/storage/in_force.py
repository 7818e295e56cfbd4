"""Which documents are in force at a moment, spelled once for whoever asks the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BindParameter, ColumnElement, and_, or_

from countersign.domain.clock import iso
from countersign.domain.documents import DocumentStatus
from countersign.storage.tables import document, document_version


def in_force_at(moment: str | BindParameter[str]) -> tuple[ColumnElement[bool], ...]:
    """Begun, not ended and not superseded then, by the document's own dates."""
    return (
        or_(document.c.valid_from.is_(None), document.c.valid_from <= moment),
        or_(document.c.valid_to.is_(None), document.c.valid_to > moment),
        or_(document.c.superseded_at.is_(None), document.c.superseded_at > moment),
    )


def indexed_in_force(tenant: str, sources: Sequence[str], now: datetime) -> ColumnElement[bool]:
    """Documents of these sources that are searched, there, and in force now."""
    return and_(
        document.c.tenant == tenant,
        document.c.source.in_(sources),
        document.c.status == DocumentStatus.INDEXED,
        document.c.deleted.is_(None),
        *in_force_at(iso(now)),
    )


def newest_version() -> ColumnElement[bool]:
    """Joins a document with its newest version."""
    return and_(
        document_version.c.document_id == document.c.id, document_version.c.version == document.c.version
    )
