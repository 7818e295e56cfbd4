"""The alphabet of rights: `group:…`, `user:…` and `tenant:*`, and what may be written after the colon.

Interned rights are compared by one canonical text in which `,` parts terms and `;` parts clauses, so neither may occur
in a name: a group called `a,group:b` would otherwise read as two groups.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from countersign.domain.documents import Rights

EVERYONE = "tenant:*"
_KINDS = ("group", "user")
_PARTING = frozenset(",;")
_MAX_CHARACTERS = 200


def valid_name(name: str) -> bool:
    """May this be a group or a person: printable, no `,` or `;`, no space around it, at most 200 characters."""
    return (
        0 < len(name) <= _MAX_CHARACTERS
        and name.isprintable()
        and name == name.strip()
        and not (_PARTING & set(name))
    )


def valid_term(term: str) -> bool:
    kind, colon, name = term.partition(":")
    return term == EVERYONE or (bool(colon) and kind in _KINDS and valid_name(name))


def parse_term(text: str) -> str | None:
    """A term as people write it: a bare name is a group. None for what rights cannot express (a deny entry, say)."""
    if ":" in text:
        return text if valid_term(text) else None
    if text.startswith("!"):
        return None
    return f"group:{text}" if valid_name(text) else None


def satisfies(rights: Rights, terms: AbstractSet[str]) -> bool:
    """The meaning of rights in one line: some clause, and every clause shares a term with the person."""
    return not rights.nobody and all(clause & terms for clause in rights.clauses)
