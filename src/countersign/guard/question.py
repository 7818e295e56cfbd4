"""The question stage: a size limit, the cleaned text that goes on, and what was noticed on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace

from countersign.domain.answers import HistoryTurn
from countersign.guard.findings import GuardFinding
from countersign.guard.injection import NO_SIGNAL, Signal
from countersign.guard.untrusted import treat

MAX_QUESTION_CHARS = 8_000
MAX_HISTORY_CHARS = 24_000
MAX_HISTORY_TURNS = 40


@dataclass(frozen=True, slots=True)
class GuardedText:
    """`text` is what goes on. `blocked_reason` is empty, or a finding code: then the question is not asked."""

    text: str
    findings: tuple[GuardFinding, ...] = ()
    blocked_reason: str = ""
    signal: Signal = NO_SIGNAL


@dataclass(frozen=True, slots=True)
class GuardedHistory:
    """Oldest first, as it came; roles other than `user` and `assistant` are demoted to `user`."""

    turns: tuple[HistoryTurn, ...] = ()
    findings: tuple[GuardFinding, ...] = ()


def guard_question(raw: str, *, max_chars: int = MAX_QUESTION_CHARS) -> GuardedText:
    """Clean a question. Only its size can block it: an injection signal is recorded and acted on elsewhere."""
    if len(raw) > max_chars:
        return _blocked("question_too_long", f"{len(raw)} characters, at most {max_chars}")
    treated = treat(raw, "question")
    text = treated.text.strip()
    if not text:
        return replace(_blocked("question_empty", ""), signal=treated.signal)
    return GuardedText(text, treated.findings, "", treated.signal)


def guard_history(
    turns: tuple[HistoryTurn, ...],
    *,
    max_turns: int = MAX_HISTORY_TURNS,
    max_chars: int = MAX_HISTORY_CHARS,
) -> GuardedHistory:
    """Clean a client's history, newest turns first in importance: what passes the limits is left out from the oldest."""
    kept: list[HistoryTurn] = []
    considered = 0
    findings: list[GuardFinding] = []
    room = max_chars
    for turn in reversed(turns[-max_turns:]):
        if len(turn.content) > room:
            break
        room -= len(turn.content)
        considered += 1
        treated = treat(turn.content, "history")
        findings.extend(treated.findings)
        role = "assistant" if turn.role == "assistant" else "user"
        if text := treated.text.strip():
            kept.append(HistoryTurn(role, text))
    if considered < len(turns):
        left_out = len(turns) - considered
        findings.append(GuardFinding("limits", "history", "history_truncated", "info", count=left_out))
    return GuardedHistory(tuple(reversed(kept)), tuple(findings))


def _blocked(code: str, evidence: str) -> GuardedText:
    return GuardedText("", (GuardFinding("limits", "question", code, "error", evidence),), code)
