"""One draft from the ladder: the text, which rung wrote it, what it used, and every step down on the way."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Protocol

from countersign.answer.compose import ABSTAIN
from countersign.answer.line import Line
from countersign.answer.turn import Served, Turn
from countersign.domain.answers import RefusalReason, Usage
from countersign.domain.events import EventKind
from countersign.gateway.budget import limits_of
from countersign.gateway.residency import allowed_regions
from countersign.gateway.seams import (
    Delta,
    Done,
    Exhausted,
    LadderEvent,
    ModelRequest,
    Restart,
    RungChosen,
    RungSkipped,
)
from countersign.gateway.streams import closing
from countersign.gateway.tokens import estimate_tokens

CUT_SHORT = "cut_short"
"""Warning of an answer whose end is missing although it had begun to leave: the model or the reader went away, or what
followed may not be shown."""
_CAUSES = {
    "residency": RefusalReason.NO_MODEL_ALLOWED,
    "budget": RefusalReason.BUDGET_EXCEEDED,
    "provider": RefusalReason.MODEL_UNAVAILABLE,
}


class Listener(Protocol):
    """Hears a draft as it is written, to let it leave before it is whole."""

    @property
    def left(self) -> str:
        """What has left already, and so cannot be written anew by another rung."""
        ...

    def begin(self) -> None:
        """A rung begins; what an earlier one wrote is void."""
        ...

    async def hear(self, text: str) -> bool:
        """The next piece; False when no more is wanted."""
        ...


async def generate_text(line: Line, turn: Turn, listener: Listener | None = None) -> Turn:
    """Raises nothing for a model's failure: the next rung serves, or the turn is refused with the cause.

    Once something has left through the `listener` there is no next rung: a failure then cuts the draft short. A
    generator that compares words is asked without the date where the passages are versions of that date already, and
    once more in the other wording when it finds nothing.
    """
    wordings = list(dict.fromkeys((turn.asked, turn.asked_now)))
    if any(passage.valid_from or passage.valid_to for passage in turn.passages):
        wordings.reverse()
    written = await _write(line, turn, wordings[0], listener)
    if wordings[1:] and written.served is not None and written.served.finish_reason == "abstained":
        return await _write(line, replace(turn, events=written.events), wordings[1], listener)
    return written


async def _write(line: Line, turn: Turn, question: str, listener: Listener | None) -> Turn:
    started = time.perf_counter()
    written: list[str] = []
    chosen: RungChosen | None = None
    done: Done | None = None
    async with closing(_stream(line, turn, question)) as values:
        async for value in values:
            if isinstance(value, RungChosen):
                chosen, written = value, []
                if listener is not None:
                    listener.begin()
            elif isinstance(value, Delta):
                written.append(value.text)
                if listener is not None and not await listener.hear(value.text):
                    break
            elif isinstance(value, Restart):
                turn = _note_failure(line, turn, value)
                if listener is not None and listener.left:
                    break
            elif isinstance(value, Exhausted):
                return _exhausted(line, turn, value)
            else:
                done = value
    draft = "".join(written).strip()
    if chosen is not None and done is None and listener is not None:
        done = Done("stop", Usage(0, estimate_tokens(draft)))
        turn = replace(turn, warnings=(*turn.warnings, CUT_SHORT))
    if chosen is None or done is None:
        return _exhausted(line, turn, Exhausted(()))
    served = Served(
        chosen.name, chosen.index, _pairs(chosen.because), done.finish_reason, done.usage, done.cost
    )
    turn = _note_call(line, turn, served, started, len(draft))
    turn = replace(turn, served=served)
    if (done.finish_reason == "abstained" or abstains(draft)) and not (listener and listener.left):
        doubts = (turn.doubt,) if turn.doubt else ()
        return replace(turn, warnings=(*turn.warnings, *doubts)).refused(RefusalReason.NO_EVIDENCE)
    cut = ("cut_at_length",) if done.finish_reason == "length" else ()
    return replace(turn, draft=draft, warnings=(*turn.warnings, *cut))


def _stream(line: Line, turn: Turn, question: str) -> AsyncGenerator[LadderEvent, None]:
    return line.ladders[turn.assistant.name].stream(
        _request(turn, question),
        allowed_regions=allowed_regions((p.residency for p in turn.passages), line.residency),
        limits=limits_of(
            turn.assistant.budget,
            tenant=turn.principal.tenant,
            assistant=turn.assistant.name,
            user=turn.principal.name,
            now=turn.started,
        ),
    )


def abstains(draft: str) -> bool:
    """Nothing, or the agreed word alone; a text that merely contains the word is judged like any other."""
    return len(draft.replace(ABSTAIN, "").strip(" .[]0123456789")) == 0


def _request(turn: Turn, question: str) -> ModelRequest:
    composed = turn.composed
    if composed is None:
        raise AssertionError("a prompt is composed before it is sent")
    return ModelRequest(
        messages=composed.messages,
        max_output_tokens=turn.question.max_output_tokens or turn.assistant.max_output_tokens,
        question=question,
        passages=turn.passages,
        language=turn.language,
        task=turn.question.task,
        temperature=turn.question.temperature,
        request_id=turn.request_id,
        answerable=turn.answerable,
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
