"""What a model is to the rest of the house: one noun, one verb, a stream of values."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol

from countersign.domain.answers import Cost, Task, Usage
from countersign.domain.documents import Passage
from countersign.domain.workspace import Price

FinishReason = Literal["stop", "length", "abstained", "filtered"]

BUDGET_REASONS = frozenset({"budget_exceeded", "price_unknown", "currency_mismatch"})


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """`messages` is what goes over the wire. `question`, `passages` and `language` are the same material as values, for
    generators that do not speak a wire protocol (the extractive one)."""

    messages: tuple[Message, ...]
    max_output_tokens: int
    question: str = ""
    passages: tuple[Passage, ...] = ()
    language: str = "und"
    task: Task = "answer"
    temperature: float | None = None
    deadline_s: float = 60.0
    request_id: str = ""
    answerable: bool | None = None
    """Whether the passages hold an answer, where that was judged; for generators that cannot judge it themselves."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of generated text, as it came."""

    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """Always the last value of a stream. `usage.reported` is False when the provider said nothing."""

    finish_reason: FinishReason
    usage: Usage
    model: str = ""
    cost: Cost | None = None
    """What the budget was charged; filled by the ladder."""


@dataclass(frozen=True, slots=True)
class RungSkipped:
    """A rung that did not serve, and the stable code of why: `residency_not_allowed`, `breaker_open`, `model_busy`,
    `budget_exceeded`, `price_unknown`, `currency_mismatch` or the code of a `ProviderError`."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class RungChosen:
    """First value of a ladder's stream, and again after each `Restart`. `because` says why every better rung did not serve."""

    name: str
    index: int
    because: tuple[RungSkipped, ...] = ()


@dataclass(frozen=True, slots=True)
class Restart:
    """The serving rung failed after it had emitted text: discard everything since its `RungChosen`."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Last value of a ladder's stream when no rung could serve. No `Done` follows."""

    because: tuple[RungSkipped, ...]

    @property
    def cause(self) -> Literal["residency", "budget", "provider"]:
        """What to tell the asker: residency only when it removed every rung, else money before technical failure."""
        reasons = [skipped.reason for skipped in self.because]
        if reasons and all(reason == "residency_not_allowed" for reason in reasons):
            return "residency"
        return "budget" if any(reason in BUDGET_REASONS for reason in reasons) else "provider"


LadderEvent = RungChosen | Restart | Delta | Done | Exhausted


class ChatModel(Protocol):
    """A generator. Wrappers (budget, breaker, bulkhead, ladder) have this same shape.

    Raises `ProviderError` kinds; after the first `Delta` an error means that the text so far must not be used.
    """

    @property
    def name(self) -> str:
        """The name in the workspace file."""
        ...

    @property
    def region(self) -> str: ...

    @property
    def price(self) -> Price | None: ...

    def stream(self, request: ModelRequest) -> AsyncIterator[Delta | Done]: ...
