"""/api/tokens: the caller's own API tokens."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from webapp.accounts.roles import Role
from webapp.accounts.tokens import DEFAULT_DAYS, MAX_DAYS, MAX_NAME
from webapp.accounts.views import TokenView
from webapp.routes.access import PrincipalDep
from webapp.routes.api.bodies import StrictBody
from webapp.routes.api.errors import CONFLICT, MISSING, REFUSED
from webapp.routes.dependencies import Id, PartsDep

router = APIRouter(prefix="/api/tokens", tags=["accounts"], responses=REFUSED)


class NewToken(StrictBody):
    """A token to make."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME, examples=["nightly runs"])]
    role: Annotated[Role, Field(strict=False, description="Not above the caller's.")] = Role.VIEWER
    days: Annotated[int, Field(ge=1, le=MAX_DAYS, description="Days until the token expires.")] = DEFAULT_DAYS


class MadeToken(TokenView):
    """A new token with its text, which is not shown again."""

    token: str = Field(description="Send it as Authorization: Bearer TOKEN.")


class TokenList(BaseModel):
    """The caller's tokens, newest first."""

    items: list[TokenView]


@router.get("")
def list_tokens(parts: PartsDep, principal: PrincipalDep) -> TokenList:
    """Return the caller's API tokens, without their texts."""
    return TokenList(items=parts.accounts.tokens.list_of(principal.id))


@router.post("", status_code=201, responses=CONFLICT)
def create_token(parts: PartsDep, principal: PrincipalDep, body: NewToken) -> MadeToken:
    """Make an API token for the caller. Its text is in this answer only."""
    view, text = parts.accounts.tokens.add(principal, body.name, body.role, body.days)
    return MadeToken(token=text, **view.model_dump())


@router.delete("/{token_id}", status_code=204, responses=MISSING)
def revoke_token(parts: PartsDep, principal: PrincipalDep, token_id: Id) -> None:
    """Revoke one of the caller's API tokens."""
    parts.accounts.tokens.revoke(principal.id, token_id)
