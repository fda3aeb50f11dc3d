"""The page that asks for the first account, with which the local mode ends."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from webapp.accounts.principal import Kind
from webapp.accounts.roles import Role
from webapp.http.origin import client_address
from webapp.pages.flash import Flash
from webapp.problems import Conflict, Problem
from webapp.routes.access import PrincipalDep
from webapp.routes.dependencies import NoteDep
from webapp.routes.html.accounts.login import with_session
from webapp.routes.html.forms import FlashesDep, FormDep, see_other, text_of
from webapp.routes.html.page import Page, PageDep

router = APIRouter(include_in_schema=False)


@router.get("/setup")
def ask(page: PageDep, principal: PrincipalDep) -> Response:
    """Show the form for the first account."""
    return _show(page) if principal.kind is Kind.LOCAL else RedirectResponse("/people", 303)


@router.post("/setup")
def create(page: PageDep, principal: PrincipalDep, flashes: FlashesDep, note: NoteDep, form: FormDep) -> Response:
    """Create the first account and sign its person in."""
    if principal.kind is not Kind.LOCAL:
        raise Conflict("There is an account already.")
    accounts, name, password = page.parts.accounts, text_of(form, "name"), text_of(form, "password")
    try:
        if password != text_of(form, "again"):
            raise Problem("The two passwords differ.", 422)
        note.target = f"user {name}"
        person = accounts.people.add(name, password, Role.ADMIN, only_first=True)
    except Problem as error:
        return _show(page, error.status, name, error.words)
    address, agent = client_address(page.request), page.request.headers.get("User-Agent", "")
    flash = Flash(f"The account {person.name} was created. From now on everyone signs in.")
    return with_session(see_other(flashes, "/people", flash), accounts.sessions.open(person.id, address, agent))


def _show(page: Page, status: int = 200, name: str = "", error: str = "") -> HTMLResponse:
    return page.show("accounts/setup.html", "", status, name=name[:64], error=error)
