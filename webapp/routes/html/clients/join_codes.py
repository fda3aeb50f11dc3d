"""The page that adds a client: makes join codes and shows each once, lists and revokes them."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from federation.run.networks import OWN_DATA
from webapp.db.repository.clients import client_names
from webapp.pages.clients.add import FIELDS, AddPage, settings_of, shown_codes
from webapp.pages.flash import Flash
from webapp.problems import Invalid
from webapp.routes.dependencies import ByDep, Id, NoteDep, PartsDep, noted
from webapp.routes.html.forms import FlashesDep, FormDep, see_other, text_of
from webapp.routes.html.page import Page, PageDep

PRIVATE = "PRIVATE KEY"

router = APIRouter(prefix="/clients/add", include_in_schema=False)


@router.get("")
def ask(page: PageDep) -> HTMLResponse:
    """Show the form, and the codes made so far."""
    return _show(page, dict.fromkeys(FIELDS, "") | {"server": page.join.address})


@router.post("")
def create(page: PageDep, by: ByDep, form: FormDep) -> HTMLResponse:
    """Make a code and show its command, which no other answer has; or show the form again with what is wrong."""
    typed = {name: text_of(form, name) for name in FIELDS}
    try:
        settings, server = settings_of(typed), page.join.checked_server(typed["server"])
    except Invalid as error:
        return _show(page, typed, 422, errors={one.field: one.message for one in error.fields})
    _, secret = page.parts.join_codes.create(by, settings)
    code, own_data = page.join.code_for(secret, settings, server), typed["dataset"] == OWN_DATA
    return _show(page, typed, command=page.join.command_with(code, own_data=own_data))


@router.post("/key")
def add_key(page: PageDep, flashes: FlashesDep, note: NoteDep, form: FormDep) -> Response:
    """Admit the client with a public key; or show the page again with what is wrong."""
    key, name = text_of(form, "public_key"), text_of(form, "key_name")
    try:
        client = noted(page.parts.clients.add_key(key, name), note)
    except Invalid as error:
        typed = dict.fromkeys(FIELDS, "") | {"server": page.join.address, "key_name": name}
        typed["public_key"] = "" if PRIVATE in key else key  # a private key must not come back in a page
        return _show(page, typed, 422, errors={one.field: one.message for one in error.fields})
    return see_other(flashes, f"/clients/{client.id}", Flash(f"{client.name} was admitted."))


@router.post("/{code_id}/revoke")
def revoke(parts: PartsDep, flashes: FlashesDep, code_id: Id) -> Response:
    """Revoke a code that has not been used."""
    parts.join_codes.revoke(code_id)
    return see_other(flashes, "/clients/add", Flash("The join code was revoked."))


def _show(
    page: Page, typed: dict[str, str], status: int = 200, *, command: str = "",
    errors: dict[str, str] | None = None,
) -> HTMLResponse:  # fmt: skip
    shown = shown_codes(page.parts.join_codes.list())
    names = client_names(page.session, [code.client_id for code, _, _ in shown if code.client_id is not None])
    return page.show(
        "clients/add.html", "/clients", status, page=AddPage(shown, names, typed, command, errors or {})
    )  # fmt: skip
