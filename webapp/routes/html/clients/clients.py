"""Pages of clients: the list, the command that joins one, each client's own page; and the forms on them."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from webapp.db.repository.clients import list_clients
from webapp.db.repository.rows import get_row
from webapp.db.tables import Client
from webapp.pages.clients.index import clients_page
from webapp.pages.clients.query import clients_query
from webapp.pages.clients.show import client_page
from webapp.pages.clients.simulation import offer_for
from webapp.pages.flash import Flash
from webapp.problems import Conflict, Invalid
from webapp.routes.access import SEE_OTHER
from webapp.routes.dependencies import NoteDep, PartsDep, noted
from webapp.routes.html.forms import FlashesDep, FormDep, see_other, text_of
from webapp.routes.html.page import ClientId, Page, PageDep, shared

router = APIRouter(prefix="/clients", include_in_schema=False)


@router.get("")
@shared
def list_them(page: PageDep) -> HTMLResponse:
    """Show the clients, all or some, and how another one joins."""
    live, known, query = page.live, list_clients(page.session), clients_query(page.request.query_params)
    return page.show(
        "clients/index.html", "/clients", page=clients_page(page.session, known, live, query),
        offer=offer_for(page.parts.simulation, known, live, apps=page.parts.allowed_apps),
        max_pending=page.parts.settings.max_pending,
    )  # fmt: skip


@router.get("/{client_id}")
@shared
def show(page: PageDep, client_id: ClientId) -> HTMLResponse:
    """Show one client with its history."""
    return _show(page, client_id)


def _show(page: Page, client_id: int, status: int = 200, *, name: str = "", error: str = "") -> HTMLResponse:
    client = get_row(page.session, Client, client_id, "client")
    return page.show(
        "clients/show.html", "/clients", status, page=client_page(page.session, client, page.live),
        typed=name or client.name, error=error,
    )  # fmt: skip


@router.post("/{client_id}/approve")
def approve(parts: PartsDep, note: NoteDep, client_id: ClientId) -> Response:
    """Admit a pending or revoked client."""
    noted(parts.clients.approve(client_id), note)
    return RedirectResponse("/clients", SEE_OTHER)


@router.get("/{client_id}/revoke")
def ask_to_revoke(page: PageDep, client_id: ClientId) -> HTMLResponse:
    """Ask whether a client's access is to be revoked."""
    return page.show("clients/revoke.html", "/clients", client=get_row(page.session, Client, client_id, "client"))


@router.post("/{client_id}/revoke")
def revoke(parts: PartsDep, flashes: FlashesDep, note: NoteDep, client_id: ClientId) -> Response:
    """Revoke a client's access, or reject a pending client."""
    was_pending = parts.clients.show(client_id).state == "pending"
    name = noted(parts.clients.revoke(client_id), note).name
    flash = Flash(f"{name} was rejected.")  # to take that back would admit the client
    if not was_pending:
        flash = Flash(f"Access of {name} was revoked.", f"/clients/{client_id}/approve")
    return see_other(flashes, "/clients", flash)


@router.post("/{client_id}/leave-out")
def exclude(parts: PartsDep, flashes: FlashesDep, client_id: ClientId) -> Response:
    """Exclude a client from all runs."""
    text = f"{parts.clients.exclude(client_id).name} was excluded from all runs, from the next round on."
    return see_other(flashes, "/clients", Flash(text, f"/clients/{client_id}/let-in"))


@router.post("/{client_id}/let-in")
def include(parts: PartsDep, flashes: FlashesDep, client_id: ClientId) -> Response:
    """Include a client again that was excluded from all runs."""
    text = f"{parts.clients.include(client_id).name} was included in runs again."
    return see_other(flashes, "/clients", Flash(text, f"/clients/{client_id}/leave-out"))


@router.post("/{client_id}/end")
def end_simulated(page: PageDep, flashes: FlashesDep, client_id: ClientId) -> Response:
    """End a simulated client of this dashboard."""
    client = get_row(page.session, Client, client_id, "client")
    running = page.parts.simulation.find(client.public_key)
    if running is None:
        raise Conflict(f"{client.name} is not a running simulated client of this dashboard: revoke its access instead.")
    page.parts.simulation.end(running.number)
    text = f"{client.name} was stopped. A simulated client that is started later may reuse this identity."
    return see_other(flashes, "/clients", Flash(text))


@router.post("/{client_id}/rename")
def rename(page: PageDep, flashes: FlashesDep, note: NoteDep, client_id: ClientId, form: FormDep) -> Response:
    """Give a client another name; or show its page again with what is wrong."""
    note.detail["name"] = name = text_of(form, "name")
    try:
        renamed = page.parts.clients.rename(client_id, name).name
    except Invalid as error:
        return _show(page, client_id, 422, name=name, error=error.fields[0].message)
    before = get_row(page.session, Client, client_id, "client")
    own = before.said_name or before.name
    reported = f" The client reports the name {own}." if own != renamed else ""
    return see_other(flashes, f"/clients/{client_id}", Flash(f"The client was renamed to {renamed}.{reported}"))
