"""The generator that needs no model: it answers with verbatim sentences and their passage numbers, or abstains.

It is the default where nothing else is configured and the last rung of every ladder. It cannot invent, translate or
explain; where the passages do not hold an answer it says nothing and finishes as `abstained`.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from dataclasses import dataclass

from countersign.domain.answers import Usage
from countersign.domain.workspace import ModelSettings, Price
from countersign.gateway.http import HttpClient
from countersign.gateway.seams import Delta, Done, ModelRequest
from countersign.gateway.selection import (
    Candidate,
    Scored,
    candidates,
    central,
    of_another,
    overlap,
    rank,
)
from countersign.gateway.tokens import estimate_tokens

_UNMETERED = Price(unmetered=True)


@dataclass(frozen=True, slots=True)
class ExtractiveSettings:
    """`least_score`: below it no sentence is an answer; `least_across` where it is in another language than the
    question; `least_judged` where it was judged beforehand that the passages hold an answer. `near`: share of the best
    score that a further one must reach."""

    least_score: float = 0.5
    least_across: float = 0.62
    least_judged: float = 0.05
    near: float = 0.85
    max_sentences: int = 3
    summary_sentences: int = 7


_FRAMES: dict[str, tuple[str, str]] = {
    "en": ("Hello!\nThank you for contacting us.\n\n", "\n\nIf you have any further questions, please contact us.\nKind regards"),
    "ru": ("Здравствуйте!\nСпасибо за обращение.\n\n", "\n\nЕсли у вас останутся вопросы, обращайтесь к нам.\nС уважением"),
    "kk": ("Сәлеметсіз бе!\nХабарласқаныңызға рахмет.\n\n", "\n\nҚосымша сұрақтарыңыз болса, бізге хабарласыңыз.\nҚұрметпен"),
}  # fmt: skip


class Extractive:
    """A `ChatModel` that runs in this process: no region, no price, no network."""

    def __init__(self, name: str = "extractive", settings: ExtractiveSettings | None = None) -> None:
        self._name = name
        self._settings = settings or ExtractiveSettings()

    @property
    def name(self) -> str:
        return self._name

    @property
    def region(self) -> str:
        return ""

    @property
    def price(self) -> Price | None:
        return _UNMETERED

    async def stream(self, request: ModelRequest) -> AsyncIterator[Delta | Done]:
        """Whole sentences, each followed by ` [n]`; `n` is the 1-based place in `request.passages`."""
        chosen = select(request, self._settings)
        opening, closing = (
            _FRAMES.get(request.language, _FRAMES["en"]) if request.task == "reply" else ("", "")
        )
        room = request.max_output_tokens - estimate_tokens(opening + closing)
        written: list[str] = []
        finish = "stop" if chosen else "abstained"
        for candidate in chosen:
            piece = ("\n" if written else "") + f"{candidate.text} [{candidate.passage + 1}]"
            if estimate_tokens("".join(written) + piece) > room:
                finish = "length" if written else "abstained"
                break
            if not written and opening:
                yield Delta(opening)
            written.append(piece)
            yield Delta(piece)
        if written and closing:
            yield Delta(closing)
        text = opening + "".join(written) + closing if written else ""
        yield Done(finish, Usage(0, estimate_tokens(text) if text else 0, reported=True), self._name)


def select(request: ModelRequest, settings: ExtractiveSettings) -> list[Candidate]:
    """The sentences to say; none when the passages do not hold an answer."""
    found = candidates(request.passages)
    if request.task == "summarise":
        return _summary(found, settings)
    ranked = rank(request.question, request.language, found, request.passages)
    ranked = [item for item in ranked if item.score >= _least(item, request, settings)]
    if not ranked:
        return []
    return _distinct(ranked, request.question, settings)


def _least(item: Scored, request: ModelRequest, settings: ExtractiveSettings) -> float:
    """What was judged beforehand was judged within the question's language; a sentence in another has its own measure."""
    if item.across:
        return settings.least_across
    if request.answerable is None:
        return settings.least_score
    return settings.least_judged if request.answerable else math.inf


def _distinct(ranked: list[Scored], question: str, settings: ExtractiveSettings) -> list[Candidate]:
    """The best sentence and near ones that add something: another figure for the same words is a conflict, so it stays;
    one about something else than the question names goes."""
    best = ranked[0]
    chosen: list[Candidate] = []
    for item in ranked:
        if len(chosen) == settings.max_sentences or item.score < settings.near * best.score:
            break
        if of_another(question, best.candidate, item.candidate):
            continue
        if all(overlap(item.candidate, other) < 0.8 for other in chosen):
            chosen.append(item.candidate)
    return chosen


def _summary(found: list[Candidate], settings: ExtractiveSettings) -> list[Candidate]:
    prose = [candidate for candidate in found if not candidate.is_row]
    if not prose:
        return found[: settings.summary_sentences]
    lead = prose[0]
    rest = [c for c in central(found, settings.summary_sentences) if c.order != lead.order]
    return sorted([lead, *rest[: settings.summary_sentences - 1]], key=lambda c: c.order)


def build(settings: ModelSettings, http: HttpClient) -> Extractive:
    """The dialect's door: it needs neither address nor key."""
    return Extractive(settings.name)
