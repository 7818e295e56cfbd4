"""The operating-system owner of a workspace may act as any of its people on the command line, and it is recorded."""

from __future__ import annotations

import os
import pwd
from dataclasses import replace
from pathlib import Path

from countersign.access.principal import Principal
from countersign.domain.errors import NotPermitted


def require_owner(state: Path) -> str:
    """The name of the operating-system user, when it owns the state folder. Raises `NotPermitted` otherwise."""
    user = os.getuid()
    if state.stat().st_uid != user:
        raise NotPermitted(
            "only the owner of the workspace's files may do this here",
            code="not_owner",
            hint="Use your own key over HTTP, or run the command as that user.",
        )
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"uid {user}"


def impersonate(principal: Principal, os_user: str) -> Principal:
    """The same person with the same rights and roles, marked so that every event says who really acted."""
    return replace(principal, impersonated_by=os_user)
