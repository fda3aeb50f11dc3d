"""One connection of a client on an event loop, from the server's challenge to the close."""

import asyncio
import hashlib
import ssl
from collections.abc import Callable, Iterable
from functools import partial

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
    """Reads frames and writes what is to be sent, in order. Made and used on the event loop.

    ``on_welcome`` is called on the loop when the client has joined, and again when a pending client was admitted.
    """

    def __init__(
        self, identity: Identity, description: ClientDescription, outbox: Outbox, contents: Contents,
        on_welcome: Callable[[messages.Welcome], None],
    ) -> None:  # fmt: skip
        self._loop, self._outbox = asyncio.get_running_loop(), outbox
        self._outgoing: asyncio.Queue[Iterable[list[str | bytes]]] = asyncio.Queue()
        """What is to be written: the frames of each list go together."""
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

    async def run(self, websocket: ClientWebSocket) -> str:
        """Stay until the connection ends, and return why it did; raises Refused, BadFrame and TimeoutError."""
        sending: asyncio.Task[None] | None = None
        try:
            first = await asyncio.wait_for(websocket.recv(), messages.HELLO_SECONDS)
            hello = self._handler.answer_challenge(first, _certificate(websocket))
            websocket.listen(partial(self._on_frame, websocket))
            if hello is not None:
                await websocket.send(messages.encode(hello))
            sending = asyncio.create_task(self._send_all(websocket))
            while True:
                self._on_frame(websocket, await websocket.recv())  # a frame in fragments
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

    async def _send_all(self, websocket: ClientWebSocket) -> None:
        """Write what is queued; what a closing connection does not take goes over the next one."""
        try:
            while True:
                for frames in await self._outgoing.get():
                    await websocket.send_together(frames)
        except ConnectionClosed:
            return

    def _on_frame(self, websocket: ClientWebSocket, frame: str | bytes) -> None:
        """Handle a frame; an error closes the connection."""
        if self._failure is None:
            try:
                self._handler.handle(frame)
            except Exception as error:
                self._failure = error
                self._closing = asyncio.create_task(websocket.close())

    def _send(self, frame: messages.Offer | messages.ProgressFrame, pieces: Iterable[bytes]) -> None:
        """Queue a frame and the pieces behind it; on the loop, and in the worker's thread."""
        frames: list[str | bytes] = [messages.encode(frame), *pieces]
        self._loop.call_soon_threadsafe(self._outgoing.put_nowait, [frames])

    def _on_grant(self, message_id: str) -> None:
        self._outgoing.put_nowait([piece] for piece in self._handler.granted_pieces(message_id))


def _certificate(websocket: ClientWebSocket) -> str | None:
    """Return the SHA-256 (hex) of the certificate that the server has shown; None without TLS."""
    secure: ssl.SSLObject | None = websocket.transport.get_extra_info("ssl_object")
    return hashlib.sha256(secure.getpeercert(binary_form=True) or b"").hexdigest() if secure is not None else None
