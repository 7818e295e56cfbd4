"""Live delivery: the draft leaves sentence by sentence, each one filtered, bound and permitted before it goes.

Only for assistants of low risk without a rule that could hold an answer. What has left cannot be taken back: a hit of
the output filter or a lost right then ends the answer as refused, a model that fails ends it as cut short, and either
way what left is kept and recorded as the beginning of the answer's text, even when its reader has gone away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace

from countersign.answer.citations import Binding
from countersign.answer.generate import CUT_SHORT, abstains, generate_text
from countersign.answer.line import Line
from countersign.answer.steps import note_output, output_filter, with_bound
from countersign.answer.turn import Turn
from countersign.corpus.sentences import split_sentences
from countersign.domain.answers import Answer, RefusalReason
from countersign.domain.workspace import Assistant

Emit = Callable[[str], None]
"""Given the next piece of the answer's text as it leaves; all pieces together are the text. Must not block."""

_RIGHTS_CHANGED = "rights_changed"
_HUNG_UP = "hung_up"
_OPENERS = "[【(^"
_LOOK_AGAIN = 16
"""A sentence of n characters that is not over is looked at again after n/16 more: long ones cost linear time."""


def speaks_live(assistant: Assistant | None) -> bool:
    """Whether text may leave before the decision. The configuration says so, and nothing could hold it."""
    if assistant is None or assistant.delivery != "live":
        return False
    return assistant.process.risk == "low" and not assistant.holds.any


class Live:
    """One answer on its way out. `speak` takes the place of generating, guarding and binding on the line."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self.left = ""
        self.hung_up = False

    def emit(self, text: str) -> None:
        self.left += text
        self._emit(text)

    async def speak(self, line: Line, turn: Turn) -> Turn:
        """What was asked is on record before anything leaves, for a model or for the reader."""
        if _too_old(turn):
            return turn.refused(RefusalReason.SOURCE_TOO_OLD)
        await line.answers.append(turn.events)
        started = time.perf_counter()
        voice = _Voice(line, turn, self)
        turn = await generate_text(line, replace(turn, events=()), voice)
        if turn.decision is not None:
            return turn
        if CUT_SHORT not in turn.warnings:
            await voice.finish()
        turn = replace(turn, left=self.left)
        turn = note_output(line, turn, voice.findings, voice.blocked, started)
        cut = (CUT_SHORT,) if self.left else ()
        if voice.blocked:
            ended = replace(turn, draft="", warnings=cut)
            return ended.refused(RefusalReason.OUTPUT_BLOCKED, voice.blocked)
        if voice.stopped == _RIGHTS_CHANGED:
            return replace(turn, draft="", warnings=cut).refused(RefusalReason.NO_EVIDENCE, _RIGHTS_CHANGED)
        if self.hung_up and CUT_SHORT not in turn.warnings:
            turn = replace(turn, warnings=(*turn.warnings, CUT_SHORT))
        return with_bound(turn, voice.binding.bound())

    async def unbroken(self, walking: Coroutine[None, None, Answer]) -> Answer:
        """Whoever stops waiting stops the writing; what has left by then is kept and recorded before this returns."""
        task = asyncio.ensure_future(walking)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self.hung_up = True
            if not self.left:
                task.cancel()
            await asyncio.wait([task])
            raise


class _Voice:
    """Hears one rung's draft and lets go of each sentence when it is over, clean, and still its asker's to read."""

    def __init__(self, line: Line, turn: Turn, live: Live) -> None:
        self._line = line
        self._turn = turn
        self._live = live
        self.begin()

    def begin(self) -> None:
        self._filter = output_filter(self._line, self._turn)
        self.binding = Binding(self._turn.passages)
        self.stopped = ""
        self._pending = ""
        self._look_at = 0
        self._heard = ""
        self._waiting = ""

    @property
    def left(self) -> str:
        return self._live.left

    @property
    def findings(self):
        return self._filter.findings

    @property
    def blocked(self) -> str:
        """The code of the guard's hit that ended the answer."""
        return "" if self.stopped in (_RIGHTS_CHANGED, _HUNG_UP) else self.stopped

    async def hear(self, text: str) -> bool:
        await self._take(self._filter.feed(text), final=False)
        return not self.stopped

    async def finish(self) -> None:
        if not self.stopped:
            await self._take(self._filter.finish(), final=True)

    async def _take(self, text: str, *, final: bool) -> None:
        self.stopped = _HUNG_UP if self._live.hung_up else self._filter.blocked_reason
        if self.stopped:
            return
        self._pending += text
        if not self._heard:
            self._pending = self._pending.lstrip()
        cut = len(self._pending) if final else self._settled()
        if cut:
            sentences, self._pending = self._pending[:cut], self._pending[cut:]
            self._look_at = 0
            await self._let_go(sentences)

    def _settled(self) -> int:
        """Where the last sentence begins that surely ended the one before: nothing that follows can change that."""
        if len(self._pending) < self._look_at:
            return 0
        self._look_at = len(self._pending) * (1 + _LOOK_AGAIN) // _LOOK_AGAIN
        for start, end in reversed(split_sentences(self._pending)):
            begun = self._pending[start:end].lstrip()
            if start and begun and begun[0] not in _OPENERS:
                return start
        return 0

    async def _let_go(self, sentences: str) -> None:
        """A greeting waits for the first sentence that says something, so that an empty answer can still be refused."""
        turn, line = self._turn, self._line
        if not await line.answers.permitted(turn.passages, turn.as_of, turn.principal):
            self.stopped = _RIGHTS_CHANGED
            return
        self._heard += sentences
        self._waiting += self.binding.add(sentences)
        if not self.binding.says_something or abstains(self._heard):
            return
        if line.guard.examine_output(self._heard).action != "allow":
            self.stopped = "check_blocked"
        elif self._live.hung_up:
            self.stopped = _HUNG_UP
        else:
            self._live.emit(self._waiting)
            self._waiting = ""


def _too_old(turn: Turn) -> bool:
    """The one rule that could refuse at the end is asked at the beginning."""
    oldest = turn.assistant.refuse_when.source_older_than
    return oldest is not None and (turn.data_age is None or turn.data_age > oldest)
