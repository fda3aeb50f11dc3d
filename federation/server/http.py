"""HTTP on the Flower port: routes, and which requests are refused before their body is read.

Everything here runs on the Flower server's event loop. What a peer may send is bounded in ``protocol.guarded_http``.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from federation.protocol.messages import PATH
from federation.protocol.tls.certificates import ServerTls
from federation.protocol.tls.fingerprints import CA_PATH
from federation.server.flower import has_valid_signature
from federation.transport.admission import Limits
from federation.transport.lane import StreamLane

Lifespan = Callable[[], AbstractAsyncContextManager[None]]


class FlowerApp:
    """The ASGI application on the Flower port: the stream lane, the Fleet API, and nothing else.

    ``lifespan`` is entered when the server has started and left when it stops.
    """

    def __init__(
        self, fleet: ASGIApp, lane: StreamLane, lifespan: Lifespan, limits: Limits, tls: ServerTls | None
    ) -> None:
        self._fleet, self._lane, self._lifespan, self._limits, self._tls = fleet, lane, lifespan, limits, tls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await self._serve_websocket(scope, receive, send)
        elif scope["path"] == CA_PATH and self._tls is not None and (pem := self._tls.authority_pem) is not None:
            await Response(pem, media_type="application/x-pem-file")(scope, receive, send)
        elif (refusal := self._refusal(scope)) is not None:
            status, sentence = refusal
            await JSONResponse({"detail": sentence}, status)(scope, receive, send)
        else:
            await self._fleet(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self._lifespan():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a client. A page in a browser, which names its site, is none: it may reach ports of its machine."""
        if scope["path"] != PATH or b"origin" in dict(scope["headers"]):
            await send({"type": "websocket.close"})  # before it is accepted: the peer gets 403
            return
        await self._lane.serve(WebSocket(scope, receive, send))

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return status and sentence for a request that is answered here; None for one to the Fleet API."""
        if scope["path"] == "/":
            return 200, "Meadow's Flower server. Clients join here: python -m federation.client --server HOST:PORT"
        if not scope["path"].startswith("/v1/fleet/"):
            return 404, "This port serves only the Fleet API and Meadow clients."
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        if not length.isdigit():
            return 411, "A request to the Fleet API needs a Content-Length."
        if int(length) > self._limits.max_request_bytes:
            return 413, f"A request to the Fleet API has at most {self._limits.max_request_bytes:,} bytes."
        if not has_valid_signature(headers):
            return 401, "A request to the Fleet API is signed with the node's key."
        return None
