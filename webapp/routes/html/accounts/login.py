"""The pages that sign a person in and out, and the session cookie."""

import re

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from webapp.accounts.principal import Kind
from webapp.accounts.sessions import LONGEST
from webapp.http.origin import client_address, cookie_obstacle
from webapp.operations.audit.attempts import Actor
from webapp.problems import Problem
from webapp.routes.access import COOKIE, LOGIN, SEE_OTHER, PersonDep
from webapp.routes.dependencies import NoteDep, PartsDep
from webapp.routes.html.forms import FormDep, text_of
from webapp.routes.html.page import Page, PageDep

router = APIRouter(include_in_schema=False)

LOCAL_ADDRESS = re.compile(r"/(?![/\\])[^\x00-\x20\x7f\\]{0,2000}")


def local_address(text: str) -> str:
    """Return an address of this dashboard as it stands, anything else as the home page: no link leads elsewhere."""
    return text if LOCAL_ADDRESS.fullmatch(text) and not text.startswith((LOGIN, "/logout")) else "/"


@router.get(LOGIN)
def show(page: PageDep, next: str = "/") -> Response:
    """Show the form that signs a person in."""
    if page.request.state.principal is not None:
        return RedirectResponse(local_address(next), SEE_OTHER)
    return show_login(page, next, error=cookie_obstacle(page.request, page.parts.settings))


@router.post(LOGIN)
def sign_in(page: PageDep, note: NoteDep, form: FormDep) -> Response:
    """Sign a person in and lead to the page that was asked for."""
    request = page.request
    principal, then = request.state.principal, local_address(text_of(form, "next"))
    if principal is not None and principal.kind is Kind.LOCAL:
        return RedirectResponse("/", SEE_OTHER)
    settings, name = page.parts.settings, text_of(form, "name")
    if obstacle := cookie_obstacle(request, settings):
        return show_login(page, then, 403, name=name, error=obstacle)
    address, previous = client_address(request), request.cookies.get(COOKIE, "")
    agent = request.headers.get("User-Agent", "")
    try:
        session_id = page.parts.accounts.sessions.sign_in(name, text_of(form, "password"), address, agent, previous)
        person = page.parts.accounts.people.find(name)
    except Problem as error:
        answer = show_login(page, then, error.status, name=name, error=error.sentence)
        answer.headers.update(error.headers)
        return answer
    note.actor = Actor("user", person.name, person.id)
    return with_session(RedirectResponse(then, SEE_OTHER), session_id)


@router.post("/logout")
def sign_out(person: PersonDep, parts: PartsDep) -> Response:
    """End the session of this browser."""
    parts.accounts.sessions.sign_out(person)
    return _signed_out()


@router.post("/logout/everywhere")
def sign_out_everywhere(person: PersonDep, parts: PartsDep) -> Response:
    """End all sessions of the person."""
    parts.accounts.sessions.sign_out_everywhere(person.id)
    return _signed_out()


def with_session(answer: Response, session_id: str) -> Response:
    """Have the browser keep the id of a session."""
    seconds = int(LONGEST.total_seconds())
    answer.set_cookie(COOKIE, session_id, seconds, path="/", secure=True, httponly=True, samesite="lax")
    return answer


def _signed_out() -> Response:
    answer = RedirectResponse(LOGIN, SEE_OTHER)
    answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return answer


def show_login(page: Page, then: str, status: int = 200, *, name: str = "", error: str = "") -> Response:
    """Show the form, with what was wrong."""
    openid = page.parts.accounts.openid
    return page.show(
        "accounts/login.html", LOGIN, status, then=local_address(then), name=name[:64], error=error,
        openid=openid.label if openid is not None else "",
    )  # fmt: skip
