"""Who acts in a request, and whether it may: decided before its body is read and before any handler runs."""

import asyncio
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from webapp.accounts.accounts import Accounts, Credentials
from webapp.accounts.principal import Kind, Principal
from webapp.db.failures import DatabaseUnavailable
from webapp.http.audit_trail import SAFE
from webapp.http.middleware import HttpMiddleware
from webapp.http.problem_json import wants_json
from webapp.http.reverse_proxy import without_root
from webapp.operations.audit.attempts import Note
from webapp.operations.event_hub import EventHub
from webapp.problems import Problem
from webapp.routes.error_handlers import answer_failure
from webapp.routes.policy import Need, need_of, route_of

COOKIE = "__Host-meadow"
"""Browsers keep a cookie with this prefix only over TLS or on loopback, for this host alone, and for all paths."""
LOGIN = "/login"
SEE_OTHER = 303
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="Meadow"'}
MAX_NEXT = 2000
WATCH_SECONDS = 1.0


class Unauthorized(Problem):
    """The request comes without valid credentials."""

    status = 401

    def __init__(self) -> None:
        super().__init__("Sign in, or send a valid API token: Authorization: Bearer TOKEN.", headers=CHALLENGE)


class Forbidden(Problem):
    """The role does not allow the request."""

    status = 403


class Access(HttpMiddleware):
    """Identifies who acts (``request.state.principal``) and refuses what the policy does not allow."""

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        request, need = Request(scope), need_of(scope["method"], scope["path"])
        state = scope.setdefault("state", {})
        state["principal"], state["need"] = None, need
        try:
            state["principal"] = principal = await _identify(request)
        except DatabaseUnavailable as error:
            if need is not Need.OPEN:
                return await answer_failure(request, 503, error.sentence)(scope, receive, send)
            principal = None
        if need is Need.OPEN or (principal is not None and (need is None or principal.may(need))):
            return await self.app(scope, receive, send)
        _name_route(request)
        await (_ask_to_sign_in(request) if principal is None else _forbid(request, need))(scope, receive, send)


def _name_route(request: Request) -> None:
    """Tell the audit log what was asked for: a refused request reaches no router."""
    note: Note = request.state.audit
    if found := route_of(request.method, request.url.path):
        note.template, note.parameters = found


async def _identify(request: Request) -> Principal | None:
    accounts: Accounts = request.app.state.parts.accounts
    credentials = _credentials(request)
    by_person = request.headers.get("Sec-Fetch-Dest", "document") == "document"  # else an open page asks by itself
    principal = accounts.recall(credentials, by_person=by_person)
    return principal or await run_in_threadpool(accounts.identify, credentials, by_person=by_person)


def _credentials(request: Request) -> Credentials:
    """Return what a request brought in its headers; an address is never looked at."""
    given = request.headers.get("Authorization")
    if given is None:
        return Credentials(session_id=request.cookies.get(COOKIE, ""))
    scheme, _, token = given.partition(" ")
    return Credentials(token=token.strip() if scheme.lower() == "bearer" else "none")


def _ask_to_sign_in(request: Request) -> Response:
    """Answer a request without valid credentials: a browser's page leads to the login, all else gets 401."""
    is_page = "text/html" in request.headers.get("Accept", "") and not wants_json(request.url.path)
    if is_page and "HX-Request" not in request.headers:
        here = f"{request.url.path}?{request.url.query}".rstrip("?") if request.method in ("GET", "HEAD") else "/"
        return RedirectResponse(login_address(here), SEE_OTHER)
    failure = Unauthorized()
    answer = answer_failure(request, failure.status, failure.sentence)
    answer.headers.update(failure.headers)
    if "HX-Request" in request.headers:
        shown = urlsplit(request.headers.get("HX-Current-URL", "/"))
        root = request.app.state.root_path
        here = f"{without_root(shown.path, root)}?{shown.query}".rstrip("?")
        answer.headers["HX-Redirect"] = f"{root}{login_address(here)}"
    return answer


def login_address(here: str) -> str:
    """Return the address of the login that leads back to a page of ours."""
    return f"{LOGIN}?next={quote(here, safe='/')}" if here not in ("", "/") and len(here) <= MAX_NEXT else LOGIN


def _forbid(request: Request, need: Need | None) -> Response:
    principal: Principal = request.state.principal
    nothing = "" if request.method in SAFE else " Nothing was changed."
    sentence = f"This needs the role {need}; {principal.name} has the role {principal.role}.{nothing}"
    answer = answer_failure(request, 403, sentence)
    if "HX-Request" in request.headers:
        answer.headers["HX-Refresh"] = "true"  # the page is one that its reader may not have any more, too
    return answer


async def end_streams_without_access(event_hub: EventHub, accounts: Accounts) -> None:
    """End the event streams of those who may no longer read them; runs on the loop until it is cancelled."""
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        for reader in event_hub.readers:
            if not isinstance(reader, Principal):
                continue
            try:
                is_valid = await run_in_threadpool(accounts.is_valid, reader)
            except DatabaseUnavailable:
                continue  # a stream ends by itself where the database cannot be read
            if not is_valid:
                event_hub.end_streams_of(reader)


async def refuse_unlisted(request: Request) -> None:
    """A dependency of all routes: refuse a route that the policy does not list."""
    if request.state.need is None:
        raise Forbidden("This address is not on the list of what may be done.")


async def get_principal(request: Request) -> Principal:
    """Return who acts; raises Unauthorized, which only a route that is open needs."""
    principal: Principal | None = request.state.principal
    if principal is None:
        raise Unauthorized
    return principal


PrincipalDep = Annotated[Principal, Depends(get_principal)]


def person_of(principal: PrincipalDep) -> Principal:
    """Return the person who acts in a browser; raises Forbidden for scripts and in local mode."""
    if principal.kind is not Kind.USER:
        raise Forbidden("This needs a person who is signed in in a browser.")
    return principal


PersonDep = Annotated[Principal, Depends(person_of)]
