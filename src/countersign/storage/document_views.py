"""Documents as people may see them: readers by their rights, operators the state of everything without its title."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, case, func, select

from countersign.access.principal import Principal, Role
from countersign.domain.errors import NotFound
from countersign.storage.database import only_filter
from countersign.storage.rights import satisfied_rights
from countersign.storage.tables import document, document_version, source_state

SEES_STATE = frozenset({Role.OPERATOR, Role.ADMIN})


@dataclass(frozen=True, slots=True)
class DocumentView:
    """One document with its newest version. `readable` False leaves out title, findings' evidence and content."""

    document_id: str
    source: str
    external_id: str
    title: str
    readable: bool
    status: str
    reason: str
    version: int
    parse_status: str
    parser: str
    mime: str
    size: int
    pages: int | None
    languages: tuple[str, ...]
    findings: tuple[Mapping[str, Any], ...]
    job_id: str
    residency: str
    classification: str
    owner: str
    modified: str | None
    valid_from: str | None
    valid_to: str | None
    superseded_at: str | None
    synced: str | None
    updated: str
    blob: str
    filename: str


@dataclass(frozen=True, slots=True)
class SourceView:
    source: str
    documents: int
    synced: str | None
    error: str


def list_documents(
    connection: Connection,
    reader: Principal,
    *,
    source: str = "",
    status: str = "",
    limit: int = 50,
    cursor: str = "",
) -> list[DocumentView]:
    """Newest id last; `cursor` is the id to continue behind."""
    satisfied = satisfied_rights(connection, reader.tenant, reader.terms)
    query = _query(reader).where(document.c.id > cursor)
    if not reader.roles & SEES_STATE:
        query = query.where(document.c.rights_id.in_(satisfied), document.c.deleted.is_(None))
    if source:
        query = query.where(document.c.source == source)
    query = query.where(document.c.status == status) if status else query.where(document.c.deleted.is_(None))
    rows = connection.execute(query.order_by(document.c.id).limit(limit)).mappings()
    return [_view(row, row["rights_id"] in satisfied) for row in rows]


def one_document(connection: Connection, document_id: str, reader: Principal) -> DocumentView:
    """Raises `NotFound` for absent and forbidden alike."""
    row = connection.execute(_query(reader).where(document.c.id == document_id)).mappings().first()
    if row is None:
        raise NotFound("there is no such document")
    readable = row["rights_id"] in satisfied_rights(connection, reader.tenant, reader.terms)
    if not readable and not reader.roles & SEES_STATE:
        raise NotFound("there is no such document")
    return _view(row, readable and row["deleted"] is None)


def status_counts(connection: Connection, tenant: str) -> dict[str, int]:
    """How many documents are in each status."""
    query = select(document.c.status, func.count()).where(document.c.tenant == tenant)
    return {status: count for status, count in connection.execute(query.group_by(document.c.status))}


def left_out(connection: Connection, tenant: str, source: str) -> list[tuple[str, str, int]]:
    """(status, why, documents) of what this source has and nobody is answered from, the most frequent first. Why is the
    document's own reason, or how reading its newest version ended."""
    newest = and_(
        document_version.c.document_id == document.c.id, document_version.c.version == document.c.version
    )
    why = case((document.c.reason != "", document.c.reason), else_=document_version.c.parse_status)
    query = (
        select(document.c.status, why.label("why"), func.count().label("documents"))
        .join(document_version, newest, isouter=True)
        .where(document.c.tenant == tenant, document.c.source == source, document.c.deleted.is_(None))
        .where(document.c.status.in_(["quarantined", "failed"]))
        .group_by(document.c.status, why)
        .order_by(func.count().desc(), why)
    )
    return [(row.status, row.why or "", row.documents) for row in connection.execute(query)]


def list_sources(connection: Connection, tenant: str) -> list[SourceView]:
    query = select(source_state).where(source_state.c.tenant == tenant).order_by(source_state.c.source)
    rows = connection.execute(query).mappings()
    return [SourceView(row["source"], row["documents"], row["synced"], row["error"]) for row in rows]


def _query(reader: Principal) -> Any:
    newest = and_(
        document_version.c.document_id == document.c.id, document_version.c.version == document.c.version
    )
    columns = [column for column in document_version.c if column.name not in document.c]
    return (
        select(document, *columns)
        .join(document_version, newest, isouter=True)
        .where(only_filter(document.c.tenant) == reader.tenant)
    )


def _view(row: RowMapping, readable: bool) -> DocumentView:
    findings = row["findings"] or []
    return DocumentView(
        document_id=row["id"],
        source=row["source"],
        external_id=row["external_id"],
        title=row["title"] if readable else "",
        readable=readable,
        status=row["status"],
        reason=row["reason"],
        version=row["version"],
        parse_status=row["parse_status"] or "",
        parser=row["parser"] or "",
        mime=row["mime"] or "",
        size=row["size"] or 0,
        pages=row["pages"],
        languages=tuple(row["languages"] or ()),
        findings=tuple(finding if readable else {**finding, "evidence": ""} for finding in findings),
        job_id=row["job_id"] or "",
        residency=row["residency"],
        classification=row["classification"],
        owner=row["owner"],
        modified=row["modified"],
        valid_from=row["valid_from"],
        valid_to=row["valid_to"],
        superseded_at=row["superseded_at"],
        synced=row["synced"],
        updated=row["updated"],
        blob=row["blob"] or "",
        filename=row["filename"] or "",
    )


def state_of(connection: Connection, document_id: str, tenant: str) -> DocumentView:
    """The state alone, without what only a reader may see. Raises `NotFound`."""
    nobody = Principal(name="", tenant=tenant)
    row = connection.execute(_query(nobody).where(document.c.id == document_id)).mappings().first()
    if row is None:
        raise NotFound("there is no such document")
    return _view(row, readable=False)
