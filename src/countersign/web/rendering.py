"""Templates into responses: in the reader's language, under one strict content policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment

from countersign.app.house import House
from countersign.domain.errors import (
    Conflict,
    CountersignError,
    LimitExceeded,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    UsageError,
)
from countersign.web import i18n
from countersign.web.environment import make_environment
from countersign.web.visitor import Visitor, language_cookie
from countersign.web.wording import PROBLEM, word

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
