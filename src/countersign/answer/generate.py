"""One draft from the ladder: the text, which rung wrote it, what it used, and every step down on the way."""

from __future__ import annotations

import time
from dataclasses import replace

from countersign.answer.compose import ABSTAIN
from countersign.answer.line import Line
from countersign.answer.turn import Served, Turn
from countersign.domain.answers import RefusalReason
from countersign.domain.events import EventKind
from countersign.gateway.budget import limits_of
from countersign.gateway.residency import allowed_regions
from countersign.gateway.seams import Delta, Done, Exhausted, ModelRequest, Restart, RungChosen, RungSkipped
from countersign.gateway.streams import closing

_CAUSES = {
    "residency": RefusalReason.NO_MODEL_ALLOWED,
    "budget": RefusalReason.BUDGET_EXCEEDED,
    "provider": RefusalReason.MODEL_UNAVAILABLE,
}


async def generate_text(line: Line, turn: Turn) -> Turn:
    """Raises nothing for a model's failure: the next rung serves, or the turn is refused with the cause."""
    started = time.perf_counter()
    written: list[str] = []
    chosen: RungChosen | None = None
    done: Done | None = None
    ladder = line.ladders[turn.assistant.name]
    stream = ladder.stream(
        _request(turn),
        allowed_regions=allowed_regions((p.residency for p in turn.passages), line.residency),
        limits=limits_of(
            turn.assistant.budget,
            tenant=turn.principal.tenant,
            assistant=turn.assistant.name,
            user=turn.principal.name,
            now=turn.started,
        ),
    )
    async with closing(stream) as values:
        async for value in values:
            if isinstance(value, RungChosen):
                chosen, written = value, []
            elif isinstance(value, Delta):
                written.append(value.text)
            elif isinstance(value, Restart):
                turn = _note_failure(line, turn, value)
            elif isinstance(value, Exhausted):
                return _exhausted(line, turn, value)
            else:
                done = value
    if chosen is None or done is None:
        return _exhausted(line, turn, Exhausted(()))
    draft = "".join(written).strip()
    served = Served(
        chosen.name, chosen.index, _pairs(chosen.because), done.finish_reason, done.usage, done.cost
    )
    turn = _note_call(line, turn, served, started, len(draft))
    if done.finish_reason == "abstained" or _abstains(draft):
        return replace(turn, served=served).refused(RefusalReason.NO_EVIDENCE)
    warnings = ("cut_at_length",) if done.finish_reason == "length" else ()
    return replace(turn, served=served, draft=draft, warnings=(*turn.warnings, *warnings))


def _abstains(draft: str) -> bool:
    """Nothing, or the agreed word alone; a text that merely contains the word is judged like any other."""
    return len(draft.replace(ABSTAIN, "").strip(" .[]0123456789")) == 0


def _request(turn: Turn) -> ModelRequest:
    composed = turn.composed
    if composed is None:
        raise AssertionError("a prompt is composed before it is sent")
    return ModelRequest(
        messages=composed.messages,
        max_output_tokens=turn.question.max_output_tokens or turn.assistant.max_output_tokens,
        question=turn.asked,
        passages=turn.passages,
        language=turn.language,
        task=turn.question.task,
        temperature=turn.question.temperature,
        request_id=turn.request_id,
    )


def _note_call(line: Line, turn: Turn, served: Served, started: float, characters: int) -> Turn:
    cost = served.cost
    facts = {
        "model": served.model,
        "rung": served.rung,
        "skipped": [list(pair) for pair in served.skipped],
        "finish_reason": served.finish_reason,
        "input_tokens": served.usage.input_tokens,
        "output_tokens": served.usage.output_tokens,
        "usage_reported": served.usage.reported,
        "amount": cost.amount if cost else None,
        "currency": cost.currency if cost else "",
        "unmetered": bool(cost and cost.unmetered),
        "assistant": turn.assistant.name,
        "release": turn.release,
        "characters": characters,
        "duration_ms": round((time.perf_counter() - started) * 1000, 2),
    }
    return turn.noting(EventKind.MODEL_CALLED, facts, line.clock.now())


def _note_failure(line: Line, turn: Turn, failed: Restart) -> Turn:
    facts = {"model": failed.name, "failed": failed.reason, "assistant": turn.assistant.name}
    return turn.noting(EventKind.MODEL_CALLED, facts, line.clock.now())


def _exhausted(line: Line, turn: Turn, exhausted: Exhausted) -> Turn:
    skipped = [list(pair) for pair in _pairs(exhausted.because)]
    kind = EventKind.BUDGET_REFUSED if exhausted.cause == "budget" else EventKind.ANSWER_GENERATED
    turn = turn.noting(kind, {"exhausted": exhausted.cause, "skipped": skipped}, line.clock.now())
    return turn.refused(_CAUSES[exhausted.cause])


def _pairs(skipped: tuple[RungSkipped, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((rung.name, rung.reason) for rung in skipped)
