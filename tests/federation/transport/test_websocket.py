"""The lane's own reading of WebSocket frames: however their bytes are cut on the way, the same frames are read."""

import asyncio
import contextlib
import json
import random
import socket
import time
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from federation.client.description import ClientDescription
from federation.client.identity import Identity
from federation.client.outbox import Outbox
from federation.client.reconnect import ReconnectLoop
from federation.protocol import messages
from federation.protocol.frames import text_frame
from federation.protocol.sockets import MAX_UNSENT_BYTES
from federation.run.events import ReplyRecorded
from federation.run.states import RunState
from federation.transport.admission import Limits
from federation.weights.content_ids import content_id
from tests.support.coroutines import in_a_thread
from tests.support.engine import Engine, running_engine
from tests.support.light_client import LightClient
from tests.support.sockets import accepted_sockets, connected_sockets, socket_option


class RawClient:
    """A client that chooses byte by byte what its socket sends."""

    def __init__(self, address: str) -> None:
        self.address, self.light_client = address, LightClient(address, "raw")
        uri, spoken = parse_uri(f"ws://{address}{messages.PATH}"), [Subprotocol(messages.SUBPROTOCOL)]
        self.protocol = ClientProtocol(uri, subprotocols=spoken, max_size=2 * messages.MAX_FRAME_BYTES)
        self.frames: list[Frame] = []
        self.content_id, self.content = "", b""

    async def join(self) -> None:
        host, _, port = self.address.rpartition(":")
        self.reader, self.writer = await asyncio.open_connection(host, int(port))
        self.protocol.send_request(self.protocol.connect())
        await self.send(self.protocol.data_to_send())
        challenge = json.loads(bytes((await self.next()).data))
        await self.send(
            [self.frame(Opcode.TEXT, messages.encode(self.light_client.hello(challenge["nonce"])).encode())]
        )
        assert json.loads(bytes((await self.next()).data))["type"] == "welcome"

    async def leave(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    async def next(self, seconds: float = 10.0) -> Frame:
        """Return the next frame that the server sent."""
        async with asyncio.timeout(seconds):
            while not self.frames:
                data = await self.reader.read(65536)
                assert data, "closed"
                self.protocol.receive_data(data)
                self.frames += [event for event in self.protocol.events_received() if isinstance(event, Frame)]
        return self.frames.pop(0)

    async def read_to_the_end(self) -> None:
        while True:
            await self.next()

    def frame(self, opcode: Opcode, data: bytes, *, fin: bool = True, mask: bool = True) -> bytes:
        return Frame(opcode, data, fin).serialize(mask=mask)

    async def send(self, parts: list[bytes], cut: int = 1 << 20) -> None:
        """Send the bytes in pieces of that size, each in a packet of its own where it is small."""
        data = b"".join(parts)
        for start in range(0, len(data), cut):
            self.writer.write(data[start : start + cut])
            await self.writer.drain()
            if cut < 100:
                await asyncio.sleep(0)

    async def task(self) -> messages.Task:
        """Return the next task, once its content is there."""
        while True:
            frame = await self.next()
            if frame.opcode is not Opcode.TEXT or json.loads(bytes(frame.data))["type"] != "task":
                continue
            task = messages.decode_server(bytes(frame.data).decode())
            assert isinstance(task, messages.Task)
            if task.content is not None and task.content.id != self.content_id:
                self.content_id, self.content = task.content.id, b""
                while len(self.content) < task.content.size_bytes:
                    self.content += messages.read_piece(bytes((await self.next()).data))[2]
            return task

    def answer(self, task: messages.Task, weights: bytes | None) -> list[tuple[Opcode, bytes]]:
        """Return the frames of an answer: the content follows its offer without a grant."""
        name = content_id(task.message_id.encode())
        assert task.content is None or weights is None or len(weights) == task.content.size_bytes
        header = messages.ContentHeader(id=name, size_bytes=len(weights), layout=task.content.layout) if (
            weights is not None and task.content is not None) else None  # fmt: skip
        offer = messages.Offer(message_id=task.message_id, num_examples=10, content=header, follows=header is not None,
                           metrics={"loss": 1.0}, data={} if task.phase == "prepare" else None)  # fmt: skip
        pieces = messages.pieces(name, weights) if weights is not None else ()
        return [(Opcode.TEXT, messages.encode(offer).encode()), *((Opcode.BINARY, piece) for piece in pieces)]


def play(engine: Engine, send: Any, parameters: int = 3000) -> list[ReplyRecorded]:
    """Let a raw client answer a run of one round, each answer sent by ``send``; return the records of training."""

    async def work() -> None:
        client = RawClient(engine.address)
        await client.join()
        run_id = engine.start_run(num_rounds=1, min_clients=1, synthetic_parameters=parameters)
        for _ in range(4):  # prepare, the initial evaluation, train, evaluate
            task = await client.task()
            await send(client, client.answer(task, client.content if task.phase == "train" else None))
        state = await asyncio.to_thread(engine.ledger.wait_end, run_id)
        assert state is RunState.COMPLETED
        await client.leave()

    asyncio.run(work())
    return [event for event in engine.ledger.of(ReplyRecorded) if event.phase == "train"]


@pytest.mark.parametrize("cut", [1, 3, 7, 41, 50, 4096])
def test_frames_that_arrive_in_parts_are_read_whole(engine: Engine, cut: int) -> None:
    async def send(client: RawClient, frames: list[tuple[Opcode, bytes]]) -> None:
        await client.send([client.frame(*frame) for frame in frames], cut)

    replies = play(engine, send)
    assert [(reply.outcome, reply.bytes_up) for reply in replies] == [("accepted", 12_000)]


def test_fragments_with_pings_between_them_are_read_in_order(engine: Engine) -> None:
    async def send(client: RawClient, frames: list[tuple[Opcode, bytes]]) -> None:
        parts = []
        for opcode, data in frames:
            middle = random.randrange(1, len(data))
            parts += [client.frame(opcode, data[:middle], fin=False), client.frame(Opcode.PING, b"here"),
                      client.frame(Opcode.CONT, data[middle:])]  # fmt: skip
        await client.send(parts, 1000)

    assert [reply.outcome for reply in play(engine, send)] == ["accepted"]


def test_pieces_of_a_large_content_are_written_where_they_belong(engine: Engine) -> None:
    async def send(client: RawClient, frames: list[tuple[Opcode, bytes]]) -> None:
        await client.send([client.frame(*frames[0])])
        if len(frames) > 1:
            while json.loads(bytes((await client.next()).data))["type"] != "grant":
                pass  # it is larger than what may follow its offer
            await client.send([client.frame(*frame) for frame in frames[1:]], 30_011)

    replies = play(engine, send, 2_500_000)
    assert [(reply.outcome, reply.bytes_up) for reply in replies] == [("accepted", 10_000_000)]


@pytest.mark.parametrize("damage", ["unmasked", "reserved bit", "too big", "not UTF-8", "short piece"])
def test_a_frame_that_breaks_the_protocol_ends_its_own_connection_only(engine: Engine, damage: str) -> None:
    async def work() -> None:
        client, other = RawClient(engine.address), RawClient(engine.address)
        await client.join()
        await other.join()
        whole = client.frame(Opcode.TEXT, b'{"type": "offer", "message_id": "x"}')
        bad = {
            "unmasked": client.frame(Opcode.TEXT, b"{}", mask=False),
            "reserved bit": bytes((whole[0] | 0x40,)) + whole[1:],
            "too big": b"\x82\xff" + (1 << 40).to_bytes(8, "big") + b"mask" + b"x" * 100,
            "not UTF-8": client.frame(Opcode.TEXT, b"\xff\xfe"),
            "short piece": client.frame(Opcode.BINARY, b"x" * 40),
        }[damage]
        await client.send([whole, bad, whole])
        with pytest.raises((AssertionError, ConnectionError)):
            await client.read_to_the_end()
        await other.send([whole])
        assert json.loads(bytes((await other.next()).data))["type"] == "ack"
        await client.leave()
        await other.leave()

    asyncio.run(work())


def test_a_ping_is_answered_with_its_payload_also_where_it_comes_byte_by_byte(engine: Engine) -> None:
    async def work() -> None:
        client = RawClient(engine.address)
        await client.join()
        for payload, cut in ((b"", 100), (b"are you there", 1), (b"x" * 125, 100)):
            await client.send([client.frame(Opcode.PING, payload)], cut)
            while (answer := await client.next()).opcode is not Opcode.PONG:
                pass
            assert bytes(answer.data) == payload
        await client.leave()

    asyncio.run(work())


def test_a_client_that_sends_stays_although_its_pong_is_late_and_a_silent_one_is_disconnected(tmp_path: Path) -> None:
    """A pong waits behind what a peer sends: over a slow line it comes long after the weights before it."""
    limits = Limits(ping_seconds=0.2, pong_seconds=1.0)

    async def work(engine: Engine) -> None:
        client = RawClient(engine.address)
        await client.join()
        while (await client.next()).opcode is not Opcode.PING:
            pass
        said = messages.encode(messages.ProgressFrame(message_id="x", batch=1)).encode()
        pinged = time.monotonic()
        while time.monotonic() < pinged + 3 * limits.pong_seconds:
            await client.send([client.frame(Opcode.TEXT, said)])
            assert len(engine.server.live_clients()) == 1
            await asyncio.sleep(limits.pong_seconds / 10)
        with pytest.raises((AssertionError, ConnectionError)):
            await client.read_to_the_end()
        await client.leave()
        await asyncio.to_thread(engine.ledger.wait, lambda: not engine.server.live_clients())

    with running_engine(tmp_path, limits) as engine:
        asyncio.run(work(engine))


def test_few_bytes_wait_in_the_kernel_on_either_side_so_that_a_pong_is_not_late(engine: Engine, tmp_path: Path) -> None:
    if not hasattr(socket, "TCP_NOTSENT_LOWAT"):
        pytest.skip("this system does not know the option")
    host, port = engine.address.split(":")
    identity = Identity.load(tmp_path / "key.json", "site-a", "site-a")
    near = ReconnectLoop((host, int(port)), identity, ClientDescription({"protocol": 1}), Outbox(lambda task: None))
    with in_a_thread(near.run):
        engine.wait_online(1)
        sides = connected_sockets(engine.address), accepted_sockets(engine.address)
        assert list(map(len, sides)) == [1, 1]
        for side in chain(*sides):
            assert socket_option(side, socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == MAX_UNSENT_BYTES


def test_the_head_of_a_frame_is_as_long_as_its_size_needs() -> None:
    for size in (0, 125, 126, 65_535, 65_536):
        text = "x" * size
        assert text_frame(text) == Frame(Opcode.TEXT, text.encode()).serialize(mask=False)
