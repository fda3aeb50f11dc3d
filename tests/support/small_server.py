"""A small server side of the stream lane over a real socket, which a test controls step by step."""

import base64
import queue
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self, TypeVar

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from federation.protocol import messages
from federation.weights.content_ids import content_id
from federation.weights.layout import Layout
from tests.conftest import StartClient
from tests.support.processes import RealProcess

DEADLINE_SECONDS = 20.0
_Frame = TypeVar("_Frame", messages.Offer, messages.ProgressFrame)


def as_content(arrays: dict[str, np.ndarray[Any, Any]]) -> tuple[messages.ContentHeader, bytes]:
    """Return the header and the bytes of a content that holds the arrays."""
    layout = Layout.of(list(arrays), list(arrays.values()))
    buffer = bytes(layout.pack(list(arrays.values())))
    return messages.ContentHeader(id=content_id(buffer), size_bytes=len(buffer), layout=layout.to_json()), buffer


NUMPY_APP = ("--app", "tests.support.numpy_app:app", "--partition", "1")
WEIGHTS = as_content({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(1, dtype=np.int64)})


@dataclass
class Peer:
    """One connection after its hello. Frames of the client wait in ``frames``; None is the end."""

    socket: ServerConnection
    hello: messages.Hello
    frames: queue.Queue[messages.Offer | messages.ProgressFrame | bytes | None] = field(default_factory=queue.Queue)

    def welcome(self, state: Any = "admitted") -> Self:
        self.send(messages.Welcome(state=state, client_id=1, node_id=str(2**63 + 5), limits={}))
        return self

    def send(self, frame: Any) -> None:
        self.socket.send(messages.encode(frame))

    def send_task(self, phase: Any = "train", content: tuple[messages.ContentHeader, bytes] | None = None, *,
            pieces: bool = True, message_id: str | None = None, **config: Any) -> str:  # fmt: skip
        """Send a task, and its content unless ``pieces`` is False; return the message id."""
        message_id = message_id or secrets.token_hex(8)
        task = messages.Task(message_id=message_id, run_id=7, round=3, phase=phase, deadline_seconds=60,
                         config={"server-round": 3, **config}, content=content[0] if content else None)  # fmt: skip
        self.send(task)
        if content and pieces:
            for piece in messages.pieces(content[0].id, content[1]):
                self.socket.send(piece)
        return message_id

    def next(self, kind: type[_Frame]) -> _Frame:
        """Return the next frame of that kind; progress frames before an offer are skipped."""
        while True:
            frame = self.frames.get(timeout=DEADLINE_SECONDS)
            assert frame is not None, "the client closed the connection"
            if isinstance(frame, kind):
                return frame
            assert isinstance(frame, messages.ProgressFrame), frame

    def fetch(self, offer: messages.Offer) -> dict[str, np.ndarray[Any, Any]]:
        """Grant the offer, receive its content, acknowledge it, and return the arrays."""
        assert offer.content is not None
        self.send(messages.Grant(message_id=offer.message_id))
        buffer = bytearray()
        while len(buffer) < offer.content.size_bytes:
            piece = self.frames.get(timeout=DEADLINE_SECONDS)
            assert isinstance(piece, bytes), piece
            name, offset, data = messages.read_piece(piece)
            assert (name, offset) == (offer.content.id, len(buffer))
            buffer += data
        self.send(messages.Ack(message_id=offer.message_id))
        layout = Layout.from_json(offer.content.layout)
        return dict(zip([e.name for e in layout.entries], layout.unpack(buffer), strict=True))

    def refuse(self, code: messages.Close, reason: str) -> None:
        """End the connection as the real server does."""
        self.send(messages.Bye(code=int(code), reason=reason))
        self.socket.close(int(code), reason)

    def cut(self) -> None:
        """Break the connection without a close frame."""
        self.socket.close_socket()


class SmallServer:
    """Verifies hellos and gives the connections to the test, one by one."""

    def __init__(self, clock_offset: timedelta = timedelta()) -> None:
        self._connections: queue.Queue[Peer] = queue.Queue()
        self._clock_offset = clock_offset
        self.address = ""

    @contextmanager
    def running(self, port: int = 0) -> Iterator[Self]:
        """Listen within the block; port 0 takes a free one."""
        protocols = [Subprotocol(messages.SUBPROTOCOL)]
        with serve(self._serve, "127.0.0.1", port, subprotocols=protocols, compression=None, max_size=2**23) as server:
            self.address = f"127.0.0.1:{server.socket.getsockname()[1]}"
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join(DEADLINE_SECONDS)

    def next_connection(self, seconds: float = DEADLINE_SECONDS) -> Peer:
        """Wait for the next connection whose hello is good."""
        return self._connections.get(timeout=seconds)

    def has_no_new_connection(self) -> bool:
        return self._connections.empty()

    def _serve(self, socket: ServerConnection) -> None:
        nonce = secrets.token_hex(16)
        time = (datetime.now(UTC) + self._clock_offset).isoformat()
        try:
            socket.send(
                messages.encode(messages.Challenge(nonce=nonce, time=time, versions={"protocols": [messages.PROTOCOL]}))
            )
            hello = messages.decode_client(socket.recv(timeout=DEADLINE_SECONDS, decode=True))
            assert isinstance(hello, messages.Hello)
            if not is_signed(hello, nonce):
                socket.close(int(messages.Close.SIGNATURE), "bad signature")
                return
            peer = Peer(socket, hello)
            self._connections.put(peer)
            try:
                for frame in socket:
                    peer.frames.put(decode(frame))
            finally:
                peer.frames.put(None)
        except ConnectionClosed:
            return


def decode(frame: str | bytes) -> messages.Offer | messages.ProgressFrame | bytes:
    """Return a piece as it is, and a text frame decoded; it must not be a second hello."""
    decoded = frame if isinstance(frame, bytes) else messages.decode_client(frame)
    assert not isinstance(decoded, messages.Hello)
    return decoded


def is_signed(hello: messages.Hello, nonce: str) -> bool:
    """Check the signature as the protocol says, with nothing of the client's own code."""
    key = load_pem_public_key(hello.public_key.encode())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    try:
        key.verify(base64.b64decode(hello.signature), b"meadow.1|" + nonce.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def joined(client: StartClient, server: SmallServer, name: str = "site-a") -> tuple[RealProcess, Peer]:
    """Start a client and admit it; return its process and its connection."""
    process = client(server.address, name, *NUMPY_APP)
    return process, server.next_connection().welcome()
