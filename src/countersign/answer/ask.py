"""The straight line: a question enters at the top, an answer leaves at the bottom, nothing jumps sideways.

    authenticated principal → release → guard question → retrieve → guard passages → compose → generate
    → bind citations → verify claims → guard output → judge → deliver | hold | refuse | degrade → record

Each step takes the turn so far and returns the next one. A step that refuses sets the turn's decision, and the walk
ends there: a refusal is a value with a reason. Everything that happened is committed before the answer leaves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from countersign.access.principal import Principal
from countersign.answer import steps
from countersign.answer.line import Line, Watch
from countersign.answer.settle import settle
from countersign.answer.turn import Turn
from countersign.domain.answers import Answer, Question, RefusalReason
from countersign.domain.ids import new_id

Step = Callable[[Line, Turn], Awaitable[Turn]]

STEPS: tuple[tuple[str, Step], ...] = (
    ("guard_question", steps.guard_question),
    ("retrieve", steps.retrieve),
    ("guard_passages", steps.guard_passages),
    ("compose", steps.compose_prompt),
    ("generate", steps.generate),
    ("guard_output", steps.guard_output),
    ("bind", steps.bind_citations),
    ("verify", steps.verify_claims),
    ("judge", steps.judge),
)


async def ask(
    line: Line,
    principal: Principal,
    question: Question,
    watch: Watch,
    request_id: str = "",
    answer_id: str = "",
) -> Answer:
    """Answer `question` as `principal`. Raises `NotFound` (no such assistant for this person) and `UsageError`.

    A passage that the asker loses while the model writes discards the draft, and the line is walked once more, under
    the same id: `answer_id` when the caller had to name it beforehand.
    """
    answer_id = answer_id or new_id("ans")
    for attempt in (1, 2):
        turn = await walk(line, steps.begin(line, principal, question, answer_id, request_id), watch)
        answer = await settle(line, turn, watch)
        if answer is not None:
            return answer
        watch(f"rights_changed_{attempt}")
    lost = replace(steps.begin(line, principal, question, answer_id, request_id), passages=())
    refused = await settle(line, lost.refused(RefusalReason.NO_EVIDENCE), watch)
    if refused is None:
        raise AssertionError("an answer without passages cannot lose one")
    return refused


async def walk(line: Line, turn: Turn, watch: Watch) -> Turn:
    """All steps in order, until one of them decides."""
    for name, step in STEPS:
        if turn.decision is not None:
            break
        watch(name)
        turn = await step(line, turn)
    return turn
