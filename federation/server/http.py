"""The Flower port as HTTP and WebSocket see it: who is let in, how long the silent may stay, how much is taken."""

import json
from collections.abc import Callable
from typing import Any

from starlette.websockets import WebSocket
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from federation.protocol.messages import PATH
from federation.server.flower import signed_headers_fit
from federation.transport.admission import Limits
from federation.transport.lane import StreamLane

Scope = dict[str, Any]


class PatientProtocol(HttpToolsProtocol):
    """HTTP with an end to its patience: a peer that has sent no whole request head in time is cut off.

    The limit stands until the first request's headers are complete, and again for a body that does not come.
    """

    limit_seconds = 5.0

    @classmethod
    def with_limit(cls, seconds: float) -> type["PatientProtocol"]:
        """Return the class with another limit."""
        return type("PatientProtocol", (cls,), {"limit_seconds": seconds})

    def connection_made(self, transport: Any) -> None:
        """Start the clock."""
        super().connection_made(transport)
        self._patience = self.loop.call_later(self.limit_seconds, transport.abort)

    def on_headers_complete(self) -> None:
        """The head is there; the body gets the same time again, an upgraded socket has no limit of ours."""
        self._patience.cancel()
        super().on_headers_complete()
        if not self.parser.should_upgrade():
            self._patience = self.loop.call_later(self.limit_seconds, self.transport.abort)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._patience.cancel()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._patience.cancel()
        super().connection_lost(exc)


class FlowerPort:
    """The ASGI app of the port. Checks who speaks before a body is read; routes; nothing else is mounted."""

    def __init__(
        self, fleet: Callable[..., Any], lane: StreamLane, lifespan: Callable[..., Any], limits: Limits
    ) -> None:
        self._fleet, self._lane, self._lifespan, self._limits = fleet, lane, lifespan, limits

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Route one scope."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await self._stream(scope, receive, send)
        elif (refusal := self._refusal(scope)) is not None:
            await _answer(send, *refusal)
        else:
            await self._fleet(scope, receive, send)

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        async with self._lifespan(self):
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _stream(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["path"] != PATH:
            await send({"type": "websocket.close", "code": 4404})
            return
        await self._lane.serve(WebSocket(scope, receive, send))

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Say why a request is answered here: status and sentence."""
        if scope["path"] == "/":
            return 200, "Meadow's Flower server. Clients join here: python -m federation.client --server HOST:PORT"
        if not scope["path"].startswith("/v1/fleet/"):
            return 404, "There is nothing here but the Fleet API and the stream lane."
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        if not length.isdigit():
            return 411, "A request to the Fleet API says its length."
        if int(length) > self._limits.max_request_bytes:
            return 413, f"A request to the Fleet API has at most {self._limits.max_request_bytes} bytes."
        if not signed_headers_fit(headers):
            return 401, "A request to the Fleet API is signed with the node's key."
        return None


async def _answer(send: Any, status: int, sentence: str) -> None:
    body = json.dumps({"detail": sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()),
               (b"connection", b"close")]  # fmt: skip
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
