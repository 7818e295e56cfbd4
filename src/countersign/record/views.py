"""What is read back from the record: one answer's story, its steps with durations, and what was spent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

GroupBy = Literal["assistant", "model", "user", "day"]
PersonalState = Literal["none", "kept", "erased", "withheld"]


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    tenant: str
    seq: int
    at: datetime
    kind: str
    actor: str
    subject: str
    request_id: str
    facts: Mapping[str, object]
    personal: Mapping[str, str] = field(default_factory=dict[str, str])
    personal_state: PersonalState = "none"
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an answer. `duration_ms` is None where a step has none; `offset_ms` counts from the first step."""

    kind: str
    at: datetime
    offset_ms: float
    duration_ms: float | None
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class CostLine:
    """What one group spent in one currency. `unpriced_calls` had no known price and are not part of `amount`."""

    group: str
    currency: str
    amount: float
    calls: int
    unpriced_calls: int
    unmetered_calls: int
    input_tokens: int
    output_tokens: int


def steps(story: Iterable[RecordedEvent]) -> tuple[Step, ...]:
    """The steps of a story in order."""
    events = list(story)
    return tuple(
        Step(
            kind=event.kind,
            at=event.at,
            offset_ms=(event.at - events[0].at).total_seconds() * 1000,
            duration_ms=_number(event.facts.get("duration_ms")),
            facts=event.facts,
        )
        for event in events
    )


@dataclass(slots=True)
class _Sum:
    amount: float = 0.0
    calls: int = 0
    unpriced: int = 0
    unmetered: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def add(self, facts: Mapping[str, object]) -> None:
        amount = _number(facts.get("amount"))
        self.calls += 1
        self.input_tokens += int(_number(facts.get("input_tokens")) or 0)
        self.output_tokens += int(_number(facts.get("output_tokens")) or 0)
        if facts.get("unmetered"):
            self.unmetered += 1
        elif amount is None:
            self.unpriced += 1
        else:
            self.amount += amount


def costs(calls: Iterable[RecordedEvent], group_by: GroupBy) -> tuple[CostLine, ...]:
    """Sum `model.called` events, dearest first; currencies are never added together."""
    sums: dict[tuple[str, str], _Sum] = {}
    for event in calls:
        key = (_group(event, group_by), str(event.facts.get("currency") or ""))
        sums.setdefault(key, _Sum()).add(event.facts)
    lines = [
        CostLine(group, currency, s.amount, s.calls, s.unpriced, s.unmetered, s.input_tokens, s.output_tokens)
        for (group, currency), s in sums.items()
    ]
    return tuple(sorted(lines, key=lambda line: (-line.amount, line.group, line.currency)))


def _group(event: RecordedEvent, group_by: GroupBy) -> str:
    if group_by == "user":
        return event.actor
    if group_by == "day":
        return event.at.date().isoformat()
    return str(event.facts.get(group_by) or "")


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
