"""Counts each HTTP request by the template of its route, its method and the class of its status."""

import time

from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from webapp.http.middleware import HttpMiddleware, before_answer
from webapp.operations.metrics.counters import Metrics

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
"""The method that is none of ``METHODS``, and the route of a request that reached none."""
STATIC = "/static"
"""The route of all static files."""
_TEMPLATE = "meadow.template"


class RequestMetrics(HttpMiddleware):
    """The outermost middleware. Counts a request with the head of its answer, so an event stream at its start."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        super().__init__(app)
        self._metrics = metrics

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count its answer."""
        began, template, answered = time.monotonic(), [OTHER], False

        def count(status: int) -> None:
            nonlocal answered
            answered = True
            method = scope["method"] if scope["method"] in METHODS else OTHER
            self._metrics.count_request(template[0], method, status, time.monotonic() - began)

        try:
            counted = before_answer(send, lambda head: count(head["status"]))
            await self.app({**scope, _TEMPLATE: template}, receive, counted)
        except Exception:
            if not answered:  # the answer to it is made outside of this middleware
                count(500)
            raise


class RouteTemplate(HttpMiddleware):
    """The innermost middleware: notes the route for ``RequestMetrics``, since others in between copy the scope."""

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; its route is known when it is answered, or has failed."""
        try:
            await self.app(scope, receive, before_answer(send, lambda _: _note(scope)))
        except Exception:
            _note(scope)
            raise


def _note(scope: Scope) -> None:
    if (template := scope.get(_TEMPLATE)) is not None:
        path = getattr(scope.get("route"), "path", OTHER)
        template[0] = STATIC if isinstance(scope.get("endpoint"), StaticFiles) else path
