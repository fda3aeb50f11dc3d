"""The way to the OpenID provider and back."""

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from webapp.http.origin import client_address, cookie_obstacle, site_of
from webapp.operations.audit.attempts import Actor
from webapp.problems import NotFound, Problem
from webapp.routes.access import COOKIE, LOGIN, SEE_OTHER
from webapp.routes.dependencies import NoteDep
from webapp.routes.html.accounts.login import local_address, show_login, with_session
from webapp.routes.html.page import PageDep

router = APIRouter(include_in_schema=False)

HERE, BACK = f"{LOGIN}/openid", f"{LOGIN}/openid/callback"
BROWSER = "__Host-meadow-openid"
"""The cookie that binds a sign-in to the browser that began it."""


@router.get(HERE)
def leave(page: PageDep, next: str = "/") -> Response:
    """Lead to the provider, which asks the person who they are."""
    openid, then = page.parts.accounts.openid, local_address(next)
    if openid is None:
        raise NotFound("No sign-in provider is set: see --openid-issuer.")
    if obstacle := cookie_obstacle(page.request, page.parts.settings):
        return show_login(page, then, 403, error=obstacle)
    try:
        # one of the addresses that are registered at the provider
        address, begun = openid.begin(then, f"{site_of(page.request, page.parts.settings)}{BACK}")
    except Problem as error:
        return show_login(page, then, error.status, error=error.sentence)
    answer = RedirectResponse(address, SEE_OTHER)
    answer.set_cookie(BROWSER, begun.browser, 600, path="/", secure=True, httponly=True, samesite="lax")
    return answer


@router.get(BACK)
def come_back(page: PageDep, request: Request, note: NoteDep) -> Response:
    """Sign the person in whom the provider names, and lead to the page that was asked for."""
    openid, note.is_change = page.parts.accounts.openid, True
    if openid is None:
        raise NotFound("No sign-in provider is set: see --openid-issuer.")
    query = {name: request.query_params.get(name, "")[:4000] for name in ("state", "code", "error")}
    agent = request.headers.get("User-Agent", "")
    try:
        person = openid.finish(query, request.cookies.get(BROWSER, ""))
        address, previous = client_address(request), request.cookies.get(COOKIE, "")
        session_id = page.parts.accounts.sessions.open(person.user_id, address, agent, previous)
    except Problem as error:
        return _without_cookie(show_login(page, "/", error.status, error=error.sentence))
    note.actor, note.detail["role"] = Actor("user", person.name, person.user_id), person.role.value
    return _without_cookie(with_session(RedirectResponse(person.then, SEE_OTHER), session_id))


def _without_cookie(answer: Response) -> Response:
    answer.delete_cookie(BROWSER, path="/", secure=True, httponly=True, samesite="lax")
    return answer
