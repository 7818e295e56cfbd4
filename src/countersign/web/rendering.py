"""Templates into responses: always escaped, in the reader's language, under one strict content policy."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from functools import cache, partial
from importlib.resources import files
from typing import Any, cast

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from countersign.access.decide import Action, Permit, may
from countersign.access.principal import Principal
from countersign.app.house import House
from countersign.domain.answers import Cost
from countersign.domain.clock import from_iso, iso
from countersign.domain.errors import (
    Conflict,
    CountersignError,
    LimitExceeded,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    UsageError,
)
from countersign.record.views import CostLine
from countersign.web import i18n
from countersign.web.differences import differing
from countersign.web.i18n import N_
from countersign.web.marks import coded, unmarked, visible
from countersign.web.visitor import Visitor, language_cookie
from countersign.web.wording import NOTICE, PROBLEM, word

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""`data:` images are the icons inside the stylesheet; no script of ours ever turns text into markup."""

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_POLICY,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
}

_KINDS: tuple[tuple[type[CountersignError], int, str], ...] = (
    (NotFound, 404, "not_found"),
    (NotPermitted, 403, "not_permitted"),
    (NotAuthenticated, 401, "sign_in_failed"),
    (UsageError, 400, "bad_request"),
    (Conflict, 409, "conflict"),
    (LimitExceeded, 429, "overloaded"),
)


def status_of(error: CountersignError) -> int:
    return next((status for kind, status, _ in _KINDS if isinstance(error, kind)), 503)


@dataclass(slots=True)
class Web:
    """What every page needs: the house, and one template environment for each language."""

    house: House
    _environments: dict[str, Environment] = field(default_factory=dict[str, Environment])

    def language(self, request: Request) -> str:
        return i18n.choose_language(language_cookie(request), request.headers.get("accept-language", ""))

    def environment(self, language: str) -> Environment:
        if language not in self._environments:
            self._environments[language] = make_environment(language)
        return self._environments[language]

    def words(self, request: Request, kind: str, code: str) -> str:
        translate = self.environment(self.language(request)).globals["gettext"]
        return word(translate, kind, code)  # pyright: ignore[reportArgumentType]

    def page(
        self,
        request: Request,
        template: str,
        visitor: Visitor | None,
        *,
        status_code: int = 200,
        **values: Any,
    ) -> HTMLResponse:
        language = self.language(request)
        text = (
            self.environment(language)
            .get_template(template)
            .render(
                me=visitor.me if visitor else None,
                csrf=visitor.session.csrf if visitor else "",
                path=request.url.path,
                here=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
                workspace=self.house.workspace.name,
                now=self.house.clock.now(),
                **({"notice": request.query_params.get("notice", "")} | values),
            )
        )
        return HTMLResponse(text, status_code, HEADERS)

    def problem(self, request: Request, visitor: Visitor | None, error: CountersignError) -> HTMLResponse:
        """An error as a page. Only words of our own catalogue and the stable code: never what was sent."""
        return self.page(
            request,
            "problem.html",
            visitor,
            status_code=status_of(error),
            code=problem_code(error),
            shown_code=error.code,
            request_id=request_id(request),
        )


def request_id(request: Request) -> str:
    """What the outermost layer of the server called this request, for the record and for the page of an error."""
    return getattr(request.state, "request_id", "")


def problem_code(error: CountersignError) -> str:
    """The code of our own words for an error; what has none of its own is called by its kind."""
    if error.code in PROBLEM:
        return error.code
    return next((code for kind, _, code in _KINDS if isinstance(error, kind)), "unavailable")


def redirect(path: str) -> RedirectResponse:
    """After a form was accepted: the browser fetches the page, and a reload sends nothing twice."""
    return RedirectResponse(path, 303, HEADERS)


# -- the environment --------------------------------------------------------------------------------------------
def make_environment(language: str) -> Environment:
    """Templates in one language, for pages and for files that are handed on."""
    environment = Environment(
        loader=PackageLoader("countersign.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    catalogue = i18n.load_translations(language)
    environment.install_gettext_translations(catalogue, newstyle=True)  # pyright: ignore[reportAttributeAccessIssue]
    names: dict[str, Any] = cast("dict[str, Any]", environment.globals)
    names.update(
        language=language,
        languages=[(code, i18n.NAMES[code]) for code in i18n.LANGUAGES],
        notices=frozenset(NOTICE),
        months=i18n.month_names(language),
        word=partial(word, catalogue.gettext),
        asset=_asset,
        may=_may,
    )
    filters: dict[str, Any] = cast("dict[str, Any]", environment.filters)
    filters |= {
        "time": partial(_time, language),
        "unmarked": unmarked,
        "span": partial(i18n.show_span, language=language),
        "number": partial(i18n.show_number, language=language),
        "seconds": partial(i18n.show_seconds, language=language),
        "share": partial(i18n.show_share, language=language),
        "language_name": partial(i18n.language_name, language=language),
        "said": catalogue.gettext,
        "coded": coded,
        "visible": visible,
        "differing": differing,
        "percent": partial(i18n.show_percent, language=language),
        "bytes": partial(i18n.show_bytes, language=language),
        "cost": partial(_cost, language, catalogue.gettext),
        "spent": partial(_spent, language, catalogue.gettext),
    }
    return environment


def _may(me: Principal | None, action: str) -> bool:
    """Which ways the navigation offers; what is behind them decides for itself."""
    return me is not None and isinstance(may(me, Action(action)), Permit)


def _time(language: str, moment: datetime | str | None) -> Markup:
    """A `<time>` element that the browser turns into the reader's own time; midnight is a date and stays one."""
    if not moment:
        return Markup("—")
    at = from_iso(moment) if isinstance(moment, str) else moment
    if at.timetz() == time(tzinfo=at.tzinfo):
        return Markup('<time datetime="{}">{}</time>').format(
            at.date().isoformat(), i18n.show_date(at, language)
        )
    shown = escape(i18n.show_time(at, language))
    return Markup('<time datetime="{}">{}</time>').format(iso(at), shown)


def _cost(language: str, translate: Any, cost: Cost | None) -> str:
    if cost is None:
        return "—"
    if cost.unmetered:
        return translate(N_("not metered"))
    if cost.amount is None:
        return translate(N_("price unknown"))
    return i18n.show_amount(cost.amount, cost.currency, language)


def _spent(language: str, translate: Any, line: CostLine) -> str:
    unmetered = line.unmetered_calls and not line.amount
    return (
        translate(N_("not metered"))
        if unmetered
        else i18n.show_amount(line.amount, line.currency or "USD", language)
    )


@cache
def _asset(name: str) -> str:
    """The address of a static file; its content is part of the address, so that a browser may keep it for ever."""
    content = (files("countersign.web") / "static" / name).read_bytes()
    return f"/static/{name}?v={hashlib.sha256(content).hexdigest()[:12]}"
