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
_TEMPLATE = "meadow.template"


class RequestMetrics:
    """The outermost middleware. Counts a request with the head of its answer, so an event stream at its start."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count its answer."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began, template, answered = time.monotonic(), [OTHER], False

        def count(status: int) -> None:
            nonlocal answered
            answered = True
            method = scope["method"] if scope["method"] in METHODS else OTHER
            self._metrics.count_request(template[0], method, status, time.monotonic() - began)

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                count(message["status"])
            await send(message)

        try:
            await self._app({**scope, _TEMPLATE: template}, receive, send_counted)
        except Exception:
            if not answered:  # the answer to it is made outside of this middleware
                count(500)
            raise


class RouteTemplate:
    """The innermost middleware: notes the route for ``RequestMetrics``, since others in between copy the scope."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; its route is known when it is answered, or has failed."""

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                _note(scope)
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except Exception:
            _note(scope)
            raise


def _note(scope: Scope) -> None:
    if (template := scope.get(_TEMPLATE)) is not None:
        path = getattr(scope.get("route"), "path", OTHER)
        template[0] = STATIC if isinstance(scope.get("endpoint"), StaticFiles) else path
