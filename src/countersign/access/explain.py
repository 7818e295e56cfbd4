"""Why a person may, or may not, see a document: every gate and every clause by name, and where the rights came from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from countersign.access.decide import Action, Permit, may
from countersign.access.principal import Principal
from countersign.domain.clock import iso
from countersign.domain.documents import DocumentStatus, Rights
from countersign.domain.errors import NotFound


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """What the database knows of a document that decides who may see it now."""

    document_id: str
    tenant: str
    source: str
    external_id: str
    title: str
    status: str
    reason: str
    rights: Rights
    rights_origin: str
    own_rights: Rights
    """Before those of the mail or archive that holds it were joined."""
    parent_id: str
    valid_from: datetime | None
    valid_to: datetime | None
    superseded_at: datetime | None
    synced: datetime | None = None
    """When its source last confirmed it; None where it was pushed."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One any-of clause; `satisfied_by` is the person's term that satisfies it, or empty."""

    terms: tuple[str, ...]
    satisfied_by: str

    @property
    def satisfied(self) -> bool:
        return bool(self.satisfied_by)


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition beside the clauses: `tenant`, `status`, `rights`, `valid_from`, `valid_to`, `superseded`."""

    name: str
    open: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """`permitted` is the decision; gates and clauses are its reasons. `title` is empty unless the viewer may see it."""

    document_id: str
    person: str
    permitted: bool
    gates: tuple[Gate, ...]
    clauses: tuple[Clause, ...]
    rights_origin: str
    inherits_from: str
    source: str
    external_id: str = ""
    title: str = ""
    confirmed: datetime | None = None
    """When the source last said so: the rights above are as old as this."""

    @property
    def missing(self) -> tuple[Clause, ...]:
        return tuple(clause for clause in self.clauses if not clause.satisfied)


def explain(principal: Principal, facts: DocumentFacts, at: datetime) -> Explanation:
    """The whole reasoning, with title and external id; `shown_to` decides how much of it a viewer gets."""
    clauses = tuple(_clause(clause, principal) for clause in sorted(facts.rights.clauses, key=sorted))
    gates = (
        _tenant(principal, facts),
        _status(facts),
        _rights(facts.rights, clauses),
        *_validity(facts, at),
    )
    return Explanation(
        document_id=facts.document_id,
        person=principal.name,
        permitted=all(gate.open for gate in gates),
        gates=gates,
        clauses=clauses,
        rights_origin=facts.rights_origin,
        inherits_from=facts.parent_id,
        source=facts.source,
        external_id=facts.external_id,
        title=facts.title,
        confirmed=facts.synced,
    )


def explain_to(
    viewer: Principal | None, principal: Principal, facts: DocumentFacts | None, at: datetime
) -> Explanation:
    """What `viewer` may know. None is the workspace's own owner at the console, who sees everything.

    Raises `NotFound` when the document is absent, belongs to another tenant, or the viewer's role explains nothing:
    the three look the same. Somebody who explains but may not see the document gets the structure without its title.
    """
    if facts is None:
        raise NotFound("there is no such document")
    whole = explain(principal, facts, at)
    if viewer is None:
        return whole
    if viewer.tenant != facts.tenant or viewer.tenant != principal.tenant:
        raise NotFound("there is no such document")
    sees = explain(viewer, facts, at).permitted
    about_self = viewer.name == principal.name and sees
    if not about_self and not isinstance(may(viewer, Action.EXPLAIN_ACCESS), Permit):
        raise NotFound("there is no such document")
    return whole if sees else _without_content(whole)


def _without_content(whole: Explanation) -> Explanation:
    return Explanation(
        document_id=whole.document_id,
        person=whole.person,
        permitted=whole.permitted,
        gates=whole.gates,
        clauses=whole.clauses,
        rights_origin=whole.rights_origin,
        inherits_from=whole.inherits_from,
        source=whole.source,
        confirmed=whole.confirmed,
    )


def _clause(clause: frozenset[str], principal: Principal) -> Clause:
    return Clause(tuple(sorted(clause)), min(clause & principal.terms, default=""))


def _tenant(principal: Principal, facts: DocumentFacts) -> Gate:
    if principal.tenant == facts.tenant:
        return Gate("tenant", True, f"both belong to {facts.tenant}")
    return Gate("tenant", False, f"the document belongs to {facts.tenant}, the person to {principal.tenant}")


def _status(facts: DocumentFacts) -> Gate:
    """While a newer version waits (`queued`) or could not be read (`failed`), an earlier one goes on answering."""
    says = facts.status + (f": {facts.reason}" if facts.reason else "")
    return Gate("status", facts.status not in (DocumentStatus.QUARANTINED, DocumentStatus.DELETED), says)


def _rights(rights: Rights, clauses: tuple[Clause, ...]) -> Gate:
    if rights.nobody:
        return Gate("rights", False, "nobody: no right is granted to anyone")
    missing = [clause for clause in clauses if not clause.satisfied]
    if missing:
        return Gate("rights", False, "missing: " + "; ".join(f"one of {', '.join(c.terms)}" for c in missing))
    return Gate("rights", True, "satisfied by " + ", ".join(clause.satisfied_by for clause in clauses))


def _validity(facts: DocumentFacts, at: datetime) -> tuple[Gate, ...]:
    """From `valid_from` (inclusive) until the earlier of `valid_to` and `superseded_at` (exclusive)."""
    return (
        _moment("valid_from", facts.valid_from, facts.valid_from is None or facts.valid_from <= at),
        _moment("valid_to", facts.valid_to, facts.valid_to is None or at < facts.valid_to),
        _moment("superseded", facts.superseded_at, facts.superseded_at is None or at < facts.superseded_at),
    )


def _moment(name: str, moment: datetime | None, is_open: bool) -> Gate:
    return Gate(name, is_open, "not limited" if moment is None else iso(moment))
