"""/api/clients: list, show, approve, revoke."""

from fastapi import APIRouter

from webapp.dependencies import ClientsDep, Id
from webapp.routes.api_errors import MISSING, REFUSED
from webapp.views import ClientList, ClientView

router = APIRouter(prefix="/api/clients", tags=["clients"], responses=REFUSED)


@router.get("")
def list_clients(clients: ClientsDep) -> ClientList:
    """Return every client, connected or not."""
    return ClientList(items=clients.list())


@router.get("/{client_id}", responses=MISSING)
def show_client(clients: ClientsDep, client_id: Id) -> ClientView:
    """Return one client."""
    return clients.show(client_id)


@router.post("/{client_id}/approve", responses=MISSING)
def approve_client(clients: ClientsDep, client_id: Id) -> ClientView:
    """Let a pending or revoked client take part."""
    return clients.approve(client_id)


@router.post("/{client_id}/revoke", responses=MISSING)
def revoke_client(clients: ClientsDep, client_id: Id) -> ClientView:
    """Shut a client out and end its connection."""
    return clients.revoke(client_id)
