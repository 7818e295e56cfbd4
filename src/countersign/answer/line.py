"""What the straight line is joined to. `app` builds one of these; the steps read it and never change it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from countersign.answer.answerable import Answerability
from countersign.answer.store import AnswerStore
from countersign.corpus.seams import Embedder
from countersign.domain.clock import Clock
from countersign.domain.workspace import Assistant, ResidencyRule
from countersign.gateway.ladder import Ladder
from countersign.guard.pipeline import Guard
from countersign.retrieval.retrieve import Retriever

Watch = Callable[[str], None]
"""Told the name of each step as it begins, for progress; must not block."""


@dataclass(frozen=True, slots=True)
class Line:
    clock: Clock
    assistants: Mapping[str, Assistant]
    ladders: Mapping[str, Ladder]
    releases: Mapping[str, str]
    """Assistant → id of the release that is in force."""
    guard: Guard
    retriever: Retriever
    embedder: Embedder | None
    answers: AnswerStore
    residency: tuple[ResidencyRule, ...]
    tenant_keys: Callable[[str], bytes]
    """Tenant → key under which personal data is pseudonymised."""
    may_embed: Callable[[str], bool]
    """Whether text with this residency may go where `embedder` is."""
    answerability: Answerability = field(default_factory=Answerability)
    max_ages: Mapping[str, timedelta] = field(default_factory=dict[str, timedelta])
    """Source → how old it may be before an answer says so."""
