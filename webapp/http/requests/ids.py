"""Gives each HTTP request an id: in log entries, in the header of its answer, in problem+json, on error pages."""

import secrets

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, get_contextvars

from webapp.http.middleware import HttpMiddleware, before_answer

HEADER = "X-Request-ID"
BYTES = 8


class RequestIds(HttpMiddleware):
    """Makes an id for each request; one that the request brings is not trusted."""

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on. The id stays bound after an exception: uvicorn logs it in the same task."""
        made = secrets.token_hex(BYTES)
        bind_contextvars(request_id=made)

        def add_id(head: Message) -> None:
            MutableHeaders(scope=head)[HEADER] = made

        await self.app(scope, receive, before_answer(send, add_id))


def current_request_id() -> str | None:
    """Return the id of the request that is being answered."""
    return get_contextvars().get("request_id")
