"""Runs of Flower Apps at the server: the port for the app's process, held requests, and which SuperNodes an app sees.

The port is on loopback and is open while an app runs. Ten paths of Flower's Runtime API are let through, for the one
token of the run.
"""

import asyncio
import hmac
import logging
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from federation.apps.archive import ApprovedApp
from federation.apps.traffic import AppTraffic, Lost
from federation.fleet.polls import body_of, replay
from federation.flwr_internals import PROTOBUF_MEDIA_TYPE
from federation.protocol.connection_limit import ConnectionBounds
from federation.protocol.serving import EmbeddedServer
from federation.server.flower import Nodes
from federation.server.flower_apps import TOKEN_HEADER, AppRunInFlower, asked_messages, runtime_app
from federation.server.lost_messages import send_again

log = logging.getLogger(__name__)

PATHS = frozenset(f"/v1/runtime/{name}" for name in (
    "send-task-heartbeat", "pull-task-input", "push-task-output", "push-object", "pull-object",
    "confirm-message-received", "push-logs", "push-messages", "pull-messages", "get-nodes",
))  # fmt: skip
PULL, LOGS = "/v1/runtime/pull-messages", "/v1/runtime/push-logs"
CONNECTIONS, END_SECONDS = 64, 10.0
HOLD_SECONDS, OTHERS_SECONDS = 20.0, 3.0
"""So long a request for answers is held for the first (Flower's client waits 30 s), and then for the others.

An app that takes answers as they come is not kept from them.
"""


class AppHost:
    """Starts runs of apps, one at a time. Any thread may call it.

    ``supernodes`` returns the node ids of the SuperNodes that are admitted and online, with their clients' ids.
    """

    def __init__(self, nodes: Nodes, supernodes: Callable[[], dict[int, int]], max_request_bytes: int) -> None:
        self._nodes, self.supernodes, self._max_request_bytes = nodes, supernodes, max_request_bytes
        self._sending: set[asyncio.Future[None]] = set()

    def begin(self, app: ApprovedApp, settings: Mapping[str, Any], visible: Callable[[], set[int]]) -> "HostedRun":
        """Begin a run whose app sees the nodes that ``visible`` returns."""
        self._nodes.state.visible = visible
        return HostedRun(self._nodes, app, settings, self._max_request_bytes)

    async def wait_for_mail(self, node_id: int) -> None:
        """Return when a message of an app waits for a SuperNode, which polls for one, or after ``HOLD_SECONDS``."""
        state = self._nodes.state
        if (now := state.traffic) is not None and (lost := now.lose(node_id)):
            log.warning("SuperNode %d polls again without an answer to a message of the app", node_id)
            sending = asyncio.ensure_future(asyncio.to_thread(self._send_again, now, lost))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)
            await asyncio.shield(sending)  # the poll may be answered, or its peer leave, meanwhile

        def has_mail() -> bool:
            return (traffic := state.traffic) is not None and traffic.has_mail(node_id)

        await state.signal.wait_until(has_mail, HOLD_SECONDS)

    def _send_again(self, traffic: AppTraffic, lost: Sequence[Lost]) -> None:
        for one in lost:
            try:
                send_again(self._nodes.state, traffic, one)
            except Exception:  # of Flower's database, which may be locked or without space
                log.exception("a message of an app could not be sent again; the SuperNode's next poll tries anew")
                traffic.keep_taken(one.message_id)


class HostedRun(AppRunInFlower):
    """A run of an app: its messages, its token, and the port for its process, until ``finish``."""

    def __init__(self, nodes: Nodes, app: ApprovedApp, settings: Mapping[str, Any], max_request_bytes: int) -> None:
        super().__init__(nodes.state, app, settings)
        try:
            self._socket = socket.create_server(("127.0.0.1", 0))
            self._server = EmbeddedServer(
                RuntimePort(runtime_app(nodes.factory), self.traffic, self.token, max_request_bytes), "port for apps",
                ConnectionBounds(CONNECTIONS, CONNECTIONS), lambda: None, lifespan="off", ws="none",
            )  # fmt: skip
            self._thread = threading.Thread(target=self._serve, name="app-runtime", daemon=True)
            self._thread.start()
        except BaseException:
            super().finish("the port for the app could not be opened")
            raise

    def _serve(self) -> None:
        try:
            self._server.run([self._socket])
        except Exception:
            log.exception("the port for an app ended by an error")

    @property
    def address(self) -> str:
        """Where the app's process reaches the server."""
        host, port = self._socket.getsockname()[:2]
        return f"{host}:{port}"

    def finish(self, reason: str) -> None:
        """End the run: no call of the app is answered any more. The port closes with ``close``."""
        super().finish(reason)
        self._server.should_exit = True

    def close(self) -> None:
        """Close the port."""
        self._server.should_exit = True
        self._thread.join(END_SECONDS)
        self._socket.close()


class RuntimePort:
    """ASGI application in front of Flower's Runtime API: few paths, one token, bounded bodies, held requests."""

    def __init__(self, runtime: ASGIApp, traffic: AppTraffic, token: str, max_request_bytes: int) -> None:
        self._runtime, self._traffic, self._token, self._most = runtime, traffic, token.encode(), max_request_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = dict(scope["headers"]) if scope["type"] == "http" else {}
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in PATHS:
            await _answer(404)(scope, receive, send)
        elif not hmac.compare_digest(headers.get(TOKEN_HEADER, b""), self._token):
            await _answer(401)(scope, receive, send)
        elif not (length := headers.get(b"content-length", b"")).isdigit() or int(length) > self._most:
            await _answer(413)(scope, receive, send)
        elif scope["path"] == LOGS:
            await _answer(200)(scope, receive, send)  # the dashboard keeps what the process prints, within bounds
        elif scope["path"] == PULL:
            await self._pull(scope, receive, send)
        else:
            await self._runtime(scope, receive, send)

    async def _pull(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold a request for answers until all are there: Flower's client sleeps 3 s after one that is not whole."""
        body = await body_of(receive)
        try:
            wanted = asked_messages(b"".join(one.get("body", b"") for one in body))
        except ValueError:
            await _answer(400)(scope, receive, send)
            return
        await self._traffic.signal.wait_until(lambda: self._traffic.has_an_answer(wanted), HOLD_SECONDS)
        await self._traffic.signal.wait_until(lambda: self._traffic.has_answers(wanted), OTHERS_SECONDS)
        await self._runtime(scope, replay(body, receive), send)


def _answer(status: int) -> Response:
    """Return an answer of Flower's form without content."""
    return Response(status_code=status, media_type=PROTOBUF_MEDIA_TYPE)
