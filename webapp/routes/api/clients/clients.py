"""/api/clients: list, show, approve, revoke, rename, exclude from all runs, include."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from federation.protocol.keys import MAX_CHARACTERS
from webapp.operations.clients import MAX_NAME
from webapp.operations.views import ClientList, ClientView, FailureView
from webapp.routes.api.bodies import StrictBody
from webapp.routes.api.errors import CONFLICT, MISSING, REFUSED
from webapp.routes.dependencies import Id, NoteDep, PartsDep, noted

router = APIRouter(prefix="/api/clients", tags=["clients"], responses=REFUSED)


class NewName(StrictBody):
    """The new name of the client."""

    name: Annotated[
        str, Field(max_length=MAX_NAME, examples=["st-anna"], description="Empty: the name that the client reports.")
    ]


class NewKey(StrictBody):
    """The public key of a client, and the name that the dashboard gives it."""

    public_key: Annotated[
        str, Field(max_length=MAX_CHARACTERS, description="PEM, or a line of OpenSSH.", examples=["ecdsa-sha2-…"])
    ]
    name: Annotated[str, Field(max_length=MAX_NAME, examples=["st-anna"])] = ""


@router.post("", status_code=201, responses=CONFLICT)
def add_client(parts: PartsDep, note: NoteDep, body: NewKey) -> ClientView:
    """Admit the client with a public key before it connects: for SuperNodes, which know no join codes."""
    return noted(parts.clients.add_key(body.public_key, body.name), note)


@router.get("")
def list_clients(parts: PartsDep) -> ClientList:
    """Return every client, connected or not."""
    return ClientList(items=parts.clients.list())


@router.get("/{client_id}", responses=MISSING)
def show_client(parts: PartsDep, client_id: Id) -> ClientView:
    """Return one client."""
    return parts.clients.show(client_id)


@router.get("/{client_id}/last-failure", responses=MISSING)
def show_last_failure(parts: PartsDep, client_id: Id) -> FailureView:
    """Return the last failed task of a client: the app's own frames, and the log if the client shares it."""
    return parts.clients.last_failure(client_id)


@router.post("/{client_id}/approve", responses=MISSING)
def approve_client(parts: PartsDep, note: NoteDep, client_id: Id) -> ClientView:
    """Admit a pending client, or restore the access of a revoked one."""
    return noted(parts.clients.approve(client_id), note)


@router.post("/{client_id}/revoke", responses=MISSING)
def revoke_client(parts: PartsDep, note: NoteDep, client_id: Id) -> ClientView:
    """Revoke the access of a client and close its connection."""
    return noted(parts.clients.revoke(client_id), note)


@router.post("/{client_id}/rename", responses=MISSING)
def rename_client(parts: PartsDep, note: NoteDep, client_id: Id, body: NewName) -> ClientView:
    """Set the name of a client; it overrides the name that the client reports."""
    note.detail["name"] = body.name
    return parts.clients.rename(client_id, body.name)


@router.post("/{client_id}/leave-out", responses=MISSING)
def leave_client_out(parts: PartsDep, client_id: Id) -> ClientView:
    """Exclude a client from all runs, from the next round on."""
    return parts.clients.exclude(client_id)


@router.post("/{client_id}/let-in", responses=MISSING)
def let_client_in(parts: PartsDep, client_id: Id) -> ClientView:
    """Include a client again that was excluded from all runs."""
    return parts.clients.include(client_id)
