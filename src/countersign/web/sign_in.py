"""Signing in and out, and the choice of language."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from countersign.domain.errors import LimitExceeded, NotAuthenticated
from countersign.web.i18n import LANGUAGES
from countersign.web.rendering import Web, redirect
from countersign.web.routing import SignedIn, TheWeb, pages
from countersign.web.visitor import (
    close_cookie,
    find_visitor,
    guest_token,
    keep_guest_token,
    open_cookie,
    read_guest_form,
    read_signed_form,
    remember_language,
    safe_path,
)

router = pages()


@router.get("/sign-in")
async def sign_in_page(request: Request, web: TheWeb, next: str = "/") -> Response:
    if await find_visitor(request, web.house) is not None:
        return redirect(safe_path(next))
    return _form(request, web, back=safe_path(next))


@router.post("/sign-in")
async def sign_in(request: Request, web: TheWeb) -> Response:
    """Whatever was wrong, the same words and the same page."""
    form = await read_guest_form(request)
    back = safe_path(form.text("next"))
    address = request.client.host if request.client else ""
    try:
        new = await web.house.people.sign_in(
            form.text("name"), form.fields.get("secret", "").strip(), address
        )
    except (NotAuthenticated, LimitExceeded) as error:
        status = 429 if isinstance(error, LimitExceeded) else 401
        return _form(request, web, back=back, problem=error.code, status=status)
    response = redirect(back)
    open_cookie(request, response, new)
    return response


@router.post("/sign-out")
async def sign_out(request: Request, web: TheWeb, visitor: SignedIn) -> Response:
    await read_signed_form(request, visitor)
    await web.house.people.sign_out(visitor.session, visitor.token)
    response = redirect("/sign-in?notice=signed_out")
    close_cookie(request, response)
    return response


@router.get("/language/{language}")
async def choose(request: Request, language: str, next: str = "/") -> Response:
    """A preference of this browser, no state of the house: a plain link is enough."""
    response = redirect(safe_path(next))
    if language in LANGUAGES:
        remember_language(request, response, language)
    return response


def _form(request: Request, web: Web, *, back: str, problem: str = "", status: int = 200) -> Response:
    token = guest_token(request)
    response = web.page(
        request, "sign_in.html", None, status_code=status, back=back, problem=problem, token=token
    )
    keep_guest_token(request, response, token)
    return response
