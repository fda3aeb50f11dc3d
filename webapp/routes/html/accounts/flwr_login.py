"""The page on which a person approves or refuses a login of the flwr command."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from webapp.accounts.device_logins import LoginState
from webapp.accounts.principal import Kind
from webapp.accounts.roles import Role
from webapp.http.origin import client_address
from webapp.pages.flash import Flash
from webapp.problems import Invalid, Problem
from webapp.routes.access import SEE_OTHER, PersonDep, PrincipalDep, person_of
from webapp.routes.dependencies import NoteDep
from webapp.routes.flwr_cli.login import PAGE
from webapp.routes.html.accounts.account import HERE
from webapp.routes.html.forms import FlashesDep, FormDep, number_of, role_of, see_other, text_of
from webapp.routes.html.page import Page, PageDep

router = APIRouter(prefix=PAGE, include_in_schema=False)

DEFAULT_DAYS, MAX_DAYS = 7, 90
ROLES = (Role.OPERATOR, Role.VIEWER)
"""What the command can do needs no more, so its token may do no more."""
Code = Annotated[str, Query(max_length=100)]


@router.get("")
def show(page: PageDep, principal: PrincipalDep, code: Code = "") -> Response:
    """Show a login that waits: its code, where it comes from, and what it would get; without accounts there is none."""
    if principal.kind is Kind.LOCAL:
        return RedirectResponse("/setup", SEE_OTHER)
    person_of(principal)
    return _show(page, code)


@router.post("")
def decide(page: PageDep, person: PersonDep, flashes: FlashesDep, note: NoteDep, form: FormDep) -> Response:
    """Approve a login, whose command then gets a token of the person; or refuse it."""
    logins, code = page.parts.accounts.device_logins, text_of(form, "code")
    try:
        if text_of(form, "decision") == "approve":
            role = role_of(form)
            if role not in ROLES:
                raise Invalid("role", "Choose viewer or operator")
            login = logins.approve(code, person, role, number_of(form, "days", "Days", MAX_DAYS))
            note.detail |= {"role": login.role.value, "days": login.days}
        else:
            login = logins.refuse(code)
    except Problem as error:
        return _show(page, code, error)
    note.target = f"flwr login from {login.address}"
    note.detail |= {"code": login.code, "decision": login.state.value}
    approved = login.state is LoginState.APPROVED
    done = "was approved. Its token is listed here in a moment." if approved else "was refused."
    return see_other(flashes, HERE, Flash(f"The login {login.code} {done}"))


def _show(page: Page, code: str, problem: Problem | None = None) -> HTMLResponse:
    try:
        login = page.parts.accounts.device_logins.find(code)
    except Problem as error:
        login, problem = None, error
    waits = login is not None and login.state is LoginState.WAITING
    is_here = login is not None and login.address == client_address(page.request)
    return page.show(
        "accounts/flwr_login.html", HERE, problem.status if problem else 200, login=login if waits else None,
        error=problem.words if problem else "", is_here=is_here, here=PAGE, days=DEFAULT_DAYS, max_days=MAX_DAYS,
        roles=[role for role in ROLES if page.request.state.principal.may(role)],
    )  # fmt: skip
