"""Checks that a deployment adds: one noun, one verb, found through the entry point group `countersign.checks`.

An entry point names a callable without arguments that returns a `Check`. A check that blocks or drops is obeyed; one
that only notices is recorded. Our own stages always run as well: a check can add to them, never replace them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from countersign.domain.errors import ConfigError
from countersign.guard.findings import GuardFinding, Stage

ENTRY_POINTS = "countersign.checks"

Action = Literal["allow", "drop", "block"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`drop` leaves out one passage; `block` refuses the question or the answer. The findings say why."""

    action: Action = "allow"
    findings: tuple[GuardFinding, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What a check may know about the request; `subject` is the passage id at the passage stage."""

    tenant: str = ""
    assistant: str = ""
    language: str = "und"
    subject: str = ""
    facts: Mapping[str, str] = field(default_factory=dict[str, str])


@runtime_checkable
class Check(Protocol):
    """Looks at one text of one stage. Pure and quick: no I/O, no state that outlives the call."""

    @property
    def name(self) -> str: ...

    @property
    def stage(self) -> Stage: ...

    def examine(self, text: str, context: CheckContext) -> Verdict: ...


def load_checks(names: Iterable[str] | None = None) -> tuple[Check, ...]:
    """The installed checks, all or those named. Raises `ConfigError` for a name that is not installed or not a check."""
    from importlib.metadata import entry_points

    installed = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    checks: list[Check] = []
    for name in sorted(installed) if names is None else names:
        if name not in installed:
            raise ConfigError(
                f"the check {name!r} is not installed",
                code="check_unknown",
                hint=f"installed: {', '.join(sorted(installed)) or 'none'}",
            )
        check = installed[name].load()()
        if not isinstance(check, Check):
            raise ConfigError(
                f"the entry point {name!r} does not give a check",
                code="check_invalid",
                hint="it must have `name`, `stage` and `examine(text, context)`",
            )
        checks.append(check)
    return tuple(checks)
