"""An attachment whose readers are not those of the mail or archive that carries it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from countersign.corpus.readiness.compare_known import Known, finding
from countersign.domain.documents import Rights
from countersign.domain.readiness import DocumentKey, ReadinessFinding


def attachments(documents: Sequence[Known]) -> Iterator[ReadinessFinding]:
    """Rights that let in somebody whom the carrier does not, or that together leave nobody who has both."""
    by_key = {document.key: document for document in documents}
    for document in documents:
        parent = document.profile.parent
        if not parent:
            continue
        carrier = by_key.get(DocumentKey(document.key.source, parent, document.key.tenant))
        if carrier is not None and _conflict(document.profile.rights, carrier.profile.rights):
            yield finding(
                "rights_attachment_conflict", "warning", document, evidence=document.profile.rights or "∅",
                other=carrier, other_evidence=carrier.profile.rights or "∅",
            )  # fmt: skip


def _conflict(own: str, carrier: str) -> bool:
    if own == carrier:
        return False
    part, whole = Rights.from_canonical(own), Rights.from_canonical(carrier)
    if part.nobody or whole.nobody:
        return True
    if not all(any(narrow <= clause for narrow in part.clauses) for clause in whole.clauses):
        return True  # lets in somebody whom the carrier does not
    joined = set(part.clauses) >= set(whole.clauses)  # by the audit itself, which told so of the carrier
    return not joined and _apart(part)


def _apart(rights: Rights) -> bool:
    """Two clauses with nothing in common: only somebody of two groups may read it, often nobody."""
    clauses = list(rights.clauses)
    return any(
        not a & b and not any(term.startswith("tenant:") for term in a | b)
        for place, a in enumerate(clauses)
        for b in clauses[place + 1 :]
    )
