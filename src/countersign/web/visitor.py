"""Who is at the desk: the session cookie, the CSRF token, forms that are read within limits, and safe ways back."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlsplit

from fastapi import Request, Response

from countersign.access.keys import same
from countersign.access.principal import Principal
from countersign.access.sign_in import NewSession, Session, require_csrf
from countersign.app.house import House
from countersign.domain.errors import LimitExceeded, NotAuthenticated, NotPermitted, UsageError

MAX_FORM_BYTES = 256 * 1024
_MAX_FIELDS = 40
_COOKIE = "countersign_session"
_GUEST_COOKIE = "countersign_form"
LANGUAGE_COOKIE = "countersign_language"
_YEAR_S = 365 * 24 * 3600


class SignInNeeded(Exception):
    """Nobody is signed in; the page leads to the sign-in and back."""


@dataclass(frozen=True, slots=True, repr=False)
class Visitor:
    """A signed-in person with the token of their cookie."""

    session: Session
    token: str

    @property
    def me(self) -> Principal:
        return self.session.principal


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a posted form; the last value of a name counts."""

    fields: dict[str, str]

    def text(self, name: str) -> str:
        """Line ends as people write them, without the spaces around."""
        return self.fields.get(name, "").replace("\r\n", "\n").strip()


# -- cookies ----------------------------------------------------------------------------------------------------
def _is_https(request: Request) -> bool:
    return request.url.scheme == "https"


def _cookie_name(request: Request, name: str) -> str:
    """Browsers keep a `__Host-` cookie to this host, its root and https; over plain loopback there is no such promise."""
    return f"__Host-{name}" if _is_https(request) else name


def _set_cookie(request: Request, response: Response, name: str, value: str, max_age_s: int | None) -> None:
    response.set_cookie(
        _cookie_name(request, name),
        value,
        max_age=max_age_s,
        path="/",
        secure=_is_https(request),
        httponly=True,
        samesite="strict",
    )


def open_cookie(request: Request, response: Response, new: NewSession) -> None:
    """The session ends with the browser, or when it expires on the server."""
    _set_cookie(request, response, _COOKIE, new.token, None)
    response.delete_cookie(_cookie_name(request, _GUEST_COOKIE), path="/", secure=_is_https(request))


def close_cookie(request: Request, response: Response) -> None:
    response.delete_cookie(
        _cookie_name(request, _COOKIE),
        path="/",
        secure=_is_https(request),
        httponly=True,
        samesite="strict",
    )


def remember_language(request: Request, response: Response, language: str) -> None:
    _set_cookie(request, response, LANGUAGE_COOKIE, language, _YEAR_S)


def language_cookie(request: Request) -> str:
    return request.cookies.get(_cookie_name(request, LANGUAGE_COOKIE), "")


# -- who --------------------------------------------------------------------------------------------------------
async def find_visitor(request: Request, house: House) -> Visitor | None:
    token = request.cookies.get(_cookie_name(request, _COOKIE), "")
    if not token:
        return None
    try:
        return Visitor(await house.people.session(token), token)
    except NotAuthenticated:
        return None


def came_from_elsewhere(request: Request) -> bool:
    """A link in a mail or on the intranet brought this request: the browser left our strict cookie at home."""
    return request.headers.get("sec-fetch-site") == "cross-site"


# -- forms ------------------------------------------------------------------------------------------------------
async def read_form(request: Request) -> Form:
    """Raises `UsageError` and `LimitExceeded`; counts bytes while they arrive, whatever the headers promise."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise UsageError("the form is not url-encoded", code="form_invalid")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_FORM_BYTES:
            raise LimitExceeded("the form is too large", code="form_too_large")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:
        raise UsageError("the form cannot be read", code="form_invalid") from None
    return Form(dict(pairs))


def require_same_site(request: Request) -> None:
    """A second lock beside the token: browsers say where a request comes from, and a page cannot lie about it."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise NotPermitted("the form came from another site", code="csrf_failed")


async def read_signed_form(request: Request, visitor: Visitor) -> Form:
    """Every change asks for the token of the session. Raises `NotPermitted` (`csrf_failed`)."""
    require_same_site(request)
    form = await read_form(request)
    require_csrf(visitor.session, form.text("csrf"))
    return form


# -- before signing in ------------------------------------------------------------------------------------------
def guest_token(request: Request) -> str:
    """The token of the sign-in form: in a strict cookie and in the form, the two must agree."""
    known = request.cookies.get(_cookie_name(request, _GUEST_COOKIE), "")
    return known if 20 <= len(known) <= 100 else secrets.token_urlsafe(32)


def keep_guest_token(request: Request, response: Response, token: str) -> None:
    _set_cookie(request, response, _GUEST_COOKIE, token, None)


async def read_guest_form(request: Request) -> Form:
    require_same_site(request)
    form = await read_form(request)
    kept = request.cookies.get(_cookie_name(request, _GUEST_COOKIE), "")
    if not kept or not same(kept, form.text("csrf")):
        raise NotPermitted("this form is out of date", code="csrf_failed")
    return form


# -- ways back --------------------------------------------------------------------------------------------------
def safe_path(wanted: str) -> str:
    """`wanted` when it is a path of this site, else the front page: a sign-in never leads to somebody else's."""
    parts = urlsplit(wanted) if wanted.isprintable() and len(wanted) < 2000 else None
    if parts is None or parts.scheme or parts.netloc or "\\" in wanted:
        return "/"
    return wanted if wanted.startswith("/") and not wanted.startswith("//") else "/"


def sign_in_path(request: Request) -> str:
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"/sign-in?next={quote(here, safe='')}" if here != "/" else "/sign-in"
