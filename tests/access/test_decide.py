"""The table of actions and roles, read from outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from countersign.access.decide import RULES, Action, Context, Denial, Permit, may, require
from countersign.access.owner import impersonate, require_owner
from countersign.access.principal import Principal, Role
from countersign.domain.errors import NotFound, NotPermitted


def somebody(*roles: Role, groups: tuple[str, ...] = (), tenant: str = "bank") -> Principal:
    return Principal("aigul", tenant, frozenset(groups), frozenset(roles))


def by_role(action: Action) -> set[Role]:
    return {role for role in Role if isinstance(may(somebody(role), action), Permit)}


def test_every_action_has_a_rule_and_without_a_role_nothing_is_permitted() -> None:
    assert set(RULES) == set(Action)
    assert all(isinstance(may(somebody(), action), Denial) for action in Action)
    assert all(RULES[action].says for action in Action)


@pytest.mark.parametrize(
    ("action", "roles"),
    [
        (Action.ASK, {Role.USER, Role.REVIEWER, Role.OPERATOR, Role.ADMIN}),
        (Action.REVIEW, {Role.REVIEWER}),
        (Action.PUBLISH, {Role.OPERATOR}),
        (Action.ERASE, {Role.OPERATOR}),
        (Action.READ_RECORD, {Role.AUDITOR, Role.OPERATOR}),
        (Action.MANAGE_PEOPLE, {Role.ADMIN}),
        (Action.MANAGE_KEYS, {Role.ADMIN}),
        (Action.MANAGE_RELEASE, {Role.OPERATOR}),
        (Action.EXPLAIN_ACCESS, {Role.OPERATOR, Role.AUDITOR, Role.ADMIN}),
    ],
)
def test_which_role_may_what(action: Action, roles: set[Role]) -> None:
    assert by_role(action) == roles


def test_a_publisher_may_push_only_where_the_source_names_their_group() -> None:
    groups = frozenset({"editors"})
    editor = somebody(Role.PUBLISHER, groups=("editors",))
    assert require(editor, Action.PUBLISH, publisher_groups=groups).by == "publisher"
    for who in (somebody(Role.PUBLISHER), somebody(Role.USER, groups=("editors",))):
        with pytest.raises(NotPermitted):
            require(who, Action.PUBLISH, publisher_groups=groups)
    with pytest.raises(NotPermitted):
        require(editor, Action.PUBLISH)


def test_a_reviewer_reviews_only_for_their_groups_and_elsewhere_sees_nothing() -> None:
    quality = frozenset({"quality"})
    assert require(somebody(Role.REVIEWER, groups=("quality",)), Action.REVIEW, reviewer_groups=quality)
    with pytest.raises(NotFound):
        require(somebody(Role.REVIEWER, groups=("other",)), Action.REVIEW, reviewer_groups=quality)
    with pytest.raises(NotPermitted):
        require(somebody(Role.USER, groups=("quality",)), Action.REVIEW, reviewer_groups=quality)


def test_own_things_are_ones_own_and_those_of_others_look_absent() -> None:
    assert require(somebody(Role.USER), Action.READ_ANSWER, owner="aigul").by == "owner"
    with pytest.raises(NotFound):
        require(somebody(Role.USER), Action.READ_ANSWER, owner="marat")


@pytest.mark.parametrize("action", list(Action))
def test_nothing_crosses_tenants_whatever_the_roles(action: Action) -> None:
    everything = somebody(*Role, groups=("editors", "quality"))
    context = Context("telecom", "aigul", frozenset({"editors"}), frozenset({"quality"}))
    assert may(everything, action, context) == Denial(action, "other_tenant", concealed=True)
    with pytest.raises(NotFound):
        require(everything, action, tenant="telecom", owner="aigul")


def test_a_refusal_names_the_roles_that_would_do() -> None:
    with pytest.raises(NotPermitted) as caught:
        require(somebody(Role.USER), Action.PUBLISH)
    assert "push documents" in caught.value.message
    assert "operator" in caught.value.hint and "publisher" in caught.value.hint


def test_only_the_owner_of_the_files_acts_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = require_owner(tmp_path)
    acting = impersonate(somebody(Role.USER, groups=("hr",)), user)
    assert acting.impersonated_by == user and acting.terms == somebody(Role.USER, groups=("hr",)).terms
    monkeypatch.setattr("os.getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(NotPermitted):
        require_owner(tmp_path)
