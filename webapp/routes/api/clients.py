"""/api/clients: list, show, approve, revoke, rename, leave out of all runs, let in."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from webapp.operations.clients import MAX_NAME
from webapp.operations.views import ClientList, ClientView
from webapp.routes.api.bodies import StrictBody
from webapp.routes.api.errors import MISSING, REFUSED
from webapp.routes.dependencies import ClientsDep, Id

router = APIRouter(prefix="/api/clients", tags=["clients"], responses=REFUSED)


class NewName(StrictBody):
    """What people call the client from now on."""

    name: Annotated[str, Field(max_length=MAX_NAME, examples=["st-anna"], description="Empty: as it calls itself.")]


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


@router.post("/{client_id}/rename", responses=MISSING)
def rename_client(clients: ClientsDep, client_id: Id, body: NewName) -> ClientView:
    """Give a client a name that stays although it says another at its next connection."""
    return clients.rename(client_id, body.name)


@router.post("/{client_id}/leave-out", responses=MISSING)
def leave_client_out(clients: ClientsDep, client_id: Id) -> ClientView:
    """Leave a client out of every run, from the next round of the active one on."""
    return clients.exclude(client_id)


@router.post("/{client_id}/let-in", responses=MISSING)
def let_client_in(clients: ClientsDep, client_id: Id) -> ClientView:
    """Ask a client again that was left out of every run."""
    return clients.include(client_id)
