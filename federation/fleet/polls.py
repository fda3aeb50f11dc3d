"""The Fleet API's requests for messages, held until there is one; and what a SuperNode may push.

Everything here runs on the Flower server's event loop. Flower's own application answers each request.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from federation.fleet.node_connection import NodeConnection
from federation.fleet.nodes import FleetNodes
from federation.run.events import StoreUnavailable

ACTIVATE = "/v1/fleet/activate-node"
FOR_ALL = frozenset(f"/v1/fleet/{name}" for name in (
    "register-node", "activate-node", "deactivate-node", "unregister-node", "send-node-heartbeat", "pull-messages",
))  # fmt: skip
"""Requests of SuperNodes that nobody has admitted yet. The others are about runs, their code and their weights."""
PULL, PUSHES = "/v1/fleet/pull-messages", ("/v1/fleet/push-messages", "/v1/fleet/push-object")

SPARE_BYTES = 1024 * 1024
"""A reply may have so many bytes besides its weights."""


class NodePolls:
    """ASGI application in front of Flower's.

    ``key_of`` returns the public key (PEM) that signed a request, by its headers. ``register`` makes a key known to
    Flower, in a worker thread, so that a process may begin with it; raises StoreUnavailable. ``wait_for_app`` returns
    when a message of an app with its own loop waits for a node, or after a while.
    """

    def __init__(self, fleet: ASGIApp, key_of: Callable[[Mapping[bytes, bytes]], str], nodes: FleetNodes,
                 register: Callable[[str], object], max_reply_bytes: int,
                 wait_for_app: Callable[[int], Awaitable[None]] | None = None) -> None:  # fmt: skip
        self._wait_for_app = wait_for_app
        self._fleet, self._key_of, self._nodes, self._register = fleet, key_of, nodes, register
        self._most = max_reply_bytes + SPARE_BYTES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, whose signature has been checked."""
        node = self._nodes.connection_of(key := self._key_of(dict(scope["headers"])))
        if scope["path"] not in FOR_ALL and (node is None or not node.admitted):
            # A SuperNode takes a 403 for the end of the run: it drops the message and polls on.
            sentence = "Only a SuperNode that is admitted and online takes part in runs."
            await JSONResponse({"detail": sentence}, 403)(scope, receive, send)
        elif scope["path"] == ACTIVATE and key:
            await self._activate(key, node, scope, receive, send)
        elif scope["path"] == PULL:
            await self._pull(key, scope, receive, send)
        elif scope["path"] in PUSHES and node is not None:
            await self._push(node, scope, receive, send)
        else:
            await self._fleet(scope, receive, send)

    async def _activate(
        self, key: str, node: NodeConnection | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Let a SuperNode begin. Admission comes later.

        Flower wants a key registered that is the node's own, and offline where another process had it: one that was
        killed counts as online for a minute. One that polls now is alive, and Flower refuses the second one.
        """
        alive = node is not None and node.mailbox.is_polled
        if not alive:
            with suppress(StoreUnavailable):  # Flower's own answer says that it cannot begin
                await asyncio.to_thread(self._register, key)
        await self._fleet(scope, receive, send)
        if not alive:
            self._nodes.note_start(key)

    async def _pull(self, key: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold the request until a message waits. One whose peer has left must not reach Flower: it takes messages."""
        body = await body_of(receive)
        async with _first_of(receive(), self._wait_for_mail(key)) as (gone, mail):
            if gone.done():
                return
            if (node := mail.result()) is None:
                refusal = JSONResponse({"detail": "This SuperNode is not listed: it gets no messages."}, 403)
                await refusal(scope, receive, send)
                return
            node.mailbox.take_mail()
            await self._fleet(scope, replay(body, lambda: asyncio.shield(gone)), send)

    async def _wait_for_mail(self, key: str) -> NodeConnection | None:
        """Return the SuperNode when a message waits for it, or the hold is over; None where it is not listed."""
        if (node := await self._nodes.wait_for(key)) is not None:
            of_app = [self._wait_for_app(node.node_id)] if self._wait_for_app is not None else []
            async with _first_of(node.mailbox.wait_for_mail(), *of_app):
                return node
        return node

    async def _push(self, node: NodeConnection, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a part of a reply, unless the reply is too large: Flower keeps all parts in memory."""
        length = int(dict(scope["headers"])[b"content-length"])
        if node.mailbox.count_pushed(length) > self._most:
            sentence = f"a reply has at most {self._most:,} bytes"
            node.mailbox.refuse_reply(f"its reply was not stored: {sentence}")
            await JSONResponse({"detail": f"{sentence.capitalize()}."}, 413)(scope, receive, send)
            return
        await self._fleet(scope, receive, send)
        node.mailbox.changed.set()


@asynccontextmanager
async def _first_of(*waits: Awaitable[Any]) -> "AsyncIterator[list[asyncio.Future[Any]]]":
    """Give the futures as soon as one of them is done; all are over when the block ends."""
    futures: list[asyncio.Future[Any]] = [asyncio.ensure_future(one) for one in waits]
    try:
        await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        yield futures
    finally:
        for one in futures:
            one.cancel()
        await asyncio.gather(*futures, return_exceptions=True)


async def body_of(receive: Receive) -> list[Message]:
    """Return the messages of a request's body, whose length is bounded before it comes here."""
    body = [await receive()]
    while body[-1]["type"] == "http.request" and body[-1].get("more_body", False):
        body.append(await receive())
    return body


def replay(body: list[Message], rest: Receive) -> Receive:
    """Return a ``receive`` that gives the messages that were read, and then what ``rest`` gives."""
    left = deque(body)

    async def receive() -> Message:
        return left.popleft() if left else await rest()

    return receive
