"""``flwr login``: a login that a person approves on a page of the dashboard, and then its token."""

from fastapi import Request
from fastapi.responses import Response

from federation.apps.cli_messages import login_to_approve, read_device_code, token_of_login
from webapp.accounts.device_logins import INTERVAL_SECONDS, SECONDS
from webapp.http.origin import client_address, site_of
from webapp.operations.audit.attempts import Actor
from webapp.problems import Conflict
from webapp.routes.dependencies import NoteDep, PartsDep
from webapp.routes.flwr_cli.messages import BodyDep, answer, calls, understood

router = calls()

PAGE = "/account/flwr-login"


@router.post("/get-login-details")
def begin_login(parts: PartsDep, request: Request, note: NoteDep) -> Response:
    """Begin a login."""
    if parts.accounts.is_local:
        raise Conflict("This dashboard works without accounts: use the other commands of flwr without flwr login.")
    login, secret = parts.accounts.device_logins.begin(client_address(request))
    note.detail["code"] = login.code
    address = f"{site_of(request, parts.settings)}{PAGE}?code={login.code}"
    return answer(login_to_approve(secret, address, SECONDS, INTERVAL_SECONDS))


@router.post("/get-auth-tokens")
def give_token(parts: PartsDep, request: Request, note: NoteDep, body: BodyDep) -> Response:
    """Give a login that was approved its token, once."""
    secret = understood(read_device_code, body)
    if (taken := parts.accounts.device_logins.take(secret, client_address(request))) is None:
        return answer(token_of_login(None))
    login, token = taken
    note.is_change, note.target = True, f"flwr login from {login.address}"
    if login.person is not None:
        note.actor = Actor("user", login.person.name, login.person.id)
    note.detail |= {"code": login.code, "role": login.role.value, "days": login.days}
    return answer(token_of_login(token))
