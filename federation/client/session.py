"""One connection of a client on an event loop, from the server's challenge to the close."""

import asyncio
from collections.abc import Callable, Iterable

from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from federation.client.content_assembly import Contents
from federation.client.description import ClientDescription
from federation.client.frame_handler import FrameHandler
from federation.client.identity import Identity
from federation.client.outbox import Outbox
from federation.client.websocket import ClientWebSocket
from federation.protocol import messages


class Session:
    """Reads frames, and writes offers and progress at once, contents in turn. Made and used on the event loop.

    ``on_welcome`` is called on the loop when the client has joined, and again when a pending client was admitted.
    """

    def __init__(
        self, websocket: ClientWebSocket, identity: Identity, description: ClientDescription, outbox: Outbox,
        contents: Contents, on_welcome: Callable[[messages.Welcome], None],
    ) -> None:  # fmt: skip
        self._loop, self._websocket, self._outbox = asyncio.get_running_loop(), websocket, outbox
        self._granted: asyncio.Queue[Iterable[bytes]] = asyncio.Queue()
        self._failure: Exception | None = None
        self._closing: asyncio.Task[None] | None = None
        self._handler = FrameHandler(
            identity, description, outbox,
            send=self._send, on_grant=self._on_grant, on_welcome=on_welcome, contents=contents,
        )  # fmt: skip

    @property
    def is_welcomed(self) -> bool:
        """Whether the server has accepted the hello."""
        return self._handler.welcome is not None

    async def run(self) -> str:
        """Stay until the connection ends, and return why it did; raises Refused, BadFrame and TimeoutError."""
        sending: asyncio.Task[None] | None = None
        try:
            first = await asyncio.wait_for(self._websocket.recv(), messages.HELLO_SECONDS)
            hello = self._handler.answer_challenge(first, self._websocket.certificate)
            self._websocket.listen(self._on_frame)
            if hello is not None:
                self._websocket.write([messages.encode(hello)])
            sending = asyncio.create_task(self._send_granted())
            while True:
                self._on_frame(await self._websocket.recv())  # a frame in fragments
        except ConnectionClosed as closed:
            if self._failure is not None:
                raise self._failure from None
            received, sent = closed.rcvd, closed.sent
            if received is None and sent is not None and sent.code == CloseCode.INTERNAL_ERROR:
                return self._handler.end_reason(0, "the server stopped responding")  # a ping was not answered in time
            return self._handler.end_reason(received.code if received else 0, received.reason if received else "")
        finally:
            self._outbox.detach()
            if sending is not None:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    async def _send_granted(self) -> None:
        """Send contents that the server asks for; what a closing connection does not take goes over the next one."""
        try:
            while True:
                for piece in await self._granted.get():
                    await self._websocket.send(piece)
        except ConnectionClosed:
            return

    def _on_frame(self, frame: str | bytes) -> None:
        """Handle a frame; an error closes the connection."""
        if self._failure is None:
            try:
                self._handler.handle(frame)
            except Exception as error:
                self._failure = error
                self._closing = asyncio.create_task(self._websocket.close())

    def _send(self, frame: messages.Offer | messages.ProgressFrame, pieces: Iterable[bytes]) -> None:
        """Write a frame and the pieces behind it; on the loop, and in the worker's thread."""
        frames: list[str | bytes] = [messages.encode(frame), *pieces]
        self._loop.call_soon_threadsafe(self._websocket.write, frames)

    def _on_grant(self, message_id: str) -> None:
        self._granted.put_nowait(self._handler.granted_pieces(message_id))
