"""What the handlers of the flwr command share: whether they are on, the message in a body, and the answer."""

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from federation.apps.cli_messages import MEDIA_TYPE, NotUnderstood
from webapp.problems import NotFound, Problem
from webapp.routes.dependencies import PartsDep

PREFIX = "/v1/control"
OFF = "This dashboard does not answer the flwr command: start the dashboard with --apps --flwr-cli."
NOT_ANSWERED = "Meadow answers flwr login, run, ls, log and stop. For everything else use the dashboard."
T = TypeVar("T")


async def require_on(parts: PartsDep) -> None:
    """Refuse a call where the command is not answered, before its body is read."""
    if not parts.settings.flwr_cli:
        raise NotFound(OFF)


async def get_body(request: Request) -> bytes:
    """Return the whole body, whose size the middleware bounds."""
    return await request.body()


BodyDep = Annotated[bytes, Depends(get_body)]


def calls() -> APIRouter:
    """Return a router for calls of the command."""
    return APIRouter(prefix=PREFIX, include_in_schema=False, dependencies=[Depends(require_on)])


def understood(read: Callable[[bytes], T], body: bytes) -> T:
    """Return the message in a body; raises a Problem."""
    try:
        return read(body)
    except NotUnderstood as error:
        raise Problem(f"{error}.") from error


def answer(message: bytes) -> Response:
    """Return the answer with a message."""
    return Response(message, media_type=MEDIA_TYPE)
