"""The peer behind a reverse proxy: the address and the scheme that a trusted proxy names, and a bound for each peer."""

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from federation.protocol.addresses import is_ip_address, is_within
from federation.protocol.connection_limit import ConnectionBounds, ConnectionLimit

REFUSED = b"Too many requests from this address are open. Please try again later.\n"


class TrustedProxies:
    """Takes X-Forwarded-For and X-Forwarded-Proto from proxies of some networks; from other peers they mean nothing.

    All connections of a proxy come from one address, and the port bounds them in all only. Here the requests and
    WebSockets of each peer behind a proxy are bounded as connections of an address are elsewhere.
    """

    def __init__(self, app: ASGIApp, bounds: ConnectionBounds, port: str) -> None:
        self._app, self._proxies = app, bounds.proxies
        self._limit = ConnectionLimit(ConnectionBounds(bounds.total, bounds.per_address), f"{port}, behind a proxy,")
        self._with_headers = ProxyHeadersMiddleware(self._serve, [str(network) for network in bounds.proxies])  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with the peer that the proxy names."""
        peer = scope.get("client")
        if peer is None or not is_within(peer[0], self._proxies):
            return await self._app(scope, receive, send)
        scope["client"] = scope["proxy"] = (peer[0].removeprefix("::ffff:"), peer[1])
        await self._with_headers(scope, receive, send)  # type: ignore[arg-type]

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = scope["client"][0]
        if not is_ip_address(host):  # what a proxy passes on of its own peer, or "unknown"
            host, scope["client"] = scope["proxy"][0], scope["proxy"]
        leave = self._limit.enter(host)
        if leave is None:
            return await _refuse(scope, send)
        try:
            await self._app(scope, receive, send)
        finally:
            leave()


async def _refuse(scope: Scope, send: Send) -> None:
    if scope["type"] == "websocket":
        return await send({"type": "websocket.close", "code": 1013})
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(REFUSED)).encode()),
               (b"x-content-type-options", b"nosniff")]  # fmt: skip
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": REFUSED})
