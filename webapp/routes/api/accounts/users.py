"""/api/users: the accounts, for admins."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field, SecretStr

from webapp.accounts.passwords import MAX_LENGTH, MIN_LENGTH
from webapp.accounts.people import NAME
from webapp.accounts.roles import Role
from webapp.accounts.views import PersonView
from webapp.routes.api.bodies import StrictBody
from webapp.routes.api.errors import CONFLICT, REFUSED
from webapp.routes.dependencies import Id, NoteDep, PartsDep

router = APIRouter(prefix="/api/users", tags=["accounts"], responses=REFUSED)

Password = Annotated[SecretStr, Field(min_length=MIN_LENGTH, max_length=MAX_LENGTH, strict=False)]
ANY_CASE = NAME.replace("a-z", "A-Za-z")
AnyRole = Annotated[Role, Field(strict=False)]


class NewUser(StrictBody):
    """An account to create."""

    name: Annotated[str, Field(min_length=1, max_length=64, examples=["ada"], json_schema_extra={"pattern": ANY_CASE})]
    password: Password
    role: AnyRole = Role.VIEWER


class NewRole(StrictBody):
    """The new role of an account."""

    role: AnyRole


class NewPassword(StrictBody):
    """The new password of an account."""

    password: Password


class UserList(BaseModel):
    """All accounts, by name."""

    items: list[PersonView]


@router.get("")
def list_users(parts: PartsDep) -> UserList:
    """Return all accounts."""
    return UserList(items=parts.accounts.people.list())


@router.post("", status_code=201, responses=CONFLICT)
def create_user(parts: PartsDep, note: NoteDep, body: NewUser) -> PersonView:
    """Create an account. The first one must be an admin; with it the local mode ends."""
    note.target, note.detail["role"] = f"user {body.name}", body.role.value
    return parts.accounts.people.add(body.name, body.password.get_secret_value(), body.role)


@router.get("/{user_id}", responses=CONFLICT)
def show_user(parts: PartsDep, user_id: Id) -> PersonView:
    """Return one account."""
    return parts.accounts.people.show(user_id)


@router.delete("/{user_id}", status_code=204, responses=CONFLICT)
def remove_user(parts: PartsDep, user_id: Id) -> None:
    """Remove an account with its sessions and tokens."""
    parts.accounts.people.remove(user_id)


@router.post("/{user_id}/role", responses=CONFLICT)
def set_role(parts: PartsDep, note: NoteDep, user_id: Id, body: NewRole) -> PersonView:
    """Give an account another role. It counts from the next request on."""
    note.detail["role"] = body.role.value
    return parts.accounts.people.set_role(user_id, body.role)


@router.post("/{user_id}/password", responses=CONFLICT)
def set_password(parts: PartsDep, user_id: Id, body: NewPassword) -> PersonView:
    """Give an account another password. All its sessions end."""
    return parts.accounts.people.set_password(user_id, body.password.get_secret_value())


@router.post("/{user_id}/disable", responses=CONFLICT)
def disable_user(parts: PartsDep, user_id: Id) -> PersonView:
    """Disable an account: its sessions end, its tokens are refused."""
    return parts.accounts.people.disable(user_id)


@router.post("/{user_id}/enable", responses=CONFLICT)
def enable_user(parts: PartsDep, user_id: Id) -> PersonView:
    """Enable a disabled account."""
    return parts.accounts.people.enable(user_id)
