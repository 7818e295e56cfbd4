"""Who may do what: one table from actions to roles. Who may *see* what is decided by rights, never here.

A denial that depends on a particular object (another tenant, somebody else's answer) looks like absence from outside;
a denial that depends on the person's roles says so, because it tells nothing about any object.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from countersign.access.principal import Principal, Role
from countersign.domain.errors import NotFound, NotPermitted


class Action(StrEnum):
    ASK = "ask"
    READ_ANSWER = "read_answer"
    GIVE_FEEDBACK = "give_feedback"
    REVIEW = "review"
    PUBLISH = "publish"
    CHANGE_DOCUMENT = "change_document"
    INGEST = "ingest"
    ERASE = "erase"
    EXPLAIN_ACCESS = "explain_access"
    READ_STATE = "read_state"
    READ_RECORD = "read_record"
    VERIFY_RECORD = "verify_record"
    READ_METRICS = "read_metrics"
    MANAGE_PEOPLE = "manage_people"
    MANAGE_KEYS = "manage_keys"
    READ_RELEASE = "read_release"
    MANAGE_RELEASE = "manage_release"
    BACK_UP = "back_up"
    MANAGE_QUESTIONS = "manage_questions"
    EXPLAIN_SEARCH = "explain_search"


@dataclass(frozen=True, slots=True)
class Rule:
    """`roles` may always. `owner`: so may the person whom the object belongs to. `publisher`, `reviewer`: so may that
    role, inside the groups that the source or the assistant names."""

    roles: frozenset[Role] = frozenset()
    owner: bool = False
    publisher: bool = False
    reviewer: bool = False
    says: str = ""


def _rule(
    *roles: Role, says: str, owner: bool = False, publisher: bool = False, reviewer: bool = False
) -> Rule:
    return Rule(frozenset(roles), owner, publisher, reviewer, says)


RULES: dict[Action, Rule] = {
    Action.ASK: _rule(Role.USER, Role.REVIEWER, Role.OPERATOR, Role.ADMIN, says="ask an assistant"),
    Action.READ_ANSWER: _rule(Role.AUDITOR, owner=True, reviewer=True, says="read an answer"),
    Action.GIVE_FEEDBACK: _rule(owner=True, reviewer=True, says="judge an answer"),
    Action.REVIEW: _rule(reviewer=True, says="review held answers"),
    Action.PUBLISH: _rule(Role.OPERATOR, publisher=True, says="push documents to this source"),
    Action.CHANGE_DOCUMENT: _rule(
        Role.OPERATOR, publisher=True, says="change or remove documents of this source"
    ),
    Action.INGEST: _rule(Role.OPERATOR, says="start ingestion"),
    Action.ERASE: _rule(Role.OPERATOR, says="erase documents"),
    Action.EXPLAIN_ACCESS: _rule(
        Role.OPERATOR, Role.AUDITOR, Role.ADMIN, says="see why somebody may see a document"
    ),
    Action.READ_STATE: _rule(Role.OPERATOR, Role.AUDITOR, Role.ADMIN, says="see the state of all documents"),
    Action.READ_RECORD: _rule(Role.AUDITOR, Role.OPERATOR, owner=True, says="read the record"),
    Action.VERIFY_RECORD: _rule(Role.AUDITOR, Role.OPERATOR, Role.ADMIN, says="verify the record"),
    Action.READ_METRICS: _rule(Role.OPERATOR, Role.AUDITOR, Role.ADMIN, says="read metrics"),
    Action.MANAGE_PEOPLE: _rule(Role.ADMIN, says="manage people"),
    Action.MANAGE_KEYS: _rule(Role.ADMIN, owner=True, says="manage keys"),
    Action.READ_RELEASE: _rule(Role.OPERATOR, Role.AUDITOR, Role.REVIEWER, Role.ADMIN, says="see releases"),
    Action.MANAGE_RELEASE: _rule(Role.OPERATOR, says="change releases"),
    Action.BACK_UP: _rule(Role.OPERATOR, Role.ADMIN, says="take a backup"),
    Action.MANAGE_QUESTIONS: _rule(Role.OPERATOR, Role.ADMIN, says="work on question sets"),
    Action.EXPLAIN_SEARCH: _rule(Role.OPERATOR, Role.ADMIN, says="see why a passage was found"),
}


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of the object that is acted on; empty = not about a particular object."""

    tenant: str = ""
    owner: str = ""
    publisher_groups: frozenset[str] = frozenset()
    reviewer_groups: frozenset[str] = frozenset()
    """Empty = every reviewer of the tenant."""


@dataclass(frozen=True, slots=True)
class Permit:
    action: Action
    by: str
    """What permits it: a role, or `owner`."""


@dataclass(frozen=True, slots=True)
class Denial:
    """`reason`: other_tenant, not_owner, not_in_groups, role_missing. `concealed`: must look like absence from outside."""

    action: Action
    reason: str
    concealed: bool


def may(principal: Principal, action: Action, context: Context | None = None) -> Permit | Denial:
    """Decide one action of one person."""
    about = context or Context()
    if about.tenant and about.tenant != principal.tenant:
        return Denial(action, "other_tenant", concealed=True)
    rule = RULES[action]
    if by := _permitted_by(principal, rule, about):
        return Permit(action, by)
    return Denial(action, *_why_not(principal, rule, about))


def require(
    principal: Principal,
    action: Action,
    *,
    tenant: str = "",
    owner: str = "",
    publisher_groups: frozenset[str] = frozenset(),
    reviewer_groups: frozenset[str] = frozenset(),
) -> Permit:
    """`may`, or raise: `NotFound` for what must look absent, `NotPermitted` for what the person's roles do not allow."""
    decision = may(principal, action, Context(tenant, owner, publisher_groups, reviewer_groups))
    if isinstance(decision, Denial):
        _refuse(decision)
    return decision


def _permitted_by(principal: Principal, rule: Rule, about: Context) -> str:
    for role in sorted(rule.roles & principal.roles):
        return role.value
    if rule.owner and about.owner and about.owner == principal.name:
        return "owner"
    if rule.publisher and principal.has(Role.PUBLISHER) and principal.groups & about.publisher_groups:
        return Role.PUBLISHER.value
    in_groups = not about.reviewer_groups or bool(principal.groups & about.reviewer_groups)
    if rule.reviewer and principal.has(Role.REVIEWER) and in_groups:
        return Role.REVIEWER.value
    return ""


def _why_not(principal: Principal, rule: Rule, about: Context) -> tuple[str, bool]:
    if rule.publisher and principal.has(Role.PUBLISHER):
        return "not_in_groups", False  # sources are configuration, not objects to hide
    if rule.reviewer and principal.has(Role.REVIEWER):
        return "not_in_groups", True
    if rule.owner and about.owner:
        return "not_owner", True
    return "role_missing", False


def _refuse(denial: Denial) -> NoReturn:
    if denial.concealed:
        raise NotFound("there is nothing here under this id")
    rule = RULES[denial.action]
    roles = [
        *sorted(rule.roles),
        *([Role.PUBLISHER] if rule.publisher else []),
        *([Role.REVIEWER] if rule.reviewer else []),
    ]
    if denial.reason == "not_in_groups":
        hint = "Your role allows it elsewhere: this source names other groups."
    else:
        hint = f"It needs one of these roles: {', '.join(roles)}. An administrator can grant it."
    raise NotPermitted(f"you may not {rule.says}", hint=hint)
