"""One client's socket on the server: what it said, what it has, and what goes out to it in which order."""

import asyncio
import contextlib
import json
import secrets
from collections import deque
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from federation.protocol import messages
from federation.protocol.frames import text_frame
from federation.run.events import Progress
from federation.transport.admission import Admission
from federation.transport.exchange import Assignment, Content, Member
from federation.transport.websocket import Listener, Sign, StreamProtocol

SMALL_BYTES = 64 * 1024
"""A content up to this size goes out in one write with its task; a greater one waits for room in the socket."""

MAX_SESSION_CHARACTERS = 32
"""What a client calls its process stands in message ids, which have an end."""

TURN_SECONDS = 1.0
"""A piece that has not gone out by then goes on without a turn, and so do the next ones until one is in time: however
many peers are slow or dead, they do not keep the others waiting."""

PATIENCE_SECONDS = 0.02
"""What is in no hurry goes out with the next frame, or after so long."""


class Connection:
    """A socket from its accept to its close. Frames go out through ``say`` and ``give``, never directly."""

    def __init__(self, websocket: WebSocket, slots: asyncio.Semaphore) -> None:
        self._websocket, self._slots = websocket, slots
        self._socket: StreamProtocol = websocket.scope["extensions"]["meadow.socket"]
        self._words: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: deque[Assignment] = deque()
        self._wake = asyncio.Event()
        self._ending: messages.Bye | None = None
        self._failure: messages.BadFrame | None = None
        self._has: str | None = None
        self._sending: Assignment | None = None
        self._is_slow = False
        self.gone = False
        self.reason = ""
        self.client_id, self.node_id, self.name = 0, 0, ""
        self.admitted = False
        self.data: dict[str, Any] = {}
        self.session = secrets.token_hex(8)
        self._member = Member(0, "", {}, None)
        self.granted: dict[str, Assignment] = {}
        self.task: Progress | None = None

    @property
    def sign(self) -> Sign:
        """When the client was last heard of."""
        return self._socket.sign

    def enter(self, hello: messages.Hello, admission: Admission, node_id: int) -> None:
        """Take over who the client is."""
        self.client_id, self.name, self.node_id = admission.client_id, admission.name, node_id
        self.admitted, self.data = admission.state == "admitted", hello.data
        self.session = str(hello.facts.get("process", self.session))[:MAX_SESSION_CHARACTERS]

    def member(self) -> Member:
        """Return the client as a run sees it; made anew only where something has changed."""
        known = self._member
        if known.name is not self.name or known.data is not self.data or known.session is not self.session:
            self._member = known = Member(self.client_id, self.name, self.data, self.session)
        return known

    # -- in -----------------------------------------------------------------------------------------------------------

    async def receive(self) -> str | bytes:
        """Return the next frame; raises WebSocketDisconnect at the end, and BadFrame after a listener's bad one."""
        message = await self._websocket.receive()
        if self._failure is not None:
            raise self._failure
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006), message.get("reason"))
        text: str | None = message.get("text")
        return text if text is not None else bytes(message["bytes"])

    def listen(self, listener: Listener) -> None:
        """Let ``listener`` hear the frames as they arrive; ``receive`` gives what came before, and the end."""
        self._socket.listen(listener)

    def fail(self, error: messages.BadFrame) -> None:
        """Let ``receive`` raise a listener's error."""
        self._failure = error
        self._socket.queue.put_nowait({"type": "websocket.disconnect", "code": int(error.code)})

    # -- out ----------------------------------------------------------------------------------------------------------

    def say(self, frame: messages.Frame, *, soon: bool = True) -> None:
        """Send a text frame; it overtakes contents. One that is in no hurry goes out with the next."""
        self._words.append(messages.encode(frame))
        if soon:
            self._speak()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._speak)

    def give(self, assignment: Assignment) -> None:
        """Send a task with its content: at once where it is small and nothing is under way, else in its turn."""
        content = assignment.exchange.content
        if self._tasks or self._sending is not None or self._ending is not None or (
            content is not None and not self._is_light(content)
        ):  # fmt: skip
            self._tasks.append(assignment)
            self._wake.set()
            return
        self._words.append(_task_text(assignment))
        if content is None or content.id == self._has:
            self._speak()
            return
        self._speak(*(part for frame in content.frames for part in frame))
        assignment.bytes_down, self._has = content.size_bytes, content.id

    def drop(self, assignment: Assignment) -> None:
        """Send no more of a task that is over."""
        for content_id in [known for known, granted in self.granted.items() if granted is assignment]:
            del self.granted[content_id]
        if assignment in self._tasks:
            self._tasks.remove(assignment)
        if self._sending is assignment:
            self._sending = None

    def end(self, code: messages.Close, reason: str) -> None:
        """Say bye and close, once what is under way has gone out."""
        self.reason = self.reason or reason
        self._ending = self._ending or messages.Bye(code=int(code), reason=reason)
        self._wake.set()

    def close(self) -> None:
        """Stop writing: the socket is closed or about to be."""
        self.gone = self.gone or self._ending is None
        self._wake.set()

    def part_within(self, seconds: float) -> None:
        """The connection is over: cut it off where what is left does not go out in time."""
        self._socket.part_within(seconds)

    async def write(self) -> None:
        """Write what must wait for room, until the end. Raises nothing: a socket that breaks ends the reader, too."""
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):
            while not self.gone:
                await self._wake.wait()
                self._wake.clear()
                while not self.gone and (self._tasks or self._ending):
                    if self._ending is not None:
                        await self._say_bye(self._ending)
                    else:
                        await self._write_task(self._tasks.popleft())
        if self._timer is not None:
            self._timer.cancel()

    def _is_light(self, content: Content) -> bool:
        return content.id == self._has or (content.size_bytes <= SMALL_BYTES and self._socket.writable.is_set())

    def _speak(self, *parts: bytes | memoryview) -> None:
        """Write the words that wait, and further parts of frames, in one go."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        words, self._words = self._words, []
        if not self.gone and (words or parts):
            self._socket.write(b"".join(map(text_frame, words)), *parts)

    async def _say_bye(self, bye: messages.Bye) -> None:
        if self._websocket.application_state is WebSocketState.CONNECTED:
            self.say(bye)
            self.gone = True
            await self._socket.drain()
            await self._websocket.close(bye.code, bye.reason.encode()[:120].decode(errors="ignore"))
        self.gone = True

    async def _write_task(self, assignment: Assignment) -> None:
        """Send a task, then its content, where this connection has not had it. The frames are shared by all clients."""
        content = assignment.exchange.content
        self._words.append(_task_text(assignment))
        self._speak()
        if content is None or content.id == self._has:
            return
        self._has, self._sending = None, assignment
        for head, data in content.frames:
            async with contextlib.nullcontext() if self._is_slow else self._slots:
                if self.gone or self._socket.is_over or self._ending or self._sending is not assignment:
                    return  # cancelled in between; the client drops what it got of it
                self._socket.write(head, data)
                self._is_slow = not await self._socket.drains_within(TURN_SECONDS)
            await self._socket.drain()
            assignment.bytes_down += len(data)
        if self._sending is assignment:
            self._has, self._sending = content.id, None


def _task_text(assignment: Assignment) -> str:
    """Return the task's frame: all but the message id is written once for everybody who gets the same config."""
    exchange = assignment.exchange
    known, text = exchange.told
    if known is not assignment.config:
        frame = {
            "run_id": exchange.run_id, "round": exchange.round, "phase": exchange.phase,
            "deadline_seconds": exchange.deadline_seconds, "config": assignment.config,
            "content": exchange.content.header_json if exchange.content is not None else None,
        }  # fmt: skip
        text = json.dumps(frame, separators=(",", ":"))
        exchange.told = (assignment.config, text)
    return f'{{"type":"task","message_id":{json.dumps(assignment.message_id)},{text[1:]}'
