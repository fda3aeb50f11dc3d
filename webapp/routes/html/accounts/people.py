"""The page of all accounts: add, role, password, disable, enable, remove."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from webapp.accounts.principal import Kind
from webapp.accounts.roles import Role
from webapp.pages.flash import Flash
from webapp.problems import Problem
from webapp.routes.access import SEE_OTHER, PrincipalDep
from webapp.routes.dependencies import Id, NoteDep, PartsDep
from webapp.routes.html.forms import FlashesDep, FormDep, role_of, see_other, text_of
from webapp.routes.html.page import Page, PageDep

router = APIRouter(prefix="/people", include_in_schema=False)

HERE = "/people"


@router.get("")
def show(page: PageDep, principal: PrincipalDep) -> Response:
    """Show everyone who may sign in."""
    return RedirectResponse("/setup", SEE_OTHER) if principal.kind is Kind.LOCAL else _show(page)


@router.post("")
def add(page: PageDep, flashes: FlashesDep, note: NoteDep, form: FormDep) -> Response:
    """Add a person with a first password."""
    try:
        role = role_of(form)
        note.target = f"user {text_of(form, 'name')}"
        person = page.parts.accounts.people.add(text_of(form, "name"), text_of(form, "password"), role)
    except Problem as error:
        return _show(page, error.status, text_of(form, "name"), error.words)
    return see_other(flashes, HERE, Flash(f"The account {person.name} was created. Tell the person the password."))


@router.post("/{user_id}/role")
def set_role(parts: PartsDep, flashes: FlashesDep, note: NoteDep, user_id: Id, form: FormDep) -> Response:
    """Give a person another role."""
    note.detail["role"] = role_of(form).value
    person = parts.accounts.people.set_role(user_id, role_of(form))
    return see_other(flashes, HERE, Flash(f"{person.name} has the role {person.role} now."))


@router.post("/{user_id}/password")
def set_password(parts: PartsDep, flashes: FlashesDep, user_id: Id, form: FormDep) -> Response:
    """Give a person another password."""
    person = parts.accounts.people.set_password(user_id, text_of(form, "password"))
    return see_other(flashes, HERE, Flash(f"The password of {person.name} was changed, and all sessions were ended."))


@router.post("/{user_id}/disable")
def disable(parts: PartsDep, flashes: FlashesDep, user_id: Id) -> Response:
    """End the sessions of a person and refuse new ones."""
    person = parts.accounts.people.disable(user_id)
    return see_other(flashes, HERE, Flash(f"{person.name} was disabled.", f"{HERE}/{user_id}/enable"))


@router.post("/{user_id}/enable")
def enable(parts: PartsDep, flashes: FlashesDep, user_id: Id) -> Response:
    """Let a disabled person sign in again."""
    return see_other(flashes, HERE, Flash(f"{parts.accounts.people.enable(user_id).name} was enabled."))


@router.get("/{user_id}/remove")
def ask_to_remove(page: PageDep, user_id: Id) -> HTMLResponse:
    """Ask whether an account is to be removed."""
    return page.show("accounts/remove.html", HERE, person=page.parts.accounts.people.show(user_id))


@router.post("/{user_id}/remove")
def remove(parts: PartsDep, flashes: FlashesDep, user_id: Id) -> Response:
    """Remove an account with its sessions and tokens."""
    name = parts.accounts.people.show(user_id).name
    parts.accounts.people.remove(user_id)
    return see_other(flashes, HERE, Flash(f"The account {name} was removed."))


def _show(page: Page, status: int = 200, name: str = "", error: str = "") -> HTMLResponse:
    return page.show(
        "accounts/people.html", HERE, status, people=page.parts.accounts.people.list(), roles=list(Role),
        name=name[:64], error=error,
    )  # fmt: skip
