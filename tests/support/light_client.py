"""A light client of the stream lane: asyncio, no Flower, no TensorFlow. The test chooses its answers.

Many of them share one event loop, so two hundred clients cost one thread.
"""

import asyncio
import base64
import hashlib
import json
import math
import ssl
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from federation.protocol import messages
from federation.protocol.tls.fingerprints import signed_message
from federation.weights.content_ids import content_id
from federation.weights.layout import Layout


@dataclass
class Answer:
    """One reply: weights (a buffer) or none, and the rest of the offer."""

    weights: bytes | bytearray | None = None
    metrics: dict[str, Any] = field(default_factory=lambda: {"loss": 1.0, "accuracy": 0.5})
    num_examples: Any = 10
    layout: list[Any] | None = None
    error: str | None = None
    failure: dict[str, Any] | None = None
    not_implemented: bool = False
    data: dict[str, Any] | None = None
    delay_seconds: float = 0.0
    silent: bool = False


def honest(task: messages.Task, weights: bytes | None, layout: Layout | None) -> Answer:
    """Answer as the synthetic app does: the weights back, a loss that falls."""
    if task.phase == "prepare":
        return Answer(metrics={}, num_examples=None, data={})
    metrics = {"loss": 1.0 / (1 + task.round), "accuracy": 1 - 1.0 / (2 + task.round)}
    return Answer(weights if task.phase == "train" else None, metrics)


Answering = Callable[[messages.Task, bytes | None, Layout | None], Answer]


def training(answer: Answering) -> Answering:
    """Return an answering that is honest but for training."""

    def answering(task: messages.Task, weights: bytes | None, layout: Layout | None) -> Answer:
        return answer(task, weights, layout) if task.phase == "train" else honest(task, weights, layout)

    return answering


class LightClient:
    """One client. ``tasks`` are those it got; ``closed`` holds the close code and reason at the end.

    A test that needs another behaviour overrides ``send_frame``, ``handle_frame``, ``answer_task`` or ``send_content``.
    """

    sends_small_weights_at_once = False
    """Whether small weights follow their offer; otherwise the client waits for its grant."""
    tls: ssl.SSLContext | None = None
    certificate: str | None = None

    def __init__(self, address: str, name: str, answer: Answering = honest, *, dataset: str = "synthetic",
                 key: ec.EllipticCurvePrivateKey | None = None, code: str | None = None,
                 **data: Any) -> None:  # fmt: skip
        self.address, self.name, self.answer, self.code = address, name, answer, code
        self.data = {"dataset": dataset, "samples": 10, "app": None, **data}
        self.key = key or ec.generate_private_key(ec.SECP384R1())
        self.tasks: list[messages.Task] = []
        self.acks: list[messages.Ack] = []
        self.cancelled: list[str] = []
        self.welcome: messages.Welcome | None = None
        self.closed: tuple[int, str] | None = None
        self.contents_received = 0
        self.offers: dict[str, tuple[messages.Task, Answer]] = {}
        """Task and answer of each offer whose content has not been sent, by message id."""
        self._contents: dict[str, bytearray] = {}

    @property
    def public_key(self) -> str:
        """The PEM text of the key."""
        public = self.key.public_key()
        return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()

    def hello(self, nonce: str, pending: list[str] | None = None) -> messages.Hello:
        """Return the signed hello to a challenge."""
        signature = self.key.sign(signed_message(nonce, self.certificate), ec.ECDSA(hashes.SHA256()))
        return messages.Hello(
            public_key=self.public_key, signature=base64.b64encode(signature).decode(), name=self.name, code=self.code,
            versions={"protocol": messages.PROTOCOL, "meadow": "test"}, facts={"platform": "light", "cpus": 1},
            data=self.data, pending=pending or [],
        )  # fmt: skip

    async def run(self) -> None:
        """Serve one connection to its end."""
        url = f"{'wss' if self.tls else 'ws'}://{self.address}{messages.PATH}"
        more: dict[str, Any] = {"ssl": self.tls, "compression": None, "max_size": 2**23, "proxy": None}
        async with connect(url, subprotocols=[Subprotocol(messages.SUBPROTOCOL)], **more) as socket:
            self.socket: ClientConnection = socket
            secure = socket.transport.get_extra_info("ssl_object")
            self.certificate = hashlib.sha256(secure.getpeercert(True)).hexdigest() if secure else None
            challenge = json.loads(await socket.recv())
            await self.send_frame(self.hello(challenge["nonce"]))
            try:
                async for frame in socket:
                    await self.handle_frame(frame)
            except ConnectionClosed:
                pass
            self.closed = (socket.close_code or 1006, socket.close_reason or "")

    async def send_frame(self, frame: messages.Frame) -> None:
        """Send a text frame."""
        await self.socket.send(messages.encode(frame))

    async def handle_frame(self, frame: str | bytes) -> None:
        """Act on a frame of the server."""
        if isinstance(frame, bytes):
            await self._handle_piece(*messages.read_piece(frame))
            return
        decoded = messages.decode_server(frame)
        if isinstance(decoded, messages.Welcome):
            self.welcome = decoded
        elif isinstance(decoded, messages.Task):
            self.tasks.append(decoded)
            if decoded.content is None or decoded.content.id in self._contents:
                await self.answer_task(decoded)
            else:
                self._contents = {decoded.content.id: bytearray(decoded.content.size_bytes)}
        elif isinstance(decoded, messages.Grant):
            await self.send_content(decoded.message_id)
        elif isinstance(decoded, messages.Ack):
            self.acks.append(decoded)
        elif isinstance(decoded, messages.Cancel):
            self.cancelled.append(decoded.message_id)

    async def _handle_piece(self, content: str, offset: int, data: memoryview) -> None:
        buffer = self._contents[content]
        buffer[offset : offset + len(data)] = data
        if offset + len(data) == len(buffer):
            self.contents_received += 1
            await self.answer_task(self.tasks[-1])

    async def answer_task(self, task: messages.Task) -> None:
        """Offer what ``answer`` gives for a task whose content has arrived."""
        buffer = self._contents[task.content.id] if task.content else None
        layout = Layout.from_json(task.content.layout) if task.content else None
        answer = self.answer(task, bytes(buffer) if buffer is not None and task.phase == "train" else None, layout)
        if answer.silent:
            return
        if answer.delay_seconds:
            await asyncio.sleep(answer.delay_seconds)
        header = None
        if answer.weights is not None:
            rows = answer.layout if answer.layout is not None else (layout.to_json() if layout else [])
            name, size = content_id(task.message_id.encode()), len(answer.weights)
            header = messages.ContentHeader(id=name, size_bytes=size, layout=rows)
        self.offers[task.message_id] = (task, answer)
        offer = messages.Offer(message_id=task.message_id, metrics=answer.metrics, num_examples=answer.num_examples,
                           seconds=0.0, content=header, data=answer.data, error=answer.error,
                           failure=answer.failure, not_implemented=answer.not_implemented)  # fmt: skip
        is_small = answer.weights is not None and len(answer.weights) <= messages.UNGRANTED_BYTES
        follows = self.sends_small_weights_at_once and is_small
        await self.send_frame(offer.model_copy(update={"follows": follows}))
        if follows:
            await self.send_content(task.message_id)

    async def send_content(self, message_id: str) -> None:
        """Send the weights of an offer that was granted."""
        _, answer = self.offers.pop(message_id)
        assert answer.weights is not None
        for piece in messages.pieces(content_id(message_id.encode()), answer.weights):
            await self.socket.send(piece)


class Stage:
    """Runs light clients in a thread of its own until the end of the ``with`` block."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.clients: list[LightClient] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="light-clients", daemon=True)

    def __enter__(self) -> "Stage":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        async def end() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def add(self, name: str, answer: Answering = honest, **more: Any) -> LightClient:
        """Start one more client."""
        client = LightClient(self.address, name, answer, **more)
        self.clients.append(client)
        self.do(client.run())
        return client

    def do(self, work: Awaitable[Any]) -> Any:
        """Start a coroutine on the clients' loop; returns its future."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)  # type: ignore[arg-type]

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Call a function on the clients' loop."""
        self._loop.call_soon_threadsafe(function, *arguments)


def shifted(weights: bytes, by: float) -> bytes:
    """Return float32 weights with ``by`` added to each."""
    return (np.frombuffer(weights, "<f4") + np.float32(by)).tobytes()


def adds(by: float, *, bad_in: range = range(0), examples: int = 10) -> Answering:
    """Answer training with the weights plus ``by`` (scaled by the round), or with NaN in some rounds."""

    def answer(task: messages.Task, weights: bytes | None, layout: Layout | None) -> Answer:
        if task.phase != "train" or weights is None:
            return honest(task, weights, layout)
        by_now = math.nan if task.round in bad_in else by * task.round
        return Answer(shifted(weights, by_now), num_examples=examples)

    return answer
