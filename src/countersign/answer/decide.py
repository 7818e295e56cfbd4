"""Deliver, hold, refuse or deliver degraded: the assistant's own rules, completed by the risk of its process.

A confidence that is not calibrated may only add a hold; it never waives another rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from countersign.domain.answers import AnswerStatus, Claim, Confidence, ConflictNote, RefusalReason
from countersign.domain.documents import Passage
from countersign.domain.workspace import Assistant, HoldRules


@dataclass(frozen=True, slots=True)
class Decision:
    """`hold_reasons`: `risk_high`, `unsupported_claims`, `conflicts`, `low_confidence`, `classification:…`, `no_evidence`.

    `warnings` go with a delivered answer: `unsupported_claims`, `conflicts`, `low_confidence`, `degraded`.
    """

    status: AnswerStatus
    hold_reasons: tuple[str, ...] = ()
    refusal: RefusalReason | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def refuse(cls, reason: RefusalReason, warnings: Sequence[str] = ()) -> Decision:
        return cls(AnswerStatus.REFUSED, refusal=reason, warnings=tuple(warnings))


def decide(
    assistant: Assistant,
    claims: Sequence[Claim],
    confidence: Confidence,
    conflicts: Sequence[ConflictNote],
    passages: Sequence[Passage],
    guard_blocked: RefusalReason | None = None,
    data_age: timedelta | None = None,
    degraded_because: str = "",
) -> Decision:
    """`data_age` is how long ago the oldest used source was confirmed; None where that is unknown.

    An unknown age refuses under a `source_older_than` rule: it may be older.
    """
    refusal = _refusal(assistant, claims, passages, guard_blocked, data_age)
    if refusal is not None:
        return Decision.refuse(refusal)
    warnings = _warnings(claims, confidence, conflicts, degraded_because)
    reasons = _hold_reasons(assistant.holds, assistant, claims, confidence, conflicts, passages)
    if reasons:
        return Decision(AnswerStatus.HELD, reasons, None, warnings)
    status = AnswerStatus.DEGRADED if degraded_because else AnswerStatus.DELIVERED
    return Decision(status, (), None, warnings)


def _refusal(
    assistant: Assistant,
    claims: Sequence[Claim],
    passages: Sequence[Passage],
    guard_blocked: RefusalReason | None,
    data_age: timedelta | None,
) -> RefusalReason | None:
    if guard_blocked is not None:
        return guard_blocked
    rules = assistant.refuse_when
    if rules.no_evidence and (not passages or not claims):
        return RefusalReason.NO_EVIDENCE
    oldest = rules.source_older_than
    if oldest is not None and passages and (data_age is None or data_age > oldest):
        return RefusalReason.SOURCE_TOO_OLD
    return None


def _hold_reasons(
    rules: HoldRules,
    assistant: Assistant,
    claims: Sequence[Claim],
    confidence: Confidence,
    conflicts: Sequence[ConflictNote],
    passages: Sequence[Passage],
) -> tuple[str, ...]:
    reasons: list[str] = []
    if rules.everything:
        reasons.append("risk_high" if assistant.process.risk == "high" else "everything")
    if rules.unsupported_claims and any(not claim.supported for claim in claims):
        reasons.append("unsupported_claims")
    if rules.conflicts and conflicts:
        reasons.append("conflicts")
    if rules.confidence_below is not None and confidence.score < rules.confidence_below:
        reasons.append("low_confidence")
    labels = {passage.classification for passage in passages} & set(rules.classification)
    reasons += [f"classification:{label}" for label in sorted(labels)]
    if not claims and assistant.process.risk != "low":
        reasons.append("no_evidence")
    return tuple(reasons)


def _warnings(
    claims: Sequence[Claim],
    confidence: Confidence,
    conflicts: Sequence[ConflictNote],
    degraded_because: str,
) -> tuple[str, ...]:
    found = (
        ("unsupported_claims", any(not claim.supported for claim in claims)),
        ("conflicts", bool(conflicts)),
        ("low_confidence", confidence.band == "low"),
        ("degraded", bool(degraded_because)),
    )
    return tuple(code for code, present in found if present)
