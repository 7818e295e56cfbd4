"""What is done to every untrusted text, whoever wrote it: cleaned, taken apart, looked at, and every change reported."""

from __future__ import annotations

from dataclasses import dataclass

from countersign.guard.control import defuse_control, defuse_fences
from countersign.guard.findings import GuardFinding, Stage, inert
from countersign.guard.injection import Signal, injection_signal
from countersign.guard.normalise import Cleaned, clean


@dataclass(frozen=True, slots=True)
class Treated:
    """`text` may go on; `signal` is what the detectors made of the text as it came."""

    text: str
    findings: tuple[GuardFinding, ...]
    signal: Signal


def treat(raw: str, stage: Stage, *, subject: str = "") -> Treated:
    """Clean `raw`, take chat-control tokens and fence imitations out of it, and score its wording."""
    cleaned = clean(raw)
    text, tokens, fences = _taken_apart(cleaned.text)
    signal = injection_signal(raw, extra_hidden=cleaned.hidden)
    findings = [
        *_cleaning_findings(cleaned, stage, subject),
        *_counted("control", stage, "control_token", tokens, subject),
        *_counted("control", stage, "fence_imitation", fences, subject),
        *_signal_findings(signal, stage, subject),
    ]
    return Treated(text, tuple(findings), signal)


def harmless(raw: str) -> str:
    """The text of `treat` alone, for titles and headings: nothing is reported of them."""
    return _taken_apart(clean(raw).text)[0]


def _taken_apart(text: str) -> tuple[str, int, int]:
    text, tokens = defuse_control(text)
    text, fences = defuse_fences(text)
    return text, tokens, fences


def _cleaning_findings(cleaned: Cleaned, stage: Stage, subject: str) -> list[GuardFinding]:
    findings = [
        *_counted("normalise", stage, "invisible_characters", cleaned.invisible, subject, "info"),
        *_counted("normalise", stage, "styled_characters", cleaned.styled, subject, "info"),
        *_counted("normalise", stage, "mixed_script", cleaned.mixed_words, subject, "info"),
    ]
    if cleaned.hidden:
        findings.append(
            GuardFinding(
                "normalise", stage, "tag_characters", "warning", inert(cleaned.hidden), subject=subject
            )
        )
    return findings


def _counted(
    check: str, stage: Stage, code: str, count: int, subject: str, severity: str = "warning"
) -> list[GuardFinding]:
    if not count:
        return []
    level = "info" if severity == "info" else "warning"
    return [GuardFinding(check, stage, code, level, count=count, subject=subject)]


def _signal_findings(signal: Signal, stage: Stage, subject: str) -> list[GuardFinding]:
    findings: list[GuardFinding] = []
    if signal.rules:
        findings.append(
            GuardFinding(
                "injection",
                stage,
                "injection_signal",
                "warning" if signal.raised else "info",
                f"{', '.join(signal.rules)}: {inert(signal.evidence)}",
                score=signal.score,
                subject=subject,
            )
        )
    if signal.hidden:
        findings.append(
            GuardFinding(
                "injection", stage, "encoded_text", "warning", inert(signal.evidence), subject=subject
            )
        )
    return findings
