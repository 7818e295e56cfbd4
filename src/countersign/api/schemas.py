"""What goes over the wire: request bodies with their limits, and answers as plain JSON values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

import orjson
from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response

from countersign.answer.store import StoredAnswer
from countersign.app.shapes import answer_json
from countersign.domain.clock import iso
from countersign.domain.errors import UsageError
from countersign.domain.search import MAX_HITS
from countersign.guard.question import MAX_QUESTION_CHARS

T = TypeVar("T")

_MAX_MESSAGE_CHARS = 100_000

Task = Literal["answer", "summarise", "reply"]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=_MAX_MESSAGE_CHARS)]
"""Any text but NUL, which Postgres cannot keep; lone surrogates are no text and are refused by themselves."""
Name = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=200)]
Language = Annotated[str, StringConstraints(pattern=r"^([a-z]{2,3})?$")]
Limit = Annotated[int, Query(ge=1, le=200, description="how many items at most")]
Cursor = Annotated[
    str, Query(pattern=r"^[A-Za-z0-9_.-]{0,100}$", description="`next_cursor` of the page before")
]
Word = Annotated[str, Query(pattern=r"^[^\x00-\x1f\x7f]{0,200}$")]


class Json(Response):
    """Values as JSON; times must be texts already."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


class Strict(BaseModel):
    """A body of ours: what it does not know it refuses, so that a typing error is not silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Turn(Strict):
    role: Name
    content: Text


class Asking(Strict):
    """What both dialects can say beside the question."""

    task: Task = "answer"
    document_ids: Annotated[list[Name], Field(max_length=100)] = []
    as_of: datetime | None = None
    language: Language = ""


class AskBody(Asking):
    assistant: Name
    question: Annotated[Text, StringConstraints(max_length=MAX_QUESTION_CHARS)] = ""
    history: Annotated[list[Turn], Field(max_length=200)] = []


class SearchBody(Strict):
    """`language` keeps passages of one language, `per_document` the best of each document. `explain` and `index_version`
    are for operators."""

    assistant: Name
    query: Annotated[Text, StringConstraints(max_length=MAX_QUESTION_CHARS)]
    history: Annotated[list[Turn], Field(max_length=200)] = []
    as_of: datetime | None = None
    document_ids: Annotated[list[Name], Field(max_length=100)] = []
    language: Language = ""
    limit: Annotated[int, Field(ge=1, le=MAX_HITS)] = 10
    per_document: bool = False
    explain: bool = False
    index_version: Name = ""


class FeedbackBody(Strict):
    verdict: Name
    text: Text = ""


class DecisionBody(Strict):
    decision: Name
    text: Text = ""
    reason: Text = ""


class RightsBody(Strict):
    any_of: Annotated[list[Name], Field(max_length=1000)] = []
    all_of: Annotated[list[Name], Field(max_length=1000)] = []


class MetaBody(Strict):
    """What a push says of its document. Nothing said about rights means nobody."""

    title: Annotated[Text, StringConstraints(max_length=1_000)] = ""
    filename: Annotated[Name, StringConstraints(max_length=255)] = ""
    mime: Name = ""
    rights: RightsBody = RightsBody()
    residency: Name = ""
    classification: Name = ""
    owner: Name = ""
    modified: datetime | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    supersedes: Annotated[Name, StringConstraints(max_length=1_000)] = ""


class DocumentBody(MetaBody):
    """Either `text` or `content_base64`."""

    text: str | None = None
    content_base64: str | None = None


class PatchBody(Strict):
    title: Annotated[Text, StringConstraints(max_length=1_000)] = ""
    residency: Name = ""
    classification: Name = ""
    owner: Name = ""
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    rights: RightsBody = RightsBody()


# -- out --------------------------------------------------------------------------------------------------------
def zoned(moment: datetime | None) -> datetime | None:
    """In UTC; a time without a zone is read as UTC. Raises `UsageError` at the edges of the calendar."""
    if moment is None:
        return None
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise UsageError("a time lies outside the calendar", code="time_invalid") from None


def when(moment: datetime | None) -> str | None:
    return iso(moment) if moment else None


def page(
    items: Sequence[T], limit: int, shown: Callable[[T], dict[str, Any]], key: Callable[[T], str]
) -> Json:
    """One page of `items`, of which the caller read one more than `limit` to know whether another follows."""
    kept = items[:limit]
    more = key(kept[-1]) if len(items) > limit else None
    return Json({"items": [shown(item) for item in kept], "next_cursor": more})


def stored_json(stored: StoredAnswer) -> dict[str, Any]:
    """An answer as this reader may read it now; `withheld` when one of its sources is no longer theirs to see."""
    return answer_json(stored.answer) | {
        "question": stored.question,
        "withheld": stored.withheld,
        "review": {
            "review_id": stored.review_id,
            "state": stored.review_state,
            "decided_by": stored.decided_by or None,
            "edited": stored.edited,
        }
        if stored.review_id
        else None,
    }


def the_question(text: str, task: str) -> str:
    """Raises `UsageError` when there is nothing to answer; a summary needs no question."""
    if not text.strip():
        if task == "summarise":
            return "Summarise the document."
        raise UsageError(
            "there is no question", code="question_missing", hint="Give a question in plain words."
        )
    if len(text) > MAX_QUESTION_CHARS:
        raise UsageError(
            "the question is too long",
            code="question_too_long",
            hint=f"At most {MAX_QUESTION_CHARS} characters.",
        )
    return text
