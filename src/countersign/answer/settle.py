"""The end of the line: what the decision makes of the draft, kept and recorded in one commit before anything leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from countersign.answer.generate import CUT_SHORT
from countersign.answer.line import Line, Watch
from countersign.answer.phrases import (
    advice_for,
    note_of_conflict,
    note_of_time,
    sentence_for_hold,
    sentence_for_refusal,
    sentence_for_superseded,
)
from countersign.answer.steps import sees_personal
from countersign.answer.store import Finished, Hold
from countersign.answer.timing import last_day
from countersign.answer.turn import Turn
from countersign.domain.answers import Answer, AnswerStatus, Citation, ConflictNote, RefusalReason
from countersign.domain.events import EventKind
from countersign.domain.ids import new_id

_MAX_CONFLICTS_TOLD = 3


async def settle(line: Line, turn: Turn, watch: Watch) -> Answer | None:
    """Keep the answer with its events; None, with only the attempt recorded, when the asker lost a passage meanwhile."""
    answer = _answer(line, turn)
    hold = _hold(line, turn) if answer.status is AnswerStatus.HELD else None
    finished = Finished(
        answer=answer,
        question=turn.question.text,
        passages=turn.passages,
        in_force_at=turn.as_of,
        events=_closing(line, turn, answer, hold).events,
        hold=hold,
        left=bool(turn.left),
    )
    watch("record")
    if await line.answers.finish(finished, turn.principal):
        return answer
    lost = turn.noting(
        EventKind.ANSWER_DECIDED, {"status": "discarded", "reason": "rights_changed"}, line.clock.now()
    )
    await line.answers.append(lost.events)
    return None


def _answer(line: Line, turn: Turn) -> Answer:
    decision = turn.decision
    if decision is None:
        raise AssertionError("the walk ends with a decision")
    served, conflicts = turn.served, _redacted_conflicts(line, turn)
    answer = Answer(
        answer_id=turn.answer_id,
        tenant=turn.principal.tenant,
        user=turn.principal.name,
        assistant=turn.assistant.name,
        task=turn.question.task,
        status=decision.status,
        text=_with_notes(turn, conflicts),
        release=turn.release,
        created=turn.started,
        as_of=turn.asked_for or turn.data_as_of or turn.as_of,
        language=turn.language,
        confidence=turn.confidence,
        citations=_redacted(line, turn),
        claims=turn.claims,
        conflicts=conflicts,
        warnings=(*turn.warnings, *decision.warnings),
        hold_reasons=decision.hold_reasons,
        model=served.model if served else "",
        rung=served.rung if served else 0,
        degraded_because=served.degraded_because if served else "",
    )
    if served is not None:
        answer = replace(answer, usage=served.usage, cost=served.cost)
    if decision.status is AnswerStatus.HELD:
        return replace(answer, draft=answer.text, text=sentence_for_hold(turn.language, turn.answer_id))
    if decision.status is AnswerStatus.REFUSED:
        reason = decision.refusal or RefusalReason.NO_EVIDENCE
        sentence = _refusal(turn, reason)
        return replace(
            answer,
            text=f"{turn.left}\n\n{sentence}" if turn.left else sentence,
            refusal=reason,
            citations=(),
            claims=(),
            conflicts=(),
            confidence=None,
        )
    return answer


def _with_notes(turn: Turn, conflicts: Sequence[ConflictNote]) -> str:
    """The draft, and under it what its documents contradict each other in, and the day it speaks of if not today."""
    if not turn.draft or turn.question.task != "answer" or CUT_SHORT in turn.warnings:
        return turn.draft
    notes = [
        note_of_conflict(turn.language, note.values, note.citations, same_name=note.same_name)
        for note in conflicts[:_MAX_CONFLICTS_TOLD]
    ]
    asked_for = turn.asked_for
    if asked_for is not None and asked_for.date() != turn.started.date():
        until = last_day(turn.in_force_until).date() if turn.in_force_until else None
        notes.append(note_of_time(turn.language, asked_for.date(), until))
    return "\n\n".join([turn.draft, *notes])


def _redacted_conflicts(line: Line, turn: Turn) -> tuple[ConflictNote, ...]:
    sees, key = sees_personal(turn), line.tenant_keys(turn.principal.tenant)

    def shown(text: str) -> str:
        return line.guard.redact(text, may_see_personal=sees, tenant_key=key)

    return tuple(
        replace(note, subject=shown(note.subject), values=tuple(map(shown, note.values)))
        for note in turn.conflicts
    )


def _refusal(turn: Turn, reason: RefusalReason) -> str:
    if turn.in_force_until is None:
        sentence = sentence_for_refusal(reason, turn.language, turn.answer_id)
        told = reason is RefusalReason.NO_EVIDENCE and advice_for(turn.doubt, turn.language)
        return f"{sentence} {told}" if told else sentence
    return sentence_for_superseded(last_day(turn.in_force_until).date(), turn.language, turn.answer_id)


def _redacted(line: Line, turn: Turn) -> tuple[Citation, ...]:
    """A quote is output too: what the text may not show, its citation may not show either."""
    sees, key = sees_personal(turn), line.tenant_keys(turn.principal.tenant)

    def shown(text: str) -> str:
        return line.guard.redact(text, may_see_personal=sees, tenant_key=key) if text else ""

    return tuple(
        replace(c, quote=shown(c.quote), row=shown(c.row), column=shown(c.column)) for c in turn.citations
    )


def _hold(line: Line, turn: Turn) -> Hold:
    process = turn.assistant.process
    decision = turn.decision
    reasons = decision.hold_reasons if decision else ()
    return Hold(new_id("rev"), reasons, process.reviewer_groups, line.clock.now() + process.deadline)


def _closing(line: Line, turn: Turn, answer: Answer, hold: Hold | None) -> Turn:
    now = line.clock.now()
    facts = {
        "status": answer.status.value,
        "refusal": answer.refusal.value if answer.refusal else "",
        "hold_reasons": list(answer.hold_reasons),
        "confidence": answer.confidence.score if answer.confidence else None,
        "calibrated": answer.confidence.calibrated if answer.confidence else False,
        "features": answer.confidence.features if answer.confidence else {},
        "release": answer.release,
        "model": answer.model,
        "degraded_because": answer.degraded_because,
        "warnings": list(answer.warnings),
        "citations": [c.citation_id for c in answer.citations],
        "duration_ms": round((now - turn.started).total_seconds() * 1000, 2),
        "ai_generated": answer.ai_generated,
    }
    turn = turn.noting(EventKind.ANSWER_DECIDED, facts, now, text=answer.draft or answer.text)
    if hold is None:
        return turn
    opened = {"review": hold.review_id, "groups": list(hold.groups), "reasons": list(hold.reasons)}
    return turn.noting(EventKind.REVIEW_OPENED, opened, now)
