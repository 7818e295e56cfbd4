"""Answers and their reviews as a service for the doors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import RowMapping, insert

from countersign.access.decide import Action, require
from countersign.access.principal import Principal
from countersign.answer.store import CitedPassage, StoredAnswer
from countersign.app.privacy import Privacy
from countersign.corpus.blobs import Blobs
from countersign.corpus.seams import Parser
from countersign.domain.clock import Clock, iso
from countersign.domain.errors import NotFound, UsageError
from countersign.domain.events import Event, EventKind
from countersign.domain.ids import new_id
from countersign.review.desk import Review
from countersign.storage import answers, reviews
from countersign.storage.database import Database
from countersign.storage.events import append_in
from countersign.storage.notices import Outbox
from countersign.storage.tables import feedback

_PAGE_WIDTH_PX = 1000
_MAX_FEEDBACK = 4_000
Verdict = Literal["helpful", "wrong", "incomplete", "other"]
VERDICTS: tuple[Verdict, ...] = ("helpful", "wrong", "incomplete", "other")


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """A review with everything its reviewer needs: the question, the draft, and every source beside it."""

    review: Review
    stored: StoredAnswer


class Desk:
    """Every method takes the person who acts and re-checks what they may see at this moment."""

    def __init__(
        self, database: Database, blobs: Blobs, parser: Parser, privacy: Privacy, clock: Clock, outbox: Outbox
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._parser = parser
        self._privacy = privacy
        self._clock = clock
        self._outbox = outbox

    # -- reading ------------------------------------------------------------------------------------------------
    async def answer(self, principal: Principal, answer_id: str) -> StoredAnswer:
        """Raises `NotFound`. What others read of an answer is on record; its asker was there when it was given."""
        stored = await self._database.read(answers.read_answer, answer_id, principal)
        if stored.answer.user != principal.name:
            await self._note_read(principal, answer_id, {"withheld": stored.withheld})
        return self._privacy.answer(principal, stored)

    async def my_answers(
        self, principal: Principal, limit: int = 50, before: datetime | None = None, before_id: str = ""
    ) -> list[RowMapping]:
        """Newest first; `before_id` is the last id of the page before."""
        return await self._database.read(answers.answers_of, principal, limit, before, before_id)

    async def citation(self, principal: Principal, citation_id: str) -> CitedPassage:
        """Raises `NotFound`. Opening a source is on record with the answer that cites it."""
        cited = await self._database.read(answers.read_citation, citation_id, principal)
        facts = {"citation": citation_id, "document": cited.citation.document_id}
        await self._note_read(principal, cited.answer_id, facts)
        return self._privacy.citation(principal, cited)

    async def page_png(self, principal: Principal, citation_id: str, width_px: int = _PAGE_WIDTH_PX) -> bytes:
        """The cited page as PNG, rendered in the sandbox: the document as it is, for those who may read it.

        Raises `NotFound` when the format has no pages.
        """
        cited = await self.citation(principal, citation_id)
        if cited.citation.page is None:
            raise NotFound("this document has no pages", code="no_page")
        async with self._blobs.path(cited.blob) as path:
            return await self._parser.render_page(path, cited.citation.page, width_px)

    async def _note_read(self, principal: Principal, answer_id: str, facts: Mapping[str, object]) -> None:
        now = self._clock.now()
        event = Event(EventKind.ANSWER_READ, principal.tenant, principal.name, answer_id, now, dict(facts))
        await self._database.write(append_in, [event])

    async def feedback(self, principal: Principal, answer_id: str, verdict: str, text: str) -> None:
        if verdict not in VERDICTS:
            raise UsageError(
                f"{verdict!r} is not a verdict", code="verdict_unknown", hint=f"Use {', '.join(VERDICTS)}."
            )
        if len(text) > _MAX_FEEDBACK:
            raise UsageError("the text is too long", code="text_too_long", hint=f"At most {_MAX_FEEDBACK}.")
        await self.answer(principal, answer_id)
        await self._database.write(_keep_feedback, principal, answer_id, verdict, text, self._clock.now())

    # -- reviewing ----------------------------------------------------------------------------------------------
    async def queue(
        self, principal: Principal, state: str = "open", limit: int = 50, cursor: str = ""
    ) -> list[Review]:
        require(principal, Action.REVIEW)
        return await self._database.read(reviews.queue, principal, state, limit, cursor)

    async def review(self, principal: Principal, review_id: str) -> ReviewItem:
        require(principal, Action.REVIEW)
        review = await self._database.read(reviews.one, review_id, principal)
        return ReviewItem(review, await self.answer(principal, review.answer_id))

    async def claim(self, principal: Principal, review_id: str) -> Review:
        require(principal, Action.REVIEW)
        return await self._database.write(reviews.claim, review_id, principal, self._clock.now())

    async def release_claim(self, principal: Principal, review_id: str) -> Review:
        """Undo a claim of one's own."""
        require(principal, Action.REVIEW)
        return await self._database.write(reviews.release_claim, review_id, principal, self._clock.now())

    async def decide(
        self, principal: Principal, review_id: str, verdict: str, text: str = "", reason: str = ""
    ) -> Review:
        require(principal, Action.REVIEW)
        return await self._database.write(
            reviews.settle, review_id, principal, verdict, text, reason, self._clock.now(), self._outbox
        )


def _keep_feedback(
    connection: Any, principal: Principal, answer_id: str, verdict: str, text: str, now: datetime
) -> None:
    row = {
        "id": new_id("fb"),
        "answer_id": answer_id,
        "person": principal.name,
        "verdict": verdict,
        "text": text,
        "created": iso(now),
    }
    connection.execute(insert(feedback).values(row))
    facts: dict[str, object] = {"verdict": verdict}
    personal = {"text": text} if text else {}
    kind = EventKind.ANSWER_FEEDBACK
    append_in(connection, [Event(kind, principal.tenant, principal.name, answer_id, now, facts, personal)])
