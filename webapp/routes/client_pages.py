"""Pages of clients: the list, the command that joins one; and what their buttons post."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from webapp.dependencies import ClientsDep, Id
from webapp.pages.lists import clients_page
from webapp.routes.page import PageDep

router = APIRouter(prefix="/clients", include_in_schema=False)

SEE_OTHER = 303


@router.get("")
def list_them(page: PageDep) -> HTMLResponse:
    """Show every client, and how another one joins."""
    return page.show("clients/index.html", "/clients", page=clients_page(page.session, page.live))


@router.post("/{client_id}/approve")
def approve(clients: ClientsDep, client_id: Id) -> Response:
    """Let a pending or revoked client take part."""
    clients.approve(client_id)
    return RedirectResponse("/clients", SEE_OTHER)


@router.post("/{client_id}/revoke")
def revoke(clients: ClientsDep, client_id: Id) -> Response:
    """Shut a client out."""
    clients.revoke(client_id)
    return RedirectResponse("/clients", SEE_OTHER)
