"""One client's socket on the server: what it said, what it has, and the one task that writes to it."""

import asyncio
import contextlib
import json
import secrets
import time
from collections import deque
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from federation import wire
from federation.events import Progress
from federation.exchange import Assignment, Member
from federation.lane import Admission


class Sign:
    """When a peer was last heard of, pongs included; the protocol class sets it at every byte."""

    __slots__ = ("at",)

    def __init__(self) -> None:
        self.at = time.monotonic()


class Connection:
    """A socket from its accept to its close. Frames go out through ``say`` and ``give``, never directly."""

    def __init__(self, websocket: WebSocket, slots: asyncio.Semaphore) -> None:
        self._websocket, self._slots = websocket, slots
        self._words: deque[str] = deque()
        self._tasks: deque[Assignment] = deque()
        self._wake = asyncio.Event()
        self._ending: wire.Bye | None = None
        self._has: str | None = None
        self._sending: Assignment | None = None
        self.sign: Sign = websocket.scope.get("extensions", {}).get("meadow.sign") or Sign()
        self.gone = False
        self.reason = ""
        self.client_id, self.node_id, self.name = 0, 0, ""
        self.admitted = False
        self.data: dict[str, Any] = {}
        self.session = secrets.token_hex(8)
        self.granted: dict[str, Assignment] = {}
        self.task: Progress | None = None

    def enter(self, hello: wire.Hello, admission: Admission, node_id: int) -> None:
        """Take over who the client is."""
        self.client_id, self.name, self.node_id = admission.client_id, admission.name, node_id
        self.admitted, self.data = admission.state == "admitted", hello.data
        self.session = str(hello.facts.get("process", self.session))

    def member(self) -> Member:
        """Return the client as a run sees it."""
        return Member(self.client_id, self.name, self.data, self.session)

    async def receive(self) -> str | bytes:
        """Return the next frame; raises WebSocketDisconnect at the end."""
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006), message.get("reason"))
        text: str | None = message.get("text")
        return text if text is not None else bytes(message["bytes"])

    def say(self, frame: wire.Frame) -> None:
        """Queue a text frame; it overtakes contents."""
        self._words.append(wire.encode(frame))
        self._wake.set()

    def give(self, assignment: Assignment) -> None:
        """Queue a task with its content."""
        self._tasks.append(assignment)
        self._wake.set()

    def drop(self, assignment: Assignment) -> None:
        """Send no more of a task that is over."""
        self.granted.pop(assignment.content_id, None)
        if assignment in self._tasks:
            self._tasks.remove(assignment)
        if self._sending is assignment:
            self._sending = None

    def end(self, code: wire.Close, reason: str) -> None:
        """Say bye and close, once what is under way has gone out."""
        self.reason = self.reason or reason
        self._ending = self._ending or wire.Bye(code=int(code), reason=reason)
        self._wake.set()

    def close(self) -> None:
        """Stop writing: the socket is closed or about to be."""
        self.gone = self.gone or self._ending is None
        self._wake.set()

    async def write(self) -> None:
        """Write what is queued until the end. Raises nothing: a socket that breaks ends the reader, too."""
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):
            while not self.gone:
                await self._wake.wait()
                self._wake.clear()
                while not self.gone and (self._words or self._tasks or self._ending):
                    await self._write_next()

    async def _write_next(self) -> None:
        if self._words:
            await self._websocket.send_text(self._words.popleft())
        elif self._ending is not None:
            await self._say_bye(self._ending)
        else:
            await self._write_task(self._tasks.popleft())

    async def _say_bye(self, bye: wire.Bye) -> None:
        self.gone = True
        if self._websocket.application_state is WebSocketState.CONNECTED:
            await self._websocket.send_text(wire.encode(bye))
            await self._websocket.close(bye.code, bye.reason.encode()[:120].decode(errors="ignore"))

    async def _write_task(self, assignment: Assignment) -> None:
        """Send a task, then its content, where this connection has not had it. The frames are shared by all clients."""
        exchange, content = assignment.exchange, assignment.exchange.content
        frame = {
            "type": "task", "message_id": assignment.message_id, "run_id": exchange.run_id, "round": exchange.round,
            "phase": exchange.phase, "deadline_seconds": exchange.deadline_seconds, "config": assignment.config,
            "content": content.header_json if content is not None else None,
        }  # fmt: skip
        self._sending = assignment
        await self._websocket.send_text(json.dumps(frame, separators=(",", ":")))
        if content is None or content.id == self._has:
            return
        self._has = None
        for piece in content.frames:
            if self.gone or self._ending is not None:
                return
            if self._sending is None:
                return  # cancelled in between; the client drops what it got of it
            while self._words:
                await self._websocket.send_text(self._words.popleft())
            async with self._slots:
                await self._websocket.send_bytes(piece)
            assignment.bytes_down += len(piece) - wire.HEADER_BYTES
        self._has = content.id
