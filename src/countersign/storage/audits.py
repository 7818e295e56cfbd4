"""Readiness audits in the database: figures that may be kept, findings that are shown by rights and erased with documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Select, and_, delete, insert, or_, select, update

from countersign.access.principal import Principal
from countersign.access.terms import satisfies
from countersign.corpus.readiness.report_json import finding_from, finding_to_json, report_to_json
from countersign.domain.clock import from_iso, iso
from countersign.domain.documents import DocumentStatus, Rights
from countersign.domain.errors import NotFound, UsageError
from countersign.domain.events import Event, EventKind
from countersign.domain.ids import new_id
from countersign.domain.readiness import Acceptance, DocumentKey, ReadinessFinding, ReadinessReport
from countersign.storage.database import only_filter
from countersign.storage.documents import INGEST_JOB
from countersign.storage.events import append_in
from countersign.storage.jobs import enqueue_in
from countersign.storage.rights import satisfied_rights
from countersign.storage.tables import (
    document,
    document_version,
    readiness_acceptance,
    readiness_audit,
    readiness_finding,
)

KEPT_AUDITS: Final = 20
"""Of each tenant; older ones are removed."""
KEPT_FINDINGS: Final = 20_000
"""Of each audit, worst first by code."""


@dataclass(frozen=True, slots=True)
class AuditRun:
    """One audit of one tenant. `body` is `report_to_json` without findings. `complete`: no finding was left out."""

    id: str
    started: datetime
    finished: datetime | None
    sources: tuple[str, ...]
    body: Mapping[str, Any]
    complete: bool


@dataclass(frozen=True, slots=True)
class SeenFinding:
    """`withheld`: this reader may not read the document, or the other one; then names and evidence are left out."""

    finding: ReadinessFinding
    withheld: bool


# -- audits -----------------------------------------------------------------------------------------------------
def keep_audit(
    connection: Connection,
    tenant: str,
    report: ReadinessReport,
    rights: Mapping[DocumentKey, str],
    actor: str,
    now: datetime,
) -> None:
    """Store a tenant's report in the place of what an earlier part of the same audit left."""
    same = and_(readiness_audit.c.id == report.id, readiness_audit.c.tenant == tenant)
    connection.execute(delete(readiness_audit).where(same))
    _drop_findings(connection, tenant, [report.id])
    kept = report.findings[:KEPT_FINDINGS]
    complete = len(kept) == len(report.findings)
    connection.execute(
        insert(readiness_audit).values(
            id=report.id,
            tenant=tenant,
            started=iso(report.started),
            finished=iso(report.finished) if report.finished else None,
            sources=[score.source for score in report.sources],
            body=_figures(report),
            complete=complete,
        )
    )
    if kept:
        rows = [_row(report.id, tenant, n, finding, rights) for n, finding in enumerate(kept)]
        connection.execute(insert(readiness_finding), rows)
    _forget_old(connection, tenant)
    facts: dict[str, object] = {
        "documents": report.documents,
        "codes": {code.code: code.documents for code in report.codes},
        "finished": report.finished is not None,
    }
    append_in(connection, [Event(EventKind.READINESS_AUDITED, tenant, actor, report.id, now, facts)])


def _figures(report: ReadinessReport) -> dict[str, Any]:
    body = report_to_json(replace(report, findings=()))
    body["codes"] = [{**code, "worst": []} for code in body["codes"]]
    return body


def _row(
    audit_id: str, tenant: str, n: int, finding: ReadinessFinding, rights: Mapping[DocumentKey, str]
) -> dict[str, Any]:
    other = finding.other
    return {
        "audit_id": audit_id,
        "tenant": tenant,
        "n": n,
        "source": finding.document.source,
        "external_id": finding.document.external_id,
        "rights": rights.get(finding.document, ""),
        "other_source": other.source if other else "",
        "other_external_id": other.external_id if other else "",
        "other_rights": rights.get(other, "") if other else "",
        "body": finding_to_json(replace(finding, accepted=None)),
    }


def _forget_old(connection: Connection, tenant: str) -> None:
    query = select(readiness_audit.c.id).where(only_filter(readiness_audit.c.tenant) == tenant)
    newest_first = query.order_by(readiness_audit.c.started.desc(), readiness_audit.c.id.desc())
    old = list(connection.execute(newest_first.offset(KEPT_AUDITS)).scalars())
    if old:
        _drop_findings(connection, tenant, old)
        gone = and_(readiness_audit.c.tenant == tenant, readiness_audit.c.id.in_(old))
        connection.execute(delete(readiness_audit).where(gone))


def _drop_findings(connection: Connection, tenant: str, audits: Sequence[str]) -> None:
    where = and_(readiness_finding.c.tenant == tenant, readiness_finding.c.audit_id.in_(audits))
    connection.execute(delete(readiness_finding).where(where))


def list_audits(connection: Connection, tenant: str, *, limit: int = 20, before: str = "") -> list[AuditRun]:
    """Newest first; `before` is the id of the last one of the page before."""
    query = select(readiness_audit).where(only_filter(readiness_audit.c.tenant) == tenant)
    if before:
        query = query.where(readiness_audit.c.id < before)  # ids sort by the time they were made
    rows = connection.execute(query.order_by(readiness_audit.c.id.desc()).limit(limit)).mappings()
    return [_run(row) for row in rows]


def one_audit(connection: Connection, tenant: str, audit_id: str) -> AuditRun:
    """Raises `NotFound`."""
    where = and_(only_filter(readiness_audit.c.tenant) == tenant, readiness_audit.c.id == audit_id)
    row = connection.execute(select(readiness_audit).where(where)).mappings().first()
    if row is None:
        raise NotFound(
            "there is no such audit", code="audit_not_found", hint="`countersign audit data` makes one."
        )
    return _run(row)


def _run(row: RowMapping) -> AuditRun:
    finished = from_iso(row["finished"]) if row["finished"] else None
    return AuditRun(
        row["id"], from_iso(row["started"]), finished, tuple(row["sources"]), row["body"], row["complete"]
    )


def findings_of(connection: Connection, audit_id: str, reader: Principal) -> list[SeenFinding]:
    """Every kept finding in its order. Names and evidence only where the reader's rights admit the document now: by the
    database where it is there, otherwise by the rights that its source said when it was audited."""
    tenant = reader.tenant
    where = and_(readiness_finding.c.tenant == tenant, readiness_finding.c.audit_id == audit_id)
    rows = connection.execute(
        select(readiness_finding).where(where).order_by(readiness_finding.c.n)
    ).mappings()
    concerned = (
        select(readiness_finding.c.external_id).where(where),
        select(readiness_finding.c.other_external_id).where(where),
    )
    admitted = _Admitted(connection, reader, *concerned)
    return [_seen(row, admitted) for row in rows]


def keys_of(connection: Connection, audit_id: str, tenant: str) -> list[DocumentKey]:
    """Of the same findings in the same order, whoever asks: for counting, never for showing."""
    columns = (readiness_finding.c.source, readiness_finding.c.external_id)
    where = and_(readiness_finding.c.tenant == tenant, readiness_finding.c.audit_id == audit_id)
    rows = connection.execute(select(*columns).where(where).order_by(readiness_finding.c.n))
    return [DocumentKey(row.source, row.external_id, tenant) for row in rows]


def _seen(row: RowMapping, admitted: _Admitted) -> SeenFinding:
    finding = finding_from(row["body"])
    mine = admitted(row["source"], row["external_id"], row["rights"])
    theirs = finding.other is None or admitted(
        row["other_source"], row["other_external_id"], row["other_rights"]
    )
    if mine and theirs:
        return SeenFinding(finding, withheld=False)
    hidden = replace(finding, evidence="", other_evidence="", said=())  # each side may quote the other
    if not mine:
        hidden = replace(hidden, document=replace(finding.document, external_id=""), page=None)
    if finding.other is not None and not theirs:
        hidden = replace(hidden, other=replace(finding.other, external_id=""), other_page=None)
    return SeenFinding(hidden, withheld=True)


class _Admitted:
    """Whether a reader may read a document now. `concerned` select the external ids that will be asked for."""

    def __init__(self, connection: Connection, reader: Principal, *concerned: Select[tuple[str]]) -> None:
        self._terms = reader.terms
        satisfied = satisfied_rights(connection, reader.tenant, reader.terms)
        query = select(
            document.c.source, document.c.external_id, document.c.rights_id, document.c.deleted
        ).where(only_filter(document.c.tenant) == reader.tenant)
        query = query.where(or_(*(document.c.external_id.in_(each) for each in concerned)))
        self._known = {
            (row.source, row.external_id): row.deleted is None and row.rights_id in satisfied
            for row in connection.execute(query)
        }

    def __call__(self, source: str, external_id: str, rights: str) -> bool:
        """`rights` are those that its source said, canonical, for a document that the database does not know."""
        known = self._known.get((source, external_id))
        return satisfies(Rights.from_canonical(rights), self._terms) if known is None else known


def erase_findings(connection: Connection, tenant: str, source: str, external_id: str) -> int:
    """Everything that audits quote of a document and of what was inside it, and what was accepted of it; returns rows."""
    inside = f"{external_id}#"
    named = [
        or_(
            and_(table.c[where] == source, table.c[what] == external_id),
            and_(table.c[where] == source, table.c[what].startswith(inside, autoescape=True)),
        )
        for table, where, what in (
            (readiness_finding, "source", "external_id"),
            (readiness_finding, "other_source", "other_external_id"),
            (readiness_acceptance, "source", "external_id"),
        )
    ]
    found = connection.execute(
        delete(readiness_finding).where(readiness_finding.c.tenant == tenant, or_(named[0], named[1]))
    ).rowcount
    accepted = connection.execute(
        delete(readiness_acceptance).where(readiness_acceptance.c.tenant == tenant, named[2])
    ).rowcount
    return found + accepted


# -- acceptances ------------------------------------------------------------------------------------------------
def accept(connection: Connection, wanted: Acceptance) -> None:
    """Store or renew it, record it, and let a document go that policy had set aside for this alone."""
    _require_known(connection, wanted.document)
    key = _key_of(wanted)
    connection.execute(delete(readiness_acceptance).where(key))
    acceptance_id = new_id("acc")
    connection.execute(
        insert(readiness_acceptance).values(
            tenant=wanted.document.tenant,
            source=wanted.document.source,
            external_id=wanted.document.external_id,
            code=wanted.code,
            id=acceptance_id,
            reason=wanted.reason,
            by=wanted.by,
            at=iso(wanted.at),
            expires=iso(wanted.expires),
        )
    )
    _record(connection, EventKind.READINESS_ACCEPTED, wanted, acceptance_id, wanted.by, wanted.at)
    _let_go(connection, wanted.document, wanted.code, wanted.at)


def withdraw(connection: Connection, code: str, key: DocumentKey, actor: str, now: datetime) -> None:
    """Raises `NotFound`. The findings count again, and policy is applied to the document again."""
    row = connection.execute(select(readiness_acceptance).where(_where(code, key))).mappings().first()
    if row is None:
        raise NotFound(
            "there is no such acceptance",
            code="acceptance_not_found",
            hint="`countersign audit accepted` lists them.",
        )
    connection.execute(delete(readiness_acceptance).where(_where(code, key)))
    kind = EventKind.READINESS_ACCEPTANCE_WITHDRAWN
    _record(connection, kind, _acceptance(row), row["id"], actor, now)
    _judge_again(connection, key, now)


def list_accepted(connection: Connection, tenant: str = "") -> list[Acceptance]:
    """Expired ones too, soonest to expire first; an empty tenant means all."""
    query = select(readiness_acceptance).order_by(readiness_acceptance.c.expires, readiness_acceptance.c.id)
    if tenant:
        query = query.where(readiness_acceptance.c.tenant == tenant)
    return [_acceptance(row) for row in connection.execute(query).mappings()]


def accepted_codes(connection: Connection, key: DocumentKey, now: datetime) -> frozenset[str]:
    """Codes that are accepted of one document now."""
    query = select(readiness_acceptance.c.code).where(
        readiness_acceptance.c.tenant == key.tenant,
        readiness_acceptance.c.source == key.source,
        readiness_acceptance.c.external_id == key.external_id,
        readiness_acceptance.c.expires > iso(now),
    )
    return frozenset(connection.execute(query).scalars())


def visible_accepted(connection: Connection, reader: Principal) -> list[Acceptance]:
    """Those of the reader's tenant; name and reason of a document that the reader may not read are left out."""
    mine = readiness_acceptance.c.tenant == reader.tenant
    admitted = _Admitted(connection, reader, select(readiness_acceptance.c.external_id).where(mine))
    found = list_accepted(connection, reader.tenant)
    return [
        each
        if admitted(each.document.source, each.document.external_id, _last_said(connection, each.document))
        else replace(each, document=replace(each.document, external_id=""), reason="")
        for each in found
    ]


def _last_said(connection: Connection, key: DocumentKey) -> str:
    """The rights that the newest audit recorded of a document; empty, which is nobody, when none did."""
    query = select(readiness_finding.c.rights).where(
        readiness_finding.c.tenant == key.tenant,
        readiness_finding.c.source == key.source,
        readiness_finding.c.external_id == key.external_id,
    )
    return connection.execute(query.order_by(readiness_finding.c.audit_id.desc()).limit(1)).scalar() or ""


def find_keys(connection: Connection, tenant: str, name: str) -> list[DocumentKey]:
    """Documents of a tenant that are called `name`: an id of ours or of their source, indexed or only audited."""
    by_name = select(document.c.source, document.c.external_id).where(
        document.c.tenant == tenant, or_(document.c.id == name, document.c.external_id == name)
    )
    audited = select(readiness_finding.c.source, readiness_finding.c.external_id).where(
        readiness_finding.c.tenant == tenant, readiness_finding.c.external_id == name
    )
    found = {
        (row.source, row.external_id) for query in (by_name, audited) for row in connection.execute(query)
    }
    return [DocumentKey(source, external_id, tenant) for source, external_id in sorted(found)]


def _where(code: str, key: DocumentKey) -> Any:
    return and_(
        readiness_acceptance.c.tenant == key.tenant,
        readiness_acceptance.c.source == key.source,
        readiness_acceptance.c.external_id == key.external_id,
        readiness_acceptance.c.code == code,
    )


def _key_of(acceptance: Acceptance) -> Any:
    return _where(acceptance.code, acceptance.document)


def _acceptance(row: RowMapping) -> Acceptance:
    key = DocumentKey(row["source"], row["external_id"], row["tenant"])
    return Acceptance(
        row["code"], key, row["reason"], row["by"], from_iso(row["at"]), from_iso(row["expires"])
    )


def _require_known(connection: Connection, key: DocumentKey) -> None:
    if key not in find_keys(connection, key.tenant, key.external_id):
        raise NotFound(
            "no audit and no ingestion knows this document",
            code="document_not_found",
            hint="Run `countersign audit data` first; name the document as the report does.",
        )


def _record(
    connection: Connection, kind: EventKind, about: Acceptance, acceptance_id: str, actor: str, now: datetime
) -> None:
    facts: dict[str, object] = {
        "code": about.code,
        "source": about.document.source,
        "expires": iso(about.expires),
    }
    personal = {"document": about.document.external_id, "reason": about.reason}
    append_in(connection, [Event(kind, about.document.tenant, actor, acceptance_id, now, facts, personal)])


def _let_go(connection: Connection, key: DocumentKey, code: str, now: datetime) -> None:
    """A document that policy had set aside for this code is read again; another reason may still hold it."""
    row = _newest(connection, key)
    if row is not None and row["status"] == DocumentStatus.QUARANTINED and row["reason"] == code:
        values = {"status": DocumentStatus.QUEUED, "reason": ""}
        connection.execute(update(document).where(document.c.id == row["id"]).values(**values))
        _queue(connection, row, now)


def _judge_again(connection: Connection, key: DocumentKey, now: datetime) -> None:
    """An indexed document is read again, so that policy is applied without what was accepted."""
    row = _newest(connection, key)
    if row is not None and row["status"] == DocumentStatus.INDEXED:
        _queue(connection, row, now)


def _newest(connection: Connection, key: DocumentKey) -> RowMapping | None:
    where = and_(
        document.c.tenant == key.tenant,
        document.c.source == key.source,
        document.c.external_id == key.external_id,
        document.c.deleted.is_(None),
    )
    return connection.execute(select(document).where(where).with_for_update()).mappings().first()


def _queue(connection: Connection, row: RowMapping, now: datetime) -> None:
    same = and_(document_version.c.document_id == row["id"], document_version.c.version == row["version"])
    connection.execute(update(document_version).where(same).values(state="queued"))
    enqueue_in(connection, INGEST_JOB, row["tenant"], f"{row['id']}:{row['version']}", now)


def usable_reason(reason: str) -> str:
    """Raises `UsageError` (`reason_missing`) for an empty one."""
    said = " ".join(reason.split())
    if not said:
        raise UsageError(
            "a reason is missing", code="reason_missing", hint="Say why this is acceptable, and for whom."
        )
    return said[:1_000]
