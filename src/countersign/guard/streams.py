"""Text that passes through in pieces. However it is cut, the joined output of a stage is the same.

That holds because every decision reads only a bounded window of the text that follows, and is not taken until that
window is there or the text has ended. Stages can therefore be chained: each one's output is the next one's input.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

Notice = Callable[[str, str], None]
"""Called with a finding code and the text it is about, in the order of the text."""


class TextStage(Protocol):
    """`feed` returns what may leave now; `finish` ends the text and returns the rest."""

    def feed(self, text: str) -> str: ...

    def finish(self) -> str: ...


class Rewriter(ABC):
    """A stage that lets text pass until `trigger` (one character) and then asks `resolve` what to do there."""

    trigger: re.Pattern[str]

    def __init__(self, notice: Notice) -> None:
        self.notice = notice
        self._pending = ""

    @abstractmethod
    def resolve(self, text: str, at: int, final: bool) -> tuple[str, int] | None:
        """What to emit for the text at `at` and where to go on; None when that needs more text (never when `final`)."""

    def feed(self, text: str) -> str:
        return self._run(self._pending + text, final=False)

    def finish(self) -> str:
        return self._run(self._pending, final=True)

    def _run(self, text: str, *, final: bool) -> str:
        emitted: list[str] = []
        at = 0
        while found := self.trigger.search(text, at):
            emitted.append(text[at : found.start()])
            at = found.start()
            step = self.resolve(text, at, final)
            if step is None:
                self._pending = text[at:]
                return "".join(emitted)
            replacement, at = step
            emitted.append(replacement)
        self._pending = ""
        emitted.append(text[at:])
        return "".join(emitted)
