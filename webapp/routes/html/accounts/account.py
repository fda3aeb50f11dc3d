"""The page of the own account: password, sessions, API tokens."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from webapp.accounts.principal import Kind, Principal
from webapp.accounts.roles import Role
from webapp.accounts.tokens import DEFAULT_DAYS, MAX_DAYS
from webapp.http.origin import client_address
from webapp.pages.flash import Flash
from webapp.problems import Problem
from webapp.routes.access import SEE_OTHER, PersonDep, PrincipalDep, person_of
from webapp.routes.dependencies import Id, PartsDep
from webapp.routes.html.accounts.login import with_session
from webapp.routes.html.forms import FlashesDep, FormDep, number_of, role_of, see_other, text_of
from webapp.routes.html.page import Page, PageDep

router = APIRouter(prefix="/account", include_in_schema=False)

HERE = "/account"


@router.get("")
def show(page: PageDep, principal: PrincipalDep) -> Response:
    """Show the own account; without accounts, the form for the first one."""
    if principal.kind is Kind.LOCAL:
        return RedirectResponse("/setup", SEE_OTHER)
    return _show(page, person_of(principal))


@router.post("/password")
def change_password(page: PageDep, person: PersonDep, flashes: FlashesDep, form: FormDep) -> Response:
    """Change the own password; all sessions end, and this browser gets a new one."""
    sessions, address = page.parts.accounts.sessions, client_address(page.request)
    new = text_of(form, "password")
    try:
        if new != text_of(form, "again"):
            raise Problem("The two new passwords differ.", 422)
        sessions.change_own_password(person, text_of(form, "old_password"), new, address)
    except Problem as error:
        return _show(page, person, error.status, password_error=error.words)
    session_id = sessions.open(person.id, address, page.request.headers.get("User-Agent", ""))
    flash = Flash("The password was changed. All other sessions were signed out.")
    return with_session(see_other(flashes, HERE, flash), session_id)


@router.post("/tokens")
def add_token(page: PageDep, person: PersonDep, form: FormDep) -> Response:
    """Make an API token, and show its text once: in the answer to this request."""
    try:
        role = role_of(form)
        days = number_of(form, "days", "Days", MAX_DAYS)
        token, text = page.parts.accounts.tokens.add(person, text_of(form, "name"), role, days)
    except Problem as error:
        return _show(page, person, error.status, token_error=error.words)
    return _show(page, person, token_name=token.name, token_text=text)


@router.post("/tokens/{token_id}/revoke")
def revoke_token(parts: PartsDep, person: PersonDep, flashes: FlashesDep, token_id: Id) -> Response:
    """End an API token."""
    parts.accounts.tokens.revoke(person.id, token_id)
    return see_other(flashes, HERE, Flash("The token was revoked."))


def _show(page: Page, person: Principal, status: int = 200, **shown: Any) -> HTMLResponse:
    accounts = page.parts.accounts
    context = {"password_error": "", "token_error": "", "token_name": "", "token_text": ""} | shown
    return page.show(
        "accounts/account.html", HERE, status, person=accounts.people.show(person.id), days=DEFAULT_DAYS,
        sessions=accounts.sessions.list_of(person), tokens=accounts.tokens.list_of(person.id), max_days=MAX_DAYS,
        roles=[role for role in Role if person.may(role)], **context,
    )  # fmt: skip
