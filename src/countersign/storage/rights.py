"""Rights in the database: interned once, satisfied in the query, explained on request.

A set of rights has the same id everywhere: the first 63 bits of SHA-256 over tenant and canonical text. A question
computes the ids that its person satisfies, and every leg of the search filters on them.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from countersign.access.explain import DocumentFacts, Explanation, explain_to
from countersign.access.principal import Principal
from countersign.access.terms import valid_term
from countersign.corpus.readiness.catalogue import CODES
from countersign.domain.clock import from_iso
from countersign.domain.documents import DocumentStatus, Rights
from countersign.domain.errors import IntegrityError, UsageError
from countersign.storage.database import only_filter
from countersign.storage.tables import document, rights, rights_term


def rights_id_of(tenant: str, wanted: Rights) -> int:
    """A positive 63-bit number that depends on nothing but its arguments."""
    digest = sha256(f"{tenant}\x00{wanted.canonical()}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def intern(connection: Connection, tenant: str, wanted: Rights) -> int:
    """The id of these rights in this tenant, stored when new.

    Raises `UsageError` (`rights_unsupported`) for a term that rights cannot express, `IntegrityError` should two
    different sets ever meet under one number.
    """
    if wanted.nobody:
        wanted = Rights()
    for clause in wanted.clauses:
        for term in clause:
            if not valid_term(term):
                raise UsageError(
                    f"{term!r} is not a right",
                    code="rights_unsupported",
                    hint="Use group:NAME, user:NAME or tenant:*; a name holds no comma or semicolon.",
                )
    rights_id = rights_id_of(tenant, wanted)
    if not _known(connection, rights_id, tenant, wanted):
        _store(connection, rights_id, tenant, wanted)
        if not _known(connection, rights_id, tenant, wanted):
            raise IntegrityError("a set of rights could not be stored", code="rights_lost")
    return rights_id


def _known(connection: Connection, rights_id: int, tenant: str, wanted: Rights) -> bool:
    row = connection.execute(
        select(rights.c.tenant, rights.c.canonical).where(rights.c.id == rights_id)
    ).first()
    if row is None:
        return False
    if (row.tenant, row.canonical) != (tenant, wanted.canonical()):
        raise IntegrityError(
            "two different sets of rights have the same number",
            code="rights_collision",
            hint="Nothing was changed.",
        )
    return True


def _store(connection: Connection, rights_id: int, tenant: str, wanted: Rights) -> None:
    """Another process may store the same set at the same moment: whoever comes second finds it there."""
    insert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    clauses = sorted({tuple(sorted(clause)) for clause in wanted.clauses})
    row = {"id": rights_id, "tenant": tenant, "canonical": wanted.canonical(), "clause_count": len(clauses)}
    connection.execute(insert(rights).values(row).on_conflict_do_nothing())
    terms = [
        {"rights_id": rights_id, "clause": number, "term": term}
        for number, clause in enumerate(clauses)
        for term in clause
    ]
    if terms:
        connection.execute(insert(rights_term).on_conflict_do_nothing(), terms)


# A set is satisfied when each of its clauses shares a term with the person; a set without clauses is nobody's.
_SATISFIED = (
    select(rights.c.id)
    .join(rights_term, rights_term.c.rights_id == rights.c.id)
    .where(
        only_filter(rights.c.tenant) == bindparam("tenant"),
        rights.c.clause_count > 0,
        rights_term.c.term.in_(bindparam("terms", expanding=True)),
    )
    .group_by(rights.c.id, rights.c.clause_count)
    .having(func.count(rights_term.c.clause.distinct()) == rights.c.clause_count)
)


def satisfied_rights(connection: Connection, tenant: str, terms: frozenset[str]) -> frozenset[int]:
    """The ids that somebody with these terms satisfies in this tenant at this moment."""
    found = connection.execute(_SATISFIED, {"tenant": tenant, "terms": sorted(terms)})
    return frozenset(found.scalars())


def permitted_documents(
    connection: Connection, principal: Principal, document_ids: list[str]
) -> frozenset[str]:
    """Those of the documents that this person's tenant and rights admit now, and that still exist.

    Validity is not asked: an old answer may rest on a document that has been superseded since.
    """
    query = select(document.c.id).where(
        document.c.id.in_(document_ids),
        document.c.tenant == principal.tenant,
        document.c.status != DocumentStatus.QUARANTINED,
        document.c.deleted.is_(None),
        document.c.rights_id.in_(satisfied_rights(connection, principal.tenant, principal.terms)),
    )
    return frozenset(connection.execute(query).scalars())


def document_facts(connection: Connection, document_id: str) -> DocumentFacts | None:
    """Everything that decides who may see a document; None when there is none."""
    query = select(document, rights.c.canonical).join(
        rights, rights.c.id == document.c.rights_id, isouter=True
    )
    row = connection.execute(query.where(document.c.id == document_id)).mappings().first()
    if row is None:
        return None
    return DocumentFacts(
        document_id=row["id"],
        tenant=row["tenant"],
        source=row["source"],
        external_id=row["external_id"],
        title=row["title"],
        status=DocumentStatus.DELETED if row["deleted"] else row["status"],
        reason=_what_to_do(row["reason"]) if row["status"] == DocumentStatus.QUARANTINED else row["reason"],
        rights=Rights.from_canonical(row["canonical"] or ""),
        rights_origin=row["rights_origin"],
        own_rights=Rights.from_canonical(row["own_rights"]),
        parent_id=row["parent_id"] or "",
        valid_from=_moment(row["valid_from"]),
        valid_to=_moment(row["valid_to"]),
        superseded_at=_moment(row["superseded_at"]),
        synced=_moment(row["synced"]),
    )


def _what_to_do(reason: str) -> str:
    """A document that policy set aside says what was found and how it gets out."""
    meaning = CODES.get(reason)
    return f"{reason}. {meaning.what}. {meaning.action}." if meaning else reason


def explain(
    connection: Connection, viewer: Principal | None, principal: Principal, document_id: str, at: datetime
) -> Explanation:
    """`access.explain.explain_to` on what the database knows; a document is named by its id or its external id."""
    facts = document_facts(connection, document_id)
    if facts is None:
        facts = _by_external_id(connection, principal.tenant, document_id)
    return explain_to(viewer, principal, facts, at)


def _by_external_id(connection: Connection, tenant: str, external_id: str) -> DocumentFacts | None:
    """People name a file as its source does; with several sources the name must be unambiguous: `source/external_id`."""
    named = document.c.source + "/" + document.c.external_id == external_id
    query = select(document.c.id).where(
        document.c.tenant == tenant, (document.c.external_id == external_id) | named
    )
    found = list(connection.execute(query.limit(2)).scalars())
    return document_facts(connection, found[0]) if len(found) == 1 else None


def _moment(text: str | None) -> datetime | None:
    return from_iso(text) if text else None
