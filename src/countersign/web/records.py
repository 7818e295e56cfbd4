"""One answer's whole story, the list of events for auditors, and the verification of the chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import Request
from fastapi.responses import Response

from countersign.access.decide import Action, require
from countersign.domain.errors import UsageError
from countersign.domain.events import EventKind
from countersign.record.verify import Verification
from countersign.record.views import RecordedEvent
from countersign.web.rendering import Web
from countersign.web.routing import SignedIn, TheWeb, pages
from countersign.web.visitor import Visitor, read_signed_form

router = pages()

_PAGE_OF_EVENTS = 100
_COUNTED = ("passages", "documents", "citations")
_AT_ONCE = frozenset(
    [
        "denied",
        "dropped",
        "findings",
        "blocked",
        "lexical_only",
        "claims",
        "unsupported",
        "conflicts",
        "status",
        "refusal",
        "hold_reasons",
        "confidence",
        "model",
        "input_tokens",
        "output_tokens",
        "amount",
        "verdict",
        "reasons",
        "reason",
        "degraded_because",
        "groups",
        "impersonated_by",
    ]
)
_ALREADY_SHOWN = frozenset({"duration_ms"})


@dataclass(frozen=True, slots=True)
class Entry:
    """An event of a story. `start` and `width` place its duration on a strip of 100 units from first to last event."""

    event: RecordedEvent
    duration_ms: float | None
    start: float
    width: float
    facts: tuple[tuple[str, str], ...]

    @property
    def brief(self) -> tuple[tuple[str, str], ...]:
        """What a reader wants to see at once; lists of ids by their number."""
        counts = ((name, self.event.facts.get(name)) for name in _COUNTED)
        listed = tuple((name, str(len(ids))) for name, ids in counts if isinstance(ids, list) and ids)
        return listed + tuple((name, text) for name, text in self.facts if name in _AT_ONCE)


@router.get("/record")
async def events_page(
    request: Request, web: TheWeb, visitor: SignedIn, kind: str = "", before: str = ""
) -> Response:
    return await _events(request, web, visitor, kind, _seq(before), None)


@router.post("/record/verify")
async def verify(request: Request, web: TheWeb, visitor: SignedIn) -> Response:
    """Reads the whole chain of the tenant; nothing is changed."""
    await read_signed_form(request, visitor)
    verification = await web.house.ledger.verify(visitor.me)
    return await _events(request, web, visitor, "", 0, verification)


@router.get("/record/{answer_id}")
async def story_page(request: Request, web: TheWeb, visitor: SignedIn, answer_id: str) -> Response:
    story = await web.house.ledger.story(visitor.me, answer_id)
    return web.page(
        request,
        "record.html",
        visitor,
        story=story,
        stored=story.stored,
        answer=story.stored.answer,
        entries=entries_of(story.events),
    )


async def _events(
    request: Request, web: Web, visitor: Visitor, kind: str, before: int, verification: Verification | None
) -> Response:
    require(visitor.me, Action.READ_RECORD)
    found = await web.house.ledger.events(visitor.me, kind=kind, before=before, limit=_PAGE_OF_EVENTS + 1)
    shown = found[:_PAGE_OF_EVENTS]
    return web.page(
        request,
        "records.html",
        visitor,
        entries=[Entry(event, None, 0, 0, facts_of(event.facts)) for event in shown],
        kind=kind,
        kinds=[kind.value for kind in EventKind],
        more=shown[-1].seq if len(found) > len(shown) else 0,
        verification=verification,
    )


def entries_of(events: Sequence[RecordedEvent]) -> list[Entry]:
    """The strip spans the walk of the line: what a reviewer did hours later would leave nothing of it to see."""
    if not events:
        return []
    began = events[0].at
    ends = [_offset_ms(began, event) for event in events if "duration_ms" in event.facts]
    total_ms = max([1.0, *ends])
    return [_entry(event, _offset_ms(began, event), total_ms) for event in events]


def _entry(event: RecordedEvent, ended_ms: float, total_ms: float) -> Entry:
    raw = event.facts.get("duration_ms")
    duration = float(raw) if isinstance(raw, (int, float)) else None
    width = min(100.0, max(1.0, (duration or 0) / total_ms * 100))
    start = min(100.0 - width, max(0.0, ended_ms / total_ms * 100 - width))
    return Entry(event, duration, round(start, 2), round(width, 2), facts_of(event.facts))


def _offset_ms(began: datetime, event: RecordedEvent) -> float:
    return (event.at - began).total_seconds() * 1000


def facts_of(facts: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Facts in plain words, without those that say nothing."""
    shown = [(name, _plain(value)) for name, value in facts.items() if name not in _ALREADY_SHOWN]
    return tuple((name, text) for name, text in shown if text)


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(inner)}".strip() for name, inner in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(inner) for inner in value)
    if isinstance(value, bool):
        return "✓" if value else ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None or value == 0 else str(value)


def _seq(text: str) -> int:
    if text and not (text.isascii() and text.isdigit() and len(text) < 19):
        raise UsageError("the position cannot be read", code="form_invalid")
    return int(text or 0)
