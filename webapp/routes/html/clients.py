"""Pages of clients: the list, the command that joins one, each client's own; and what their buttons post."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from webapp.db.repository.clients import get_client, list_clients
from webapp.db.tables import Client
from webapp.pages.clients.demo_offer import demo_said, offer_for
from webapp.pages.clients.index import clients_page
from webapp.pages.clients.show import client_page
from webapp.pages.flash import Said
from webapp.problems import Conflict, Invalid, NotFound
from webapp.routes.dependencies import NO_NUL, AnyId, ClientsDep
from webapp.routes.html.page import ClientId, Page, PageDep
from webapp.routes.html.run_list import FormDep

router = APIRouter(prefix="/clients", include_in_schema=False)

SEE_OTHER = 303
Word = Annotated[str, Query(max_length=40, pattern=NO_NUL)]


@router.get("")
def list_them(page: PageDep, show: Word = "", done: Word = "", of: AnyId = 0) -> HTMLResponse:
    """Show the clients, all or some, and how another one joins."""
    live, known = page.live, list_clients(page.session)
    return page.show(
        "clients/index.html", "/clients", page=clients_page(page.session, live, show),
        said=demo_said(page.parts.demo, known, live) if done == "demo" else _said(page, done, of),
        offer=offer_for(page.parts.demo, known, live),
    )  # fmt: skip


@router.get("/{client_id}")
def show(page: PageDep, client_id: ClientId, done: Word = "") -> HTMLResponse:
    """Show one client with its history."""
    return _show(page, client_id, done=done)


def _show(
    page: Page, client_id: int, status: int = 200, *, done: str = "", name: str = "", error: str = ""
) -> HTMLResponse:
    client = _get(page, client_id)
    return page.show(
        "clients/show.html", "/clients", status, page=client_page(page.session, client, page.live),
        said=_said(page, done, client_id), typed=name or client.name, error=error,
    )  # fmt: skip


def _get(page: Page, client_id: int) -> Client:
    client = get_client(page.session, client_id)
    if client is None:
        raise NotFound(f"There is no client {client_id}.")
    return client


def _said(page: Page, done: str, client_id: int) -> Said | None:
    """Say what was done only while it is still so."""
    client = get_client(page.session, client_id) if done and client_id else None
    if client is None:
        return None
    here = f"/clients/{client_id}"
    if done == "left-out" and client.left_out:
        return Said(f"{client.name} is left out of all runs, from the next round on.", f"{here}/let-in")
    if done == "let-in" and not client.left_out:
        return Said(f"{client.name} is asked again.", f"{here}/leave-out")
    if done == "renamed":
        own = f" It calls itself {client.said_name}." if client.said_name else ""
        return Said(f"It is called {client.name} from now on.{own}")
    if done == "ended" and page.parts.demo.find(client.public_key) is None:
        return Said(f"The process of {client.name} has ended. A demo client that is started later may be it again.")
    if done == "revoked" and client.state == "revoked":
        return Said(f"{client.name} is shut out.", f"{here}/approve")
    return None


@router.post("/{client_id}/approve")
def approve(clients: ClientsDep, client_id: ClientId) -> Response:
    """Let a pending or revoked client take part."""
    clients.approve(client_id)
    return RedirectResponse("/clients", SEE_OTHER)


@router.get("/{client_id}/revoke")
def ask_to_revoke(page: PageDep, client_id: ClientId) -> HTMLResponse:
    """Ask whether a client is to be shut out."""
    return page.show("clients/revoke.html", "/clients", client=_get(page, client_id))


@router.post("/{client_id}/revoke")
def revoke(clients: ClientsDep, client_id: ClientId) -> Response:
    """Shut a client out."""
    clients.revoke(client_id)
    return RedirectResponse(f"/clients?done=revoked&of={client_id}", SEE_OTHER)


@router.post("/{client_id}/leave-out")
def leave_out(clients: ClientsDep, client_id: ClientId) -> Response:
    """Leave a client out of all runs; the list says so, with a way back."""
    clients.leave_out(client_id)
    return RedirectResponse(f"/clients?done=left-out&of={client_id}", SEE_OTHER)


@router.post("/{client_id}/let-in")
def let_in(clients: ClientsDep, client_id: ClientId) -> Response:
    """Ask a client again."""
    clients.let_in(client_id)
    return RedirectResponse(f"/clients?done=let-in&of={client_id}", SEE_OTHER)


@router.post("/{client_id}/end")
def end_demo(page: PageDep, client_id: ClientId) -> Response:
    """End the process of a demo client."""
    client = _get(page, client_id)
    running = page.parts.demo.find(client.public_key)
    if running is None:
        raise Conflict(f"{client.name} is no demo client whose process runs here: it can be shut out instead.")
    page.parts.demo.end(running.number)
    return RedirectResponse(f"/clients?done=ended&of={client_id}", SEE_OTHER)


@router.post("/{client_id}/rename")
def rename(page: PageDep, clients: ClientsDep, client_id: ClientId, form: FormDep) -> Response:
    """Give a client another name; or show its page again with what is wrong."""
    value = form.get("name")
    name = value if isinstance(value, str) else ""
    try:
        clients.rename(client_id, name)
    except Invalid as error:
        return _show(page, client_id, 422, name=name, error=error.fields[0].message)
    return RedirectResponse(f"/clients/{client_id}?done=renamed", SEE_OTHER)
