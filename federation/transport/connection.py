"""One client's socket on the server: who the client is, what it has, and what is written to it in which order.

Everything here runs on the Flower server's event loop; other threads may read the attributes of a ``Connection``.
"""

import asyncio
import contextlib
import secrets
import time
from collections import deque

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from federation.protocol import messages
from federation.protocol.frames import text_frame
from federation.transport.admission import Admission
from federation.transport.exchange import Assignment, Content
from federation.transport.peer import Peer
from federation.transport.websocket import Listener, StreamProtocol

SMALL_BYTES = 64 * 1024
"""A content up to this size goes out in one write with its task; a larger one waits for room in the socket."""

MAX_SESSION_CHARACTERS = 32
"""A client's name for its process is part of message ids, whose length is limited."""

TURN_SECONDS = 1.0
"""A piece that has not gone out by then goes on without a turn, and so do the next ones until one is in time: however
many peers are slow or dead, they do not keep the others waiting."""

BATCH_SECONDS = 0.1
"""A frame that need not be sent at once goes out with the next frame, or after so long. That is longer than a phase of
a fast round: an acknowledgement then goes out with the next task, in one write."""


class Connection(Peer):
    """A socket from its accept to its close. Frames go out through ``send`` and ``send_task``, never directly.

    ``send_turns`` limits how many connections send pieces of large contents at once.
    """

    def __init__(self, websocket: WebSocket, send_turns: asyncio.Semaphore) -> None:
        super().__init__(secrets.token_hex(8))
        self._websocket, self._send_turns = websocket, send_turns
        self._socket: StreamProtocol = websocket.scope["extensions"]["meadow.socket"]
        self.certificate: str | None = websocket.scope["extensions"].get("meadow.certificate")
        self._unsent: list[str] = []
        self._unsent_since = 0.0
        """When the first one was added, on the monotonic clock."""
        self._batch_timer: asyncio.TimerHandle | None = None
        self._tasks: deque[Assignment] = deque()
        self._wake = asyncio.Event()
        self._bye: messages.Bye | None = None
        self._failure: messages.BadFrame | None = None
        self._sent_content_id: str | None = None
        self._sending: Assignment | None = None
        self._is_slow = False
        self._is_closed = False

    @property
    def last_heard_at(self) -> float:
        """When the last byte of the client came, a pong's too, on the monotonic clock."""
        return self._socket.last_heard_at

    @property
    def last_piece_at(self) -> float:
        """When the last byte of a content came, on the monotonic clock."""
        return self._socket.last_piece_at

    @property
    def address(self) -> str:
        """The address of the peer; empty where it is unknown."""
        return self._websocket.client.host if self._websocket.client else ""

    def identify(self, hello: messages.Hello, admission: Admission, node_id: int) -> None:
        """Set who the client is, once its hello is verified."""
        self.set_client(admission, hello.public_key, node_id)
        self.data = hello.data
        self.session = str(hello.facts.get("process", self.session))[:MAX_SESSION_CHARACTERS]

    # -- in -----------------------------------------------------------------------------------------------------------

    async def receive(self) -> str | bytes:
        """Return the next frame.

        Raises
        ------
        WebSocketDisconnect
            At the end of the connection.
        BadFrame
            The error that was passed to ``fail``.
        """
        message = await self._websocket.receive()
        if self._failure is not None:
            raise self._failure
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006), message.get("reason"))
        text: str | None = message.get("text")
        return text if text is not None else bytes(message["bytes"])

    def listen(self, listener: Listener) -> None:
        """Pass frames to ``listener`` as they arrive; ``receive`` returns the earlier ones, and raises at the end."""
        self._socket.listen(listener)

    def fail(self, error: messages.BadFrame) -> None:
        """Let ``receive`` raise the error of a frame that the listener was given."""
        self._failure = error
        self._socket.queue.put_nowait({"type": "websocket.disconnect", "code": int(error.code)})

    # -- out ----------------------------------------------------------------------------------------------------------

    def send(self, frame: messages.Frame, *, at_once: bool = True) -> None:
        """Send a text frame, before contents that wait. One that need not go ``at_once`` goes with the next frame."""
        self._unsent_since = self._unsent_since if self._unsent else time.monotonic()
        self._unsent.append(messages.encode(frame))
        if at_once:
            self._flush()
        elif self._batch_timer is None:
            self._flush_batch()

    def send_task(self, assignment: Assignment) -> None:
        """Send a task with its content: at once where it is small and nothing is under way, else in its turn."""
        content = assignment.exchange.content
        if self._tasks or self._sending is not None or self._bye is not None or (
            content is not None and not self._fits_one_write(content)
        ):  # fmt: skip
            self._tasks.append(assignment)
            self._wake.set()
            return
        self._unsent.append(assignment.task_text())
        if content is None or content.id == self._sent_content_id:
            self._flush()
            return
        self._flush(*(part for frame in content.frames for part in frame))
        assignment.bytes_down, self._sent_content_id = content.size_bytes, content.id

    def stop_sending(self, assignment: Assignment) -> None:
        """Send no more of a task that is over, and expect no more of its content."""
        super().stop_sending(assignment)
        if assignment in self._tasks:
            self._tasks.remove(assignment)
        if self._sending is assignment:
            self._sending = None

    def end(self, code: messages.Close, reason: str) -> None:
        """Send a bye and close, once what is under way has gone out."""
        self.close_reason = self.close_reason or reason
        self._bye = self._bye or messages.Bye(code=int(code), reason=reason)
        self._wake.set()

    def close(self) -> None:
        """The socket is closed or has no reader: write nothing more, but a bye that ``end`` was given."""
        self._is_closed = self._is_closed or self._bye is None
        self._wake.set()

    def mark_disconnected(self, *, ended: bool) -> None:
        """The peer has closed the socket, because it was ``ended`` or not: write nothing more, not even a bye."""
        self._is_closed = True
        if ended:
            self.close_reason = self.close_reason or "ended on request"

    def abort_within(self, seconds: float) -> None:
        """The connection is over: abort the socket where what is left does not go out in time."""
        self._socket.abort_within(seconds)

    async def write(self) -> None:
        """Write what must wait for room, until the end. Raises nothing: a socket that breaks ends the reader, too."""
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):
            while not self._is_closed:
                await self._wake.wait()
                self._wake.clear()
                while not self._is_closed and (self._tasks or self._bye):
                    if self._bye is not None:
                        await self._send_bye(self._bye)
                    else:
                        await self._write_task(self._tasks.popleft())
        if self._batch_timer is not None:
            self._batch_timer.cancel()

    def _fits_one_write(self, content: Content) -> bool:
        has_it = content.id == self._sent_content_id
        return has_it or (content.size_bytes <= SMALL_BYTES and self._socket.writable.is_set())

    def _flush_batch(self) -> None:
        """Write the text frames that have waited long enough, and look again when others will have."""
        self._batch_timer = None
        if self._unsent and (left := self._unsent_since + BATCH_SECONDS - time.monotonic()) > 0:
            self._batch_timer = asyncio.get_running_loop().call_later(left, self._flush_batch)
        else:
            self._flush()

    def _flush(self, *parts: bytes | memoryview) -> None:
        """Write the text frames that wait, and further parts of frames, in one go."""
        texts, self._unsent = self._unsent, []
        if not self._is_closed and (texts or parts):
            self._socket.write(b"".join(map(text_frame, texts)), *parts)

    async def _send_bye(self, bye: messages.Bye) -> None:
        if self._websocket.application_state is WebSocketState.CONNECTED:
            self.send(bye)
            self._is_closed = True
            await self._socket.drain()
            await self._websocket.close(bye.code, bye.reason.encode()[:120].decode(errors="ignore"))
        self._is_closed = True

    async def _write_task(self, assignment: Assignment) -> None:
        """Send a task, then its content, where the client does not have it yet. All clients share the frames."""
        content = assignment.exchange.content
        self._unsent.append(assignment.task_text())
        self._flush()
        if content is None or content.id == self._sent_content_id:
            return
        self._sent_content_id, self._sending = None, assignment
        for head, data in content.frames:
            async with contextlib.nullcontext() if self._is_slow else self._send_turns:
                if self._is_closed or self._socket.is_over or self._bye or self._sending is not assignment:
                    return  # cancelled in between; the client drops what it got of it
                self._socket.write(head, data)
                self._is_slow = not await self._socket.drains_within(TURN_SECONDS)
            await self._socket.drain()
            assignment.bytes_down += len(data)
        if self._sending is assignment:
            self._sent_content_id, self._sending = content.id, None
