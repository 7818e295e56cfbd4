"""Audits of the documents in the console: the newest report with filters, earlier ones, and accepting what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Annotated, Final, Literal
from urllib.parse import quote, urlencode

from fastapi import Depends, Request
from fastapi.responses import Response

from countersign.access.decide import Action, Context, Permit, may
from countersign.access.principal import Principal
from countersign.app.audits import ShownReport
from countersign.corpus.readiness.changes import Changes
from countersign.domain.errors import CountersignError, NotFound, NotPermitted, UsageError
from countersign.domain.readiness import CodeMeaning, DocumentKey, ReadinessFinding
from countersign.web.readiness_csv import MEDIA_TYPE, findings_csv
from countersign.web.readiness_report import render
from countersign.web.readiness_view import meaning_of, view_of
from countersign.web.rendering import HEADERS, Web, problem_code, redirect, status_of
from countersign.web.routing import SignedIn, TheWeb, pages
from countersign.web.visitor import Form, Visitor, read_signed_form

router = pages()

_PAGE_OF_FINDINGS: Final = 50
_EARLIER: Final = 20
DAYS: Final = (30, 90, 180, 365)
"""How long a finding may be accepted from the console."""
_USUAL_DAYS: Final = 90


State = Literal["", "open", "accepted", "new"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a report is looked at; nothing said shows it as a whole."""

    source: str = ""
    code: str = ""
    severity: str = ""
    owner: str = ""
    state: State = ""
    start: int = 0

    @property
    def is_filtered(self) -> bool:
        return bool(self.source or self.code or self.severity or self.owner or self.state)

    def admits(self, finding: ReadinessFinding, *, is_new: bool) -> bool:
        state = "open" if finding.accepted is None else "accepted"
        return (
            self.source in ("", finding.document.source)
            and self.code in ("", finding.code)
            and self.severity in ("", finding.severity)
            and self.owner in ("", meaning_of(finding.code).owner)
            and (is_new if self.state == "new" else self.state in ("", state))
        )

    def query(self, **more: object) -> str:
        """As it stands in an address, with what is said beside it."""
        kept = {name: value for name, value in asdict(self).items() if value}
        return urlencode({**kept, **more})


@dataclass(frozen=True, slots=True)
class Line:
    """One finding of the list; `n` is its place in the report, by which its form is opened."""

    n: int
    finding: ReadinessFinding
    meaning: CodeMeaning


@dataclass(frozen=True, slots=True)
class Typed:
    """The open form: whose it is, and what was typed when it could not be taken."""

    n: int = -1
    reason: str = ""
    days: int = _USUAL_DAYS
    problem: str = ""


def _wanted(
    source: str = "", code: str = "", severity: str = "", owner: str = "", state: str = "", start: str = ""
) -> Wanted:
    states: Mapping[str, State] = {"open": "open", "accepted": "accepted", "new": "new"}
    return Wanted(source, code, severity, owner, states.get(state, ""), _number(start))


def _number(text: str) -> int:
    """Raises `UsageError`."""
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise UsageError("the position cannot be read", code="form_invalid")
    return int(text or 0)


TheWanted = Annotated[Wanted, Depends(_wanted)]


@router.get("/readiness")
async def newest_page(request: Request, web: TheWeb, visitor: SignedIn, wanted: TheWanted) -> Response:
    try:
        shown = await web.house.audits.report(visitor.me)
    except NotFound:
        return web.page(request, "readiness_none.html", visitor)
    return await _page(request, web, visitor, shown, wanted)


@router.get("/readiness/{audit_id}")
async def audit_page(
    request: Request, web: TheWeb, visitor: SignedIn, audit_id: str, wanted: TheWanted, accept: str = ""
) -> Response:
    """`accept` opens the form of one finding."""
    shown = await web.house.audits.report(visitor.me, audit_id)
    typed = Typed(n=_number(accept)) if accept else Typed()
    return await _page(request, web, visitor, shown, wanted, typed)


@router.get("/readiness/{audit_id}/report")
async def report_file(request: Request, web: TheWeb, visitor: SignedIn, audit_id: str) -> Response:
    """The report for handing on, with what this reader may read; a file, so that its own style needs no exception."""
    shown = await web.house.audits.report(visitor.me, audit_id)
    changes = await web.house.audits.changes(visitor.me, shown)
    text = render(shown.report, web.language(request), title=", ".join(shown.run.sources), changes=changes)
    return _file(text, f"readiness-{audit_id}.html", "text/html")


@router.get("/readiness/{audit_id}/findings.csv")
async def findings_file(
    request: Request, web: TheWeb, visitor: SignedIn, audit_id: str, wanted: TheWanted
) -> Response:
    """What the list shows, whole, for a spreadsheet."""
    shown = await web.house.audits.report(visitor.me, audit_id)
    changes = await web.house.audits.changes(visitor.me, shown)
    found = [finding for _, finding in _admitted(shown, wanted, changes)]
    text = findings_csv(found, web.language(request), changes)
    return _file(text, f"findings-{audit_id}.csv", MEDIA_TYPE)


def _file(text: str, name: str, media_type: str) -> Response:
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{quote(name)}"'}
    return Response(text, 200, headers, media_type)


@router.post("/readiness/{audit_id}/accept")
async def accept(request: Request, web: TheWeb, visitor: SignedIn, audit_id: str) -> Response:
    form = await read_signed_form(request, visitor)
    days = _number(form.text("days"))
    try:
        if days not in DAYS:
            raise UsageError("no such number of days", code="lifetime_invalid")
        key = _key(form, visitor.me)
        lifetime = timedelta(days=days)
        await web.house.audits.accept(visitor.me, form.text("of"), key, form.text("reason"), lifetime)
    except NotPermitted:
        raise
    except CountersignError as error:
        shown = await web.house.audits.report(visitor.me, audit_id)
        typed = Typed(_number(form.text("n")), form.text("reason"), days, problem_code(error))
        return await _page(request, web, visitor, shown, _of_form(form), typed, status_of(error))
    return redirect(f"/readiness/{quote(audit_id)}?{_of_form(form).query(notice='finding_accepted')}")


@router.post("/readiness/{audit_id}/unaccept")
async def unaccept(request: Request, web: TheWeb, visitor: SignedIn, audit_id: str) -> Response:
    form = await read_signed_form(request, visitor)
    await web.house.audits.unaccept(visitor.me, form.text("of"), _key(form, visitor.me))
    return redirect(f"/readiness/{quote(audit_id)}?{_of_form(form).query(notice='acceptance_withdrawn')}")


def _key(form: Form, me: Principal) -> DocumentKey:
    return DocumentKey(form.text("in"), form.fields.get("document", ""), me.tenant)


def _of_form(form: Form) -> Wanted:
    """The list that the form stood in, to go back to."""
    names = ("source", "code", "severity", "owner", "state", "start")
    return _wanted(*(form.text(name) for name in names))


async def _page(
    request: Request,
    web: Web,
    visitor: Visitor,
    shown: ShownReport,
    wanted: Wanted,
    typed: Typed | None = None,
    status: int = 200,
) -> Response:
    report = shown.report
    changes = await web.house.audits.changes(visitor.me, shown)
    found = [Line(n, each, meaning_of(each.code)) for n, each in _admitted(shown, wanted, changes)]
    view = view_of(report, changes)
    return web.page(
        request,
        "readiness.html",
        visitor,
        status_code=status,
        shown=shown,
        view=view,
        wanted=wanted,
        chosen=next((line for line in view.codes if line.summary.code == wanted.code), None),
        lines=found[wanted.start : wanted.start + _PAGE_OF_FINDINGS],
        total=len(found),
        before=_at(wanted, wanted.start - _PAGE_OF_FINDINGS) if wanted.start else None,
        after=_at(wanted, wanted.start + _PAGE_OF_FINDINGS, len(found)),
        earlier=await web.house.audits.list(visitor.me, limit=_EARLIER),
        typed=typed or Typed(),
        days=DAYS,
        may_change=_may_change(web, visitor.me, shown.run.sources),
    )


def _admitted(
    shown: ShownReport, wanted: Wanted, changes: Changes | None
) -> Iterator[tuple[int, ReadinessFinding]]:
    """With their places in the report."""
    new = changes.new_at if changes else frozenset[int]()
    for n, finding in enumerate(shown.report.findings):
        if wanted.admits(finding, is_new=n in new):
            yield n, finding


def _at(wanted: Wanted, start: int, end: int | None = None) -> Wanted | None:
    if end is not None and start >= end:
        return None
    return replace(wanted, start=max(0, start))


def _may_change(web: Web, me: Principal, sources: Sequence[str]) -> frozenset[str]:
    """The sources whose findings this person may accept."""
    known = web.house.workspace.sources
    groups = {name: frozenset(known[name].publisher_groups) for name in sources if name in known}
    return frozenset(
        name
        for name, mine in groups.items()
        if isinstance(may(me, Action.CHANGE_DOCUMENT, Context(publisher_groups=mine)), Permit)
    )
