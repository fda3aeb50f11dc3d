"""/api/join-codes: make, list and revoke the codes by which clients join."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from federation.protocol.join_code import MAX_PARTITIONS
from federation.run.networks import Dataset
from webapp.db.tables import JoinCode
from webapp.operations.clients import MAX_NAME
from webapp.operations.connections.join_codes import JoinCodeState, checked_settings
from webapp.pages.join_command import Join
from webapp.routes.api.bodies import StrictBody
from webapp.routes.api.errors import CONFLICT, REFUSED
from webapp.routes.dependencies import ByDep, Id, PartsDep

router = APIRouter(prefix="/api/join-codes", tags=["clients"], responses=REFUSED)


class NewJoinCode(StrictBody):
    """Settings that the code gives the client; the client's own options, or defaults, stand for missing ones."""

    name: Annotated[str, Field(max_length=MAX_NAME, examples=["site-a"])] | None = None
    dataset: Dataset | None = None
    partition: Annotated[int, Field(ge=0, lt=MAX_PARTITIONS, description="Together with partitions.")] | None = None
    partitions: Annotated[int, Field(ge=1, le=MAX_PARTITIONS)] | None = None
    server: Annotated[str, Field(max_length=300, description="HOST:PORT; default: as this request reached it.")] = ""


class JoinCodeView(BaseModel):
    """A join code without its secret."""

    id: int = Field(examples=[1])
    state: JoinCodeState
    created_at: datetime
    created_by: str
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None
    client_id: int | None = Field(description="The client that used it.")
    name: str | None
    dataset: str | None
    partition: int | None
    partitions: int | None


class CreatedJoinCode(JoinCodeView):
    """A new join code. It is shown only here."""

    code: str
    command: str = Field(examples=["python -m federation.client --join mj1_…"])


class JoinCodeList(BaseModel):
    """The newest 200 join codes, newest first."""

    items: list[JoinCodeView]


@router.get("")
def list_join_codes(parts: PartsDep) -> JoinCodeList:
    """Return the newest join codes with their states."""
    return JoinCodeList(items=[JoinCodeView(**_values(code, state)) for code, state in parts.join_codes.list()])


@router.post("", status_code=201, responses=CONFLICT)
def create_join_code(parts: PartsDep, by: ByDep, request: Request, body: NewJoinCode) -> CreatedJoinCode:
    """Make a code that admits one client within an hour."""
    join = Join(*parts.flower_address, here=request.url.hostname or "127.0.0.1", tls=parts.tls)
    settings = checked_settings(body.name, body.dataset, body.partition, body.partitions)
    server = join.checked_server(body.server)
    row, secret = parts.join_codes.create(by, settings)
    code = join.code_for(secret, settings, server)
    return CreatedJoinCode(**_values(row, JoinCodeState.OPEN), code=code, command=join.command_with(code))


@router.post("/{code_id}/revoke", responses=CONFLICT)
def revoke_join_code(parts: PartsDep, code_id: Id) -> JoinCodeView:
    """Revoke a code that has not been used."""
    return JoinCodeView(**_values(*parts.join_codes.revoke(code_id)))


def _values(code: JoinCode, state: JoinCodeState) -> dict[str, object]:
    return {name: getattr(code, name) for name in JoinCodeView.model_fields if name != "state"} | {"state": state}
