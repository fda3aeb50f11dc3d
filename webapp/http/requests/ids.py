"""Gives each HTTP request an id: in log entries, in the header of its answer, in problem+json, on error pages."""

import secrets

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, get_contextvars

HEADER = "X-Request-ID"
BYTES = 8


class RequestIds:
    """Makes an id for each request; one that the request brings is not trusted."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on. The id stays bound after an exception: uvicorn logs it in the same task."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        made = secrets.token_hex(BYTES)
        bind_contextvars(request_id=made)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = made
            await send(message)

        await self._app(scope, receive, send_with_id)


def current_request_id() -> str | None:
    """Return the id of the request that is being answered."""
    return get_contextvars().get("request_id")
