"""What the line keeps of an answer, and what a reader may get back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from countersign.access.principal import Principal
from countersign.domain.answers import Answer, Citation
from countersign.domain.documents import Passage
from countersign.domain.events import Event


@dataclass(frozen=True, slots=True)
class Hold:
    """Why an answer waits for a human, for whom, and until when."""

    review_id: str
    reasons: tuple[str, ...]
    groups: tuple[str, ...]
    deadline: datetime | None


@dataclass(frozen=True, slots=True)
class Finished:
    """Everything that one walk of the line leaves behind, written in one transaction or not at all."""

    answer: Answer
    question: str
    passages: tuple[Passage, ...]
    """Every passage whose text the model saw."""
    in_force_at: datetime
    """The moment at which the passages must be in force: now, or the past that was asked about."""
    events: tuple[Event, ...]
    hold: Hold | None = None
    left: bool = False
    """Text has left already, each sentence after a look at the rights: kept whatever the rights are now."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer as this reader may see it now. `withheld` says that a passage is no longer theirs to see."""

    answer: Answer
    question: str
    withheld: bool
    review_id: str = ""
    review_state: str = ""
    decided_by: str = ""
    edited: bool = False


@dataclass(frozen=True, slots=True)
class CitedPassage:
    """A citation with the passage around its quote and what is needed to show its page."""

    citation: Citation
    answer_id: str
    assistant: str
    passage_text: str
    blob: str
    filename: str
    mime: str
    pages: int | None


class AnswerStore(Protocol):
    async def permitted(
        self, passages: Sequence[Passage], in_force_at: datetime, principal: Principal
    ) -> bool:
        """Whether this person, as the database knows them now, may read every one of these passages."""
        ...

    async def finish(self, finished: Finished, principal: Principal) -> bool:
        """Re-check the asker's current rights on every passage and, in the same transaction, keep everything.

        False, with nothing kept, when a passage was lost meanwhile and no text has left.
        """
        ...

    async def append(self, events: Sequence[Event]) -> None:
        """Record events now; they are committed when this returns."""
        ...

    async def read(self, answer_id: str, reader: Principal) -> StoredAnswer:
        """Raises `NotFound` for absent and forbidden alike."""
        ...

    async def citation(self, citation_id: str, reader: Principal) -> CitedPassage:
        """Raises `NotFound` for absent, forbidden and withheld alike."""
        ...
