"""/api/me: who the caller is."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from webapp.accounts.principal import Kind
from webapp.accounts.roles import Role
from webapp.routes.access import PrincipalDep
from webapp.routes.api.errors import REFUSED

router = APIRouter(prefix="/api", tags=["accounts"], responses=REFUSED)


class Me(BaseModel):
    """Who the caller is, and which role counts."""

    kind: Kind = Field(description="local: no accounts; user: a person in a browser; token: an API token.")
    name: str = Field(examples=["ada"])
    role: Role


@router.get("/me")
def show_me(principal: PrincipalDep) -> Me:
    """Return who the caller is."""
    return Me(kind=principal.kind, name=principal.name, role=principal.role)
