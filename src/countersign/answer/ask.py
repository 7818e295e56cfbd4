"""The straight line: a question enters at the top, an answer leaves at the bottom, nothing jumps sideways.

    authenticated principal → release → guard question → retrieve → guard passages → weigh → compose
    → generate → guard output → bind citations → verify claims → judge → deliver | hold | refuse | degrade → record

Each step takes the turn so far and returns the next one. A step that refuses sets the turn's decision, and the walk
ends there: a refusal is a value with a reason. Everything that happened is committed before the answer leaves; where an
assistant delivers live, everything up to its generation, and the rest before the end is told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from countersign.access.principal import Principal
from countersign.answer import steps
from countersign.answer.line import Line, Watch
from countersign.answer.live import Emit, Live, speaks_live
from countersign.answer.settle import settle
from countersign.answer.timing import tell_of_superseded
from countersign.answer.turn import Turn
from countersign.domain.answers import Answer, Question, RefusalReason
from countersign.domain.ids import new_id

Step = Callable[[Line, Turn], Awaitable[Turn]]
Steps = tuple[tuple[str, Step], ...]

_BEFORE: Steps = (
    ("guard_question", steps.guard_question),
    ("retrieve", steps.retrieve),
    ("guard_passages", steps.guard_passages),
    ("weigh", steps.weigh),
    ("compose", steps.compose_prompt),
)
_WRITING: Steps = (
    ("generate", steps.generate),
    ("guard_output", steps.guard_output),
    ("bind", steps.bind_citations),
)
_AFTER: Steps = (
    ("verify", steps.verify_claims),
    ("judge", steps.judge),
)
STEPS: Steps = (*_BEFORE, *_WRITING, *_AFTER)


async def ask(
    line: Line,
    principal: Principal,
    question: Question,
    watch: Watch,
    request_id: str = "",
    answer_id: str = "",
    emit: Emit | None = None,
) -> Answer:
    """Answer `question` as `principal`. Raises `NotFound` (no such assistant for this person) and `UsageError`.

    `emit` gets the answer's text: all of it once everything is committed, or, from an assistant that delivers live,
    sentence by sentence before. `answer_id` names the answer when the caller had to do so beforehand.
    """
    live = Live(emit) if emit is not None and speaks_live(line.assistants.get(question.assistant)) else None
    answer_id = answer_id or new_id("ans")
    answering = _answer(line, principal, question, watch, request_id, answer_id, live)
    answer = await (answering if live is None else live.unbroken(answering))
    if emit is not None and (rest := answer.text[len(live.left) if live else 0 :]):
        emit(rest)
    return answer


async def _answer(
    line: Line,
    principal: Principal,
    question: Question,
    watch: Watch,
    request_id: str,
    answer_id: str,
    live: Live | None,
) -> Answer:
    """A passage that the asker loses while the model writes discards the draft, and the line is walked once more."""
    ahead = STEPS if live is None else (*_BEFORE, ("generate", live.speak), *_AFTER)
    for attempt in (1, 2):
        begun = steps.begin(line, principal, question, answer_id, request_id)
        turn = await tell_of_superseded(line, await walk(ahead, line, begun, watch))
        answer = await settle(line, turn, watch)
        if answer is not None:
            return answer
        watch(f"rights_changed_{attempt}")
    lost = replace(steps.begin(line, principal, question, answer_id, request_id), passages=())
    refused = await settle(line, lost.refused(RefusalReason.NO_EVIDENCE), watch)
    if refused is None:
        raise AssertionError("an answer without passages cannot lose one")
    return refused


async def walk(ahead: Steps, line: Line, turn: Turn, watch: Watch) -> Turn:
    """All steps in order, until one of them decides."""
    for name, step in ahead:
        if turn.decision is not None:
            break
        watch(name)
        turn = await step(line, turn)
    return turn
