"""Answers, their sources and their page images; every read is the reader's own, as their rights are at this moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from countersign.access.principal import Principal
from countersign.answer.store import CitedPassage, StoredAnswer
from countersign.domain.answers import AnswerStatus, Citation, Claim
from countersign.domain.clock import from_iso
from countersign.domain.errors import NotFound, UsageError
from countersign.web.marks import Sentence, cut, highlight
from countersign.web.rendering import HEADERS, Web, redirect
from countersign.web.routing import SignedIn, TheWeb, pages
from countersign.web.visitor import read_signed_form
from countersign.web.wording import VERDICT

router = pages()

_PAGE_OF_ANSWERS = 30
_PICTURES = frozenset({"application/pdf", "image/png", "image/jpeg", "image/tiff"})


@dataclass(frozen=True, slots=True)
class SourceCard:
    """One citation as a card: the quote, and around it the passage; `has_image` where its page can be shown."""

    citation: Citation
    before: str
    quote: str
    behind: str
    has_image: bool
    pages: int | None
    filename: str
    is_read: bool
    """False while the citation cannot be opened by this reader: then the card says only that."""


@router.get("/answers")
async def my_answers(request: Request, web: TheWeb, visitor: SignedIn, before: str = "") -> Response:
    rows = await web.house.desk.my_answers(visitor.me, _PAGE_OF_ANSWERS + 1, _moment(before))
    more = rows[_PAGE_OF_ANSWERS - 1]["created"] if len(rows) > _PAGE_OF_ANSWERS else ""
    return web.page(request, "answers.html", visitor, answers=rows[:_PAGE_OF_ANSWERS], more=more)


@router.get("/answers/{answer_id}")
async def answer_page(request: Request, web: TheWeb, visitor: SignedIn, answer_id: str) -> Response:
    stored = await web.house.desk.answer(visitor.me, answer_id)
    answer = stored.answer
    return web.page(
        request,
        "answer.html",
        visitor,
        stored=stored,
        answer=answer,
        sentences=sentences_of(answer.text, answer.claims, answer.citations),
        supported=sum(claim.supported for claim in answer.claims),
        sources=await source_cards(web, visitor.me, stored),
        deadline=_deadline(web, stored),
        verdicts=tuple(VERDICT),
        is_mine=answer.user == visitor.me.name,
    )


@router.get("/answers/{answer_id}/state")
async def answer_state(web: TheWeb, visitor: SignedIn, answer_id: str) -> Response:
    """For the page of a held answer, which asks from time to time whether a person has decided."""
    stored = await web.house.desk.answer(visitor.me, answer_id)
    return JSONResponse({"status": stored.answer.status.value}, headers=dict(HEADERS))


@router.post("/answers/{answer_id}/feedback")
async def feedback(request: Request, web: TheWeb, visitor: SignedIn, answer_id: str) -> Response:
    form = await read_signed_form(request, visitor)
    await web.house.desk.feedback(visitor.me, answer_id, form.text("verdict"), form.text("text"))
    return redirect(f"/answers/{answer_id}?notice=thanks#feedback")


@router.get("/citations/{citation_id}")
async def citation_page(request: Request, web: TheWeb, visitor: SignedIn, citation_id: str) -> Response:
    cited = await web.house.desk.citation(visitor.me, citation_id)
    return web.page(request, "citation.html", visitor, card_of=_card(cited))


@router.get("/citations/{citation_id}/page.png")
async def page_image(web: TheWeb, visitor: SignedIn, citation_id: str) -> Response:
    image = await web.house.desk.page_png(visitor.me, citation_id)
    return Response(image, media_type="image/png", headers=dict(HEADERS))


# -- what the pages share ---------------------------------------------------------------------------------------
def sentences_of(text: str, claims: Sequence[Claim], citations: Sequence[Citation]) -> tuple[Sentence, ...]:
    return cut(text, claims, {citation.n for citation in citations})


async def source_cards(web: Web, me: Principal, stored: StoredAnswer) -> list[SourceCard]:
    """One card a citation, in the order of their numbers."""
    cards: list[SourceCard] = []
    for citation in stored.answer.citations:
        try:
            cited = await web.house.desk.citation(me, citation.citation_id)
        except NotFound:  # lost between two reads: the card stays, its content does not
            cards.append(SourceCard(citation, "", "", "", False, None, "", False))
        else:
            cards.append(_card(cited))
    return cards


def _card(cited: CitedPassage) -> SourceCard:
    before, quote, behind = highlight(cited.passage_text, cited.citation.quote)
    has_image = cited.citation.page is not None and cited.mime in _PICTURES
    return SourceCard(
        cited.citation,
        before,
        quote,
        behind,
        has_image,
        cited.pages,
        cited.filename,
        True,
    )


def _deadline(web: Web, stored: StoredAnswer) -> timedelta | None:
    """How long the reviewers of this assistant may take; None when nothing is waited for."""
    known = web.house.workspace.assistants.get(stored.answer.assistant)
    if known is None or stored.answer.status is not AnswerStatus.HELD:
        return None
    return known.process.deadline


def _moment(text: str) -> datetime | None:
    try:
        return from_iso(text) if text else None
    except ValueError:
        raise UsageError("the date cannot be read", code="date_invalid") from None
