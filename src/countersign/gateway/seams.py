"""What a model is to the rest of the house: one noun, one verb, a stream of values."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol

from countersign.domain.answers import Task, Usage
from countersign.domain.documents import Passage
from countersign.domain.workspace import Price


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


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of generated text, as it came."""

    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """Always the last value of a stream. `usage.reported` is False when the provider said nothing."""

    finish_reason: Literal["stop", "length", "abstained", "filtered"]
    usage: Usage
    model: str = ""


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
