"""Counts each HTTP request by the template of its route, its method and the class of its status."""

import time

from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webapp.operations.metrics import Metrics

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
"""The method that is none of ``METHODS``, and the route of a request that reached none."""
STATIC = "/static"
"""The route of all static files."""


class RequestMetrics:
    """Counts a request when the head of its answer is sent, so an event stream counts at its start."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count its answer."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began = time.monotonic()

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                method = scope["method"] if scope["method"] in METHODS else OTHER
                self._metrics.count_request(_template(scope), method, message["status"], time.monotonic() - began)
            await send(message)

        await self._app(scope, receive, send_counted)


def _template(scope: Scope) -> str:
    """Return the template of the route, as the router left it in the scope; a mount leaves only its app."""
    if isinstance(scope.get("endpoint"), StaticFiles):
        return STATIC
    template = getattr(scope.get("route"), "path", None)
    return template if isinstance(template, str) else OTHER
