"""The alphabet of rights: `group:…`, `user:…` and `tenant:*`, and what may be written after the colon.

Interned rights are compared by one canonical text in which `,` parts terms and `;` parts clauses, so neither may occur
in a name: a group called `a,group:b` would otherwise read as two groups.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from countersign.domain.documents import Rights

EVERYONE = "tenant:*"
_KINDS = ("group", "user")
_PARTING = frozenset(",;\n\r\t")
_MAX_CHARACTERS = 200


def valid_name(name: str) -> bool:
    """May a person or a group of ours be called so: printable, no `,` or `;`, no space around it, at most 200 characters."""
    return _sound(name) and len(name) <= _MAX_CHARACTERS and name.isprintable() and name == name.strip()


def valid_term(term: str) -> bool:
    """May this stand in interned rights. A source's group may be stranger than ours: it then matches nobody."""
    kind, colon, name = term.partition(":")
    return term == EVERYONE or (bool(colon) and kind in _KINDS and _sound(name))


def _sound(name: str) -> bool:
    return bool(name) and not (_PARTING & set(name))


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
