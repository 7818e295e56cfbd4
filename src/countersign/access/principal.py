"""Who is asking: the value that every retrieval and every read must be given."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a person may do. No role grants document rights."""

    USER = "user"
    PUBLISHER = "publisher"
    REVIEWER = "reviewer"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """A person, as the database knew them at the start of this request."""

    name: str
    tenant: str
    groups: frozenset[str] = frozenset()
    roles: frozenset[Role] = frozenset({Role.USER})
    impersonated_by: str = ""
    """The operating-system owner who used `--as`; recorded with every event."""

    @property
    def terms(self) -> frozenset[str]:
        """The right terms that this person satisfies: own name, own groups, own tenant."""
        return frozenset({f"user:{self.name}", "tenant:*", *(f"group:{group}" for group in self.groups)})

    def has(self, role: Role) -> bool:
        return role in self.roles
