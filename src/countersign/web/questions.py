"""Drafted questions, one by one with the passage beside each: confirm, change, drop, and take back."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import Response

from countersign.access.decide import Action, require
from countersign.app.questions import Questions
from countersign.domain.documents import Passage
from countersign.domain.errors import CountersignError, NotFound, NotPermitted
from countersign.evaluation.intervals import LEAST_QUESTIONS
from countersign.evaluation.questions import Question, QuestionSet, State
from countersign.retrieval.analysis import words_of
from countersign.web.rendering import Web, problem_code, redirect, status_of
from countersign.web.routing import SignedIn, TheWeb, pages
from countersign.web.visitor import Visitor, read_signed_form

router = pages()

_QUEUE = 60
"""Drafts listed beside the open one."""
_PASSAGES = 200
"""Of a document, among which the one is looked for that the question was drafted from."""
_DECISIONS: dict[str, tuple[State, str]] = {
    "confirm": ("confirmed", "question_confirmed"),
    "edit": ("confirmed", "question_confirmed"),
    "drop": ("dropped", "question_dropped"),
    "undo": ("draft", "question_undone"),
}


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed when it could not be taken."""

    text: str = ""
    problem: str = ""


@router.get("/questions")
async def questions_page(
    request: Request,
    web: TheWeb,
    visitor: SignedIn,
    name: str = "",
    at: str = "",
    act: str = "",
    undo: str = "",
) -> Response:
    """Without a set, the sets; a set begins with its first draft. `undo` names the question decided last, `act` opens
    the form for browsers without scripts."""
    if not name:
        sets = await _service(web).sets(visitor.me)
        return web.page(request, "question_sets.html", visitor, sets=sets, least=LEAST_QUESTIONS)
    return await _desk(request, web, visitor, name, at=at, act=act, undo=undo)


@router.post("/questions/{question_id}/decision")
async def decision(request: Request, web: TheWeb, visitor: SignedIn, question_id: str) -> Response:
    """On to the next draft; what was typed survives a decision that could not be taken."""
    form = await read_signed_form(request, visitor)
    verdict, name, following = form.text("decision"), form.text("set"), form.text("next")
    if verdict not in _DECISIONS:
        raise NotFound("there is no such decision")
    state, notice = _DECISIONS[verdict]
    text = form.text("text") if verdict == "edit" else ""
    try:
        await _service(web).decide(visitor.me, question_id, state, text)
    except (NotFound, NotPermitted):
        raise
    except CountersignError as error:
        typed = Typed(text, problem_code(error))
        return await _desk(
            request, web, visitor, name, at=question_id, act=verdict, typed=typed, status=status_of(error)
        )
    to = {"name": name, "notice": notice}
    to |= {"at": question_id} if verdict == "undo" else {"at": following, "undo": question_id}
    return redirect(f"/questions?{urlencode({key: value for key, value in to.items() if value})}")


def _service(web: Web) -> Questions:
    return Questions(web.house.database, web.house.workspace, web.house.clock)


async def _desk(
    request: Request,
    web: Web,
    visitor: Visitor,
    name: str,
    *,
    at: str = "",
    act: str = "",
    undo: str = "",
    typed: Typed | None = None,
    status: int = 200,
) -> Response:
    service = _service(web)
    owner = await service.find(visitor.me, name)
    seen = await service.list(visitor.me, name, ("draft",))
    drafts = [each.question for each in seen if not each.withheld]
    item = await _chosen(service, visitor, owner, drafts, at)
    before, after = _neighbours(drafts, item)
    start = max(0, drafts.index(item) - _QUEUE // 2) if item in drafts else 0
    return web.page(
        request,
        "questions.html",
        visitor,
        status_code=status,
        owner=owner,
        queue=drafts[start : start + _QUEUE],
        left=len(drafts),
        withheld=len(seen) - len(drafts),
        item=item,
        passage=await _passage(web, visitor, item) if item else None,
        before=before,
        after=after,
        act=act,
        undo=undo,
        typed=typed or Typed(),
        is_chosen=bool(at),
    )


async def _chosen(
    service: Questions, visitor: Visitor, owner: QuestionSet, drafts: list[Question], at: str
) -> Question | None:
    for each in drafts:
        if each.id == at:
            return each
    if at:
        try:
            seen, its_set = await service.one(visitor.me, at)
        except NotFound:
            return drafts[0] if drafts else None
        if its_set.id == owner.id and seen.question.origin == "drafted":
            return seen.question
    return drafts[0] if drafts else None


def _neighbours(drafts: list[Question], item: Question | None) -> tuple[str, str]:
    """Ids of the drafts before and after; empty at the ends."""
    if item is None:
        return "", ""
    earlier = [each.id for each in drafts if each.n < item.n]
    later = [each.id for each in drafts if each.n > item.n]
    return (earlier[-1] if earlier else ""), (later[0] if later else "")


async def _passage(web: Web, visitor: Visitor, item: Question) -> Passage | None:
    """The passage that the question shares most words with, on its page; None where this person may read none."""
    require(visitor.me, Action.MANAGE_QUESTIONS)
    sources = [each.source for each in item.expected]
    found = await web.house.retriever.document(
        visitor.me, item.document_id, sources=sources, as_of=web.house.clock.now(), limit=_PASSAGES
    )
    on_page = [each for each in found.passages if each.page == item.page] or list(found.passages)
    asked = set(words_of(item.text))
    return max(on_page, key=lambda each: len(asked & set(words_of(each.text))), default=None)
