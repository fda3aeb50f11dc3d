"""The way between client and server delays, stalls and breaks; and messages that are far too large."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from federation.protocol import messages
from federation.run.events import ReplyRecorded, RoundDone
from federation.run.states import RunState
from federation.transport.admission import Limits
from tests.faults.conftest import Join
from tests.support.engine import Engine, running_engine
from tests.support.light_client import LightClient, Stage
from tests.support.processes import Meadow, RealProcess, wait_until
from tests.support.proxy import Proxy
from tests.support.sockets import accepted_sockets

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Behind = tuple[Engine, Proxy, RealProcess, int]


@pytest.fixture
def behind(tmp_path: Path, join: Join) -> Iterator[Behind]:
    """An engine with a real client behind a proxy, and a light one at hand: engine, proxy, client, client's id."""
    limits = Limits(ping_seconds=0.5, pong_seconds=2.0, reconnect_seconds=5.0)
    with (
        running_engine(tmp_path, limits) as engine,
        Proxy(engine.address).running() as proxy,
        Stage(engine.address) as stage,
    ):
        far = join(proxy.address, "far")
        engine.wait_online(1)
        (client_id,) = [member.client_id for member in engine.server.lane.members()]
        stage.add("near")
        engine.wait_online(2)
        yield engine, proxy, far, client_id


def trained(engine: Engine, client_id: int) -> list[tuple[int, str, str | None]]:
    """Return round, outcome and reason of what became of a client's training."""
    found = [r for r in engine.ledger.of(ReplyRecorded) if (r.phase, r.client_id) == ("train", client_id)]
    return [(r.round, r.outcome, r.reason) for r in found]


def wait_until_it_trains(engine: Engine, client_id: int, number: int = 1) -> None:
    engine.ledger.wait(lambda: any(
        (p.client_id, p.round, p.phase, p.task) == (client_id, number, "train", "training") for p in engine.progress
    ))  # fmt: skip


def test_a_run_over_a_slow_line_takes_its_time_and_completes(behind: Behind) -> None:
    engine, proxy, _, client_id = behind
    proxy.delay_seconds = 0.05
    assert engine.ledger.wait_end(engine.start_run(num_rounds=3, synthetic_parameters=100_000)) is RunState.COMPLETED
    assert trained(engine, client_id) == [(number, "accepted", None) for number in (1, 2, 3)]


def test_a_cut_while_the_client_trains_costs_nothing_its_reply_is_counted_once(behind: Behind) -> None:
    engine, proxy, far, client_id = behind
    run_id = engine.start_run(num_rounds=2, synthetic_seconds=1.0)
    wait_until_it_trains(engine, client_id)
    proxy.cut()
    engine.ledger.wait(lambda: not any(change.online for change in engine.changes()[-1:]))
    assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
    assert trained(engine, client_id) == [(1, "accepted", None), (2, "accepted", None)]
    assert [d.round for d in engine.ledger.of(RoundDone)] == [0, 1, 2]
    assert "connection lost" in far.output


def test_a_cut_in_the_middle_of_the_weights_starts_them_over_and_they_count_once(
    behind: Behind, tmp_path: Path
) -> None:
    engine, proxy, _, client_id = behind
    run_id = engine.start_run(num_rounds=2, synthetic_parameters=3_000_000, synthetic_seconds=0.6)
    wait_until_it_trains(engine, client_id)
    proxy.cut_after_up = 5_000_000
    assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
    assert proxy.accepted == 2, "the line was cut once"
    assert trained(engine, client_id) == [(1, "accepted", None), (2, "accepted", None)]
    assert [r.bytes_up for r in engine.ledger.of(ReplyRecorded) if r.phase == "train"] == [12_000_000] * 4
    weights = [np.fromfile(path, "<f4") for path in sorted((tmp_path / "runs" / "1").glob("round-*.weights"))]
    assert all(np.isfinite(one).all() for one in weights)
    assert engine.server.lane.snapshot().used_bytes == 0


def test_a_cut_while_the_weights_come_costs_nothing_they_are_sent_again(behind: Behind) -> None:
    engine, proxy, _, client_id = behind
    proxy.cut_after_down = 5_000_000
    run_id = engine.start_run(num_rounds=2, synthetic_parameters=3_000_000)
    assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
    assert proxy.accepted == 2, "the line was cut once"
    assert {r.outcome for r in engine.ledger.of(ReplyRecorded)} == {"accepted"}
    assert trained(engine, client_id) == [(1, "accepted", None), (2, "accepted", None)]


def test_a_line_that_stalls_is_noticed_and_the_reply_comes_when_it_flows_again(behind: Behind) -> None:
    """The server gives the silent peer up; the client still has its reply when its own end notices."""
    engine, proxy, _, client_id = behind
    run_id = engine.start_run(num_rounds=2, synthetic_seconds=1.0)
    wait_until_it_trains(engine, client_id)
    proxy.stall()
    engine.ledger.wait(lambda: client_id not in engine.server.live_clients(), 10)
    proxy.flow()
    assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
    assert trained(engine, client_id) == [(1, "accepted", None), (2, "accepted", None)]


class StalledReader(LightClient):
    """Reads nothing any more from the first piece of weights on, until ``resumed`` is set."""

    async def run(self) -> None:
        self.resumed = asyncio.Event()
        await super().run()

    async def handle_frame(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes) and not self.resumed.is_set():
            self.socket.transport.pause_reading()
            try:
                await self.resumed.wait()
            finally:  # also where the client ends: a connection that reads nothing takes ten seconds to close
                self.socket.transport.resume_reading()
        await super().handle_frame(frame)


def test_peers_that_stop_reading_do_not_delay_others_and_are_disconnected_when_no_pong_comes(tmp_path: Path) -> None:
    """More of them than contents go out at once, and each with megabytes that are still in its buffer."""
    limits = Limits(ping_seconds=1.0, pong_seconds=5.0, sending_at_once=2, reconnect_seconds=0.5)
    with running_engine(tmp_path, limits) as engine, Stage(engine.address) as stage:
        stalled = [StalledReader(engine.address, f"stalled-{number}") for number in range(4)]
        for client in stalled:
            stage.do(client.run())
        engine.wait_online(4)
        for name in "ab":
            stage.add(name)
        engine.wait_online(6)
        run_id = engine.start_run(num_rounds=1, synthetic_parameters=4_000_000)
        try:
            assert engine.ledger.wait_end(run_id, 40) is RunState.COMPLETED
            first = [r for r in engine.ledger.of(ReplyRecorded) if (r.round, r.phase) == (0, "evaluate")]
            heard = [r.received_at_seconds for r in first if r.outcome == "accepted"]
            assert len(heard) == 2 and max(heard) < min(r.received_at_seconds for r in first if r.outcome == "lost")
            assert {r.reason for r in first if r.outcome == "lost"} == {"connection lost"}
            assert len(engine.server.live_clients()) == 2
            engine.ledger.wait(lambda: len(accepted_sockets(engine.address)) == 2, 10)
        finally:
            for client in stalled:
                stage.call(client.resumed.set)


MEGABYTE = 1 << 20


def masked(opcode: int, size: int, *, last: bool = True) -> bytes:
    """Return the header of a client's WebSocket frame, with a mask of zeros."""
    return bytes([0x80 * last | opcode, 0x80 | 127]) + struct.pack("!Q", size) + bytes(4)


def pour(peer: socket.socket, *parts: bytes, times: int = 1) -> int:
    """Send until the other side has had enough; return how many bytes it took."""
    sent = 0
    with contextlib.suppress(OSError):
        for _ in range(times):
            for part in parts:
                peer.sendall(part)
                sent += len(part)
    return sent


def upgraded(address: str) -> socket.socket:
    """Return a socket that has become a WebSocket of the lane."""
    host, port = address.split(":")
    peer = socket.create_connection((host, int(port)), 10)
    peer.sendall((
        f"GET {messages.PATH} HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        f"sec-websocket-version: 13\r\nsec-websocket-key: {'a' * 22}==\r\n"
        f"sec-websocket-protocol: {messages.SUBPROTOCOL}\r\n\r\n"
    ).encode())  # fmt: skip
    assert peer.recv(4096).startswith(b"HTTP/1.1 101")
    return peer


def peak_bytes(process: int) -> int:
    """Return the most memory that a process has had so far."""
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def test_a_message_over_the_cap_is_refused_and_costs_no_memory(meadow: Meadow) -> None:
    """A frame that says it has 300 MB, one that never ends, a body nobody asked for, and one after a good hello."""
    process = meadow.running.pid
    before = psutil.Process(process).memory_info().rss
    block = bytes(MEGABYTE)
    took = []
    with upgraded(meadow.flower_address) as peer:
        took.append(pour(peer, masked(2, 300 * MEGABYTE), *[block] * 300))
    with upgraded(meadow.flower_address) as peer:
        pour(peer, masked(2, MEGABYTE, last=False), block)
        took.append(pour(peer, masked(0, MEGABYTE, last=False), block, times=300))
    host, port = meadow.flower_address.split(":")
    for size in ("content-length: 314572800", "transfer-encoding: chunked"):
        with socket.create_connection((host, int(port)), 10) as peer:
            pour(peer, f"POST /v1/fleet/pull-messages HTTP/1.1\r\nhost: x\r\n{size}\r\n\r\n".encode())
            took.append(pour(peer, b"100000\r\n" if "chunked" in size else b"", block, b"\r\n", times=300))
    took.append(asyncio.run(flood_after_hello(meadow.flower_address, block)))
    assert max(took) < 60 * MEGABYTE, took
    assert peak_bytes(process) - before < 100 * 10**6
    wait_until(meadow._is_ready)


async def flood_after_hello(address: str, block: bytes) -> int:
    """Say a good hello, then send a message of 300 MB; return how much went out."""
    client = LightClient(address, "flood")
    url = f"ws://{address}{messages.PATH}"
    async with connect(url, subprotocols=[Subprotocol(messages.SUBPROTOCOL)], compression=None, proxy=None) as peer:
        challenge = json.loads(await peer.recv())
        await peer.send(messages.encode(client.hello(challenge["nonce"])))
        await peer.recv()
        sent = 0
        with contextlib.suppress(OSError):
            peer.transport.write(masked(2, 300 * MEGABYTE))
            while sent < 300 * MEGABYTE and not peer.transport.is_closing():
                peer.transport.write(block)
                sent += len(block)
                await asyncio.sleep(0)
                async with asyncio.timeout(5):
                    while peer.transport.get_write_buffer_size() and not peer.transport.is_closing():
                        await asyncio.sleep(0.001)
        assert peer.transport.is_closing(), "the server did not end the connection"
        return sent
