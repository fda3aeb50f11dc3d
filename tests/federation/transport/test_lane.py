"""The lane under faults: which clients it admits, what a lost connection costs, and peers that send nothing valid."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from federation.protocol import messages
from federation.protocol.messages import Task
from federation.run.events import ReplyRecorded
from federation.run.states import RunState
from federation.transport.admission import Limits
from federation.weights.content_ids import content_id
from federation.weights.layout import Layout
from tests.support.engine import Engine, running_engine
from tests.support.light_client import Answer, LightClient, Stage, honest
from tests.support.odd_clients import hello_text


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    limits = Limits(hello_seconds=0.7, first_request_seconds=0.7, reconnect_seconds=1.0, stale_seconds=0.8)
    with running_engine(tmp_path, limits) as started:
        yield started


def silent(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    return honest(task, weights, layout) if task.phase == "prepare" else Answer(silent=True)


async def talk(
    address: str, *frames: str | bytes, subprotocol: str = messages.SUBPROTOCOL
) -> tuple[int, str, list[Any]]:
    """Send frames as they are; return close code, reason, and the frames that came."""
    url, came = f"ws://{address}{messages.PATH}", []
    async with connect(url, subprotocols=[Subprotocol(subprotocol)], compression=None, proxy=None) as peer:
        with contextlib.suppress(Exception):
            for frame in frames:
                await peer.send(frame)
            async with asyncio.timeout(8):
                async for frame in peer:
                    came.append(frame)
        return peer.close_code or 0, peer.close_reason or "", came


@pytest.mark.parametrize(("frame", "code"), [
    ("not json", messages.Close.BAD_FRAME),
    ('{"type": "dance"}', messages.Close.BAD_FRAME),
    (b"x" * 50, messages.Close.BAD_FRAME),
    ("[" * 100_000, messages.Close.BAD_FRAME),
])  # fmt: skip
def test_a_first_frame_that_is_no_hello_is_refused_with_a_reason(
    engine: Engine, frame: Any, code: messages.Close
) -> None:
    closed, reason, came = asyncio.run(talk(engine.address, frame))
    assert closed == code
    assert reason
    assert json.loads(came[-1])["type"] == "bye"


def test_a_wrong_signature_a_replayed_one_and_another_version_have_close_codes_of_their_own(engine: Engine) -> None:
    client = LightClient(engine.address, "p")
    assert asyncio.run(talk(engine.address, hello_text(client, "another nonce")))[0] == messages.Close.SIGNATURE
    old = hello_text(client, "n", versions={"protocol": 7})
    code, reason, _ = asyncio.run(talk(engine.address, old))
    assert (code, reason) == (messages.Close.VERSION, "client speaks protocol 7, server speaks 1")
    code, reason, _ = asyncio.run(talk(engine.address, subprotocol="meadow.9"))
    assert (code, reason) == (messages.Close.VERSION, "client speaks meadow.9, this server speaks meadow.1")


def test_a_client_that_sends_no_hello_is_disconnected(engine: Engine) -> None:
    assert asyncio.run(talk(engine.address))[0] == messages.Close.TOO_SLOW


def test_a_revoked_client_is_refused_and_a_pending_one_takes_part_once_it_is_admitted(
    engine: Engine, stage: Stage
) -> None:
    engine.admission = "revoked"
    revoked = stage.add("revoked")
    engine.ledger.wait(lambda: revoked.closed)
    assert revoked.closed is not None and revoked.closed[0] == messages.Close.REVOKED
    engine.admission = "pending"
    waiting = stage.add("waiting")
    engine.ledger.wait(lambda: waiting.welcome)
    assert waiting.welcome is not None and waiting.welcome.state == "pending"
    run_id = engine.start_run(min_clients=1, num_rounds=1)
    engine.ledger.wait(lambda: engine.ledger.states[run_id] is RunState.WAITING)
    assert waiting.tasks == []
    engine.server.readmit(engine.clients[waiting.public_key])
    assert engine.ledger.wait_end(run_id) is RunState.COMPLETED


def test_the_newest_connection_of_a_key_replaces_the_older_one_and_counts_once(engine: Engine, stage: Stage) -> None:
    first = stage.add("twin")
    engine.wait_online(1)
    second = stage.add("twin", key=first.key)
    engine.ledger.wait(lambda: first.closed)
    assert first.closed is not None and first.closed[0] == messages.Close.SUPERSEDED
    assert engine.ledger.wait_end(engine.start_run(min_clients=1)) is RunState.COMPLETED
    assert len([r for r in engine.ledger.of(ReplyRecorded) if r.phase == "train"]) == 3
    assert second.closed is None


def test_a_lost_connection_costs_one_reply_and_not_the_round(engine: Engine, stage: Stage) -> None:
    for name in "ab":
        stage.add(name)
    dying = stage.add("dying", silent)
    engine.wait_online(3)
    run_id = engine.start_run(num_rounds=1)
    engine.ledger.wait(lambda: any(t.phase == "evaluate" for t in dying.tasks))
    stage.do(dying.socket.close())
    assert engine.ledger.wait_end(run_id, 10) is RunState.COMPLETED
    lost = [r for r in engine.ledger.of(ReplyRecorded) if r.outcome == "lost"]
    assert [(r.round, r.client_id, r.reason) for r in lost] == [
        (0, engine.clients[dying.public_key], "connection lost")
    ]


def test_a_client_that_comes_back_with_its_reply_is_counted_once(tmp_path: Path) -> None:
    class Returning(LightClient):
        """Loses its connection after it was asked to train, comes back, and offers what it kept, twice."""

        kept: Task | None = None

        async def answer_task(self, task: Task) -> None:
            if task.phase == "train" and self.kept is None:
                self.kept = task
                await self.socket.close()
                return
            await super().answer_task(task)

        def hello(self, nonce: str, pending: list[str] | None = None) -> messages.Hello:
            return super().hello(nonce, [self.kept.message_id] if self.kept else [])

        async def again(self) -> None:
            runner = asyncio.create_task(self.run())
            while self.welcome is None:
                await asyncio.sleep(0.01)
            assert self.kept is not None
            for offered in (1, 2):
                await super().answer_task(self.kept)
                while sum("train" in ack.message_id for ack in self.acks) < offered:
                    await asyncio.sleep(0.01)
            await runner

    limits = Limits(reconnect_seconds=20.0)
    with running_engine(tmp_path, limits) as engine, Stage(engine.address) as stage:
        returning = Returning(engine.address, "returning")
        first = stage.do(returning.run())
        stage.add("steady")
        engine.wait_online(2)
        run_id = engine.start_run(num_rounds=1)
        first.result(10)
        returning.welcome = None
        stage.do(returning.again())
        assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
        trained = [r for r in engine.ledger.of(ReplyRecorded) if r.phase == "train"]
        assert [r.outcome for r in trained] == ["accepted", "accepted"]
        engine.ledger.wait(lambda: len([a for a in returning.acks if "train" in a.message_id]) == 2)
        assert [a.refused for a in returning.acks if "train" in a.message_id] == [None, None]


def test_a_late_reply_is_acknowledged_with_the_reason_it_does_not_count(engine: Engine, stage: Stage) -> None:
    def late(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        answer = honest(task, weights, layout)
        answer.delay_seconds = 1.2 if task.phase == "train" else 0.0
        return answer

    for name in "ab":
        stage.add(name)
    slow = stage.add("slow", late)
    engine.wait_online(3)
    assert engine.ledger.wait_end(engine.start_run(num_rounds=1, round_timeout_seconds=0.5)) is RunState.COMPLETED
    engine.ledger.wait(lambda: any(a.refused for a in slow.acks))
    assert {a.refused for a in slow.acks if a.refused} == {"it arrived after its round had ended"}


def test_weights_that_come_out_of_order_are_refused_and_the_connection_stays_open(engine: Engine, stage: Stage) -> None:
    class Muddled(LightClient):
        async def send_content(self, message_id: str) -> None:
            content = bytes.fromhex(content_id(message_id.encode()))
            await self.socket.send(content + (400).to_bytes(8, "big") + bytes(100))

    for name in "ab":
        stage.add(name)
    muddled = Muddled(engine.address, "muddled")
    stage.do(muddled.run())
    engine.wait_online(3)
    assert engine.ledger.wait_end(engine.start_run(num_rounds=1)) is RunState.COMPLETED
    refused = [r.reason for r in engine.ledger.of(ReplyRecorded) if r.outcome == "refused"]
    assert refused == ["its weights came out of order at byte 400"]
    assert muddled.closed is None


def test_a_silent_client_is_stale_before_it_is_gone(tmp_path: Path) -> None:
    limits = Limits(ping_seconds=0.3, pong_seconds=1.5, stale_seconds=0.8)
    with running_engine(tmp_path, limits) as engine, Stage(engine.address) as stage:
        stage.add("quiet")
        engine.wait_online(1)
        stage.call(time.sleep, 3.0)  # no client's thread runs meanwhile, as under SIGSTOP
        engine.ledger.wait(lambda: [c.state for c in engine.server.live_clients().values()] == ["stale"], 5)
        engine.ledger.wait(lambda: engine.server.live_clients() == {}, 5)
        assert engine.changes()[-1].online is False


def test_silent_peers_are_disconnected_and_admitted_clients_go_on(engine: Engine, stage: Stage) -> None:
    for name in "ab":
        stage.add(name)
    engine.wait_online(2)
    host, port = engine.address.split(":")
    peers = [socket.create_connection((host, int(port))) for _ in range(200)]
    try:
        assert engine.ledger.wait_end(engine.start_run(num_rounds=5)) is RunState.COMPLETED
        for peer in peers:
            peer.settimeout(6)
            with contextlib.suppress(ConnectionError):
                assert peer.recv(1) == b""
    finally:
        for peer in peers:
            peer.close()


@pytest.mark.parametrize(("path", "headers", "status"), [
    ("/", {}, 200),
    ("/v1/control/start-run", {}, 404),
    ("/v1/runtime/push-messages", {}, 404),
    ("/v1/fleet/pull-messages", {}, 401),
    ("/v1/fleet/pull-messages", {"content-length": "200000000"}, 413),
])  # fmt: skip
def test_http_without_a_signature_is_refused(engine: Engine, path: str, headers: dict[str, str], status: int) -> None:
    host, port = engine.address.split(":")
    lines = [f"POST {path} HTTP/1.1", "host: x", *(f"{k}: {v}" for k, v in ({"content-length": "1"} | headers).items())]
    with socket.create_connection((host, int(port)), 5) as peer:
        peer.sendall("\r\n".join([*lines, "", "x"]).encode())
        assert peer.recv(1000).startswith(f"HTTP/1.1 {status} ".encode())
