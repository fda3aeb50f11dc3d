"""One client with unusable updates beside honest ones: it is refused with a reason, and the run continues."""

import asyncio
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.frames import Opcode

from federation.protocol import messages
from federation.protocol.messages import Task
from federation.run.events import ReplyRecorded
from federation.run.states import RunState
from federation.transport.admission import Limits
from federation.transport.websocket import MAX_UNREAD_BYTES
from federation.weights.layout import Layout
from tests.federation.transport.test_websocket import RawClient
from tests.support.engine import Engine, running_engine
from tests.support.light_client import Answer, LightClient, Stage, honest, shifted


@pytest.fixture
def stage(engine: Engine) -> Iterator[Stage]:
    with Stage(engine.address) as started:
        for name in "ab":
            started.add(name, good)
        engine.wait_online(2)
        yield started


def good(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    return Answer(shifted(weights, 1.0)) if weights is not None else honest(task, weights, layout)


def reasons_of(engine: Engine, client: LightClient) -> list[tuple[str, str | None]]:
    client_id = engine.clients[client.public_key]
    found = [r for r in engine.ledger.of(ReplyRecorded) if r.phase == "train" and r.client_id == client_id]
    return [(r.outcome, r.reason) for r in found]


@pytest.mark.parametrize("strategy", ["FedAvg", "FedYogi", "Bulyan"])
def test_weights_near_the_largest_float_are_refused_and_the_run_continues(
    engine: Engine, stage: Stage, strategy: str
) -> None:
    """The weights are finite, but their squares and sums are not: every attempt would make an unusable aggregate."""
    stage.add("c", good)

    def huge(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        return Answer(np.full(1000, 3e38, "<f4").tobytes()) if weights is not None else honest(task, weights, layout)

    client = stage.add("huge", huge)
    engine.wait_online(4)
    run_id = engine.start_run(num_rounds=2, strategy=strategy, min_clients=3)
    assert engine.ledger.wait_end(run_id) is RunState.COMPLETED, engine.ledger.reasons
    assert reasons_of(engine, client) == [("refused", "1,000 of 1,000 values are too large to be averaged")] * 2


@pytest.mark.parametrize(("metrics", "says"), [
    ({}, "sends no loss, by which QFedAvg weighs clients"),
    ({"loss": math.nan}, "sends a loss of nan, by which QFedAvg cannot weigh it"),
    ({"loss": -1.0}, "sends a loss of -1, by which QFedAvg cannot weigh it"),
    ({"loss": 1e14}, "sends a loss of 1e+14, by which QFedAvg cannot weigh it"),
])  # fmt: skip
def test_a_loss_that_QFedAvg_cannot_weigh_is_refused_and_the_run_continues(
    engine: Engine, stage: Stage, metrics: dict[str, Any], says: str
) -> None:
    def bad(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        return Answer(weights, metrics) if weights is not None else honest(task, weights, layout)

    client = stage.add("bad", bad)
    engine.wait_online(3)
    run_id = engine.start_run(num_rounds=2, strategy="QFedAvg", strategy_options={"q": 2.0})
    assert engine.ledger.wait_end(run_id) is RunState.COMPLETED, engine.ledger.reasons
    assert reasons_of(engine, client) == [("refused", says)] * 2


class Breaker(LightClient):
    """Answers a train task with an offer that is not a valid frame."""

    wrong: dict[str, Any]

    async def answer_task(self, task: Task) -> None:
        if task.phase != "train":
            await super().answer_task(task)
        else:
            await self.socket.send(json.dumps({"type": "offer", "message_id": task.message_id, **self.wrong}))


@pytest.mark.parametrize(("wrong", "says"), [
    ({"metrics": [1]}, "offer.metrics: Input should be a valid dictionary"),
    ({"content": {"id": "a" * 64, "size_bytes": -4, "layout": []}}, "offer.content.size_bytes: Input should"),
    ({"content": {"id": "a" * 64, "size_bytes": 4, "layout": [["w", "wide", 5]]}}, "offer.content.layout.0.1: Input"),
])  # fmt: skip
def test_an_offer_that_breaks_the_protocol_is_refused_with_the_reason(
    engine: Engine, stage: Stage, wrong: dict[str, Any], says: str
) -> None:
    breaker = Breaker(engine.address, "breaker")
    breaker.wrong = wrong
    stage.do(breaker.run())
    engine.wait_online(3)
    assert engine.ledger.wait_end(engine.start_run(num_rounds=2)) is RunState.COMPLETED
    [(outcome, reason)] = reasons_of(engine, breaker)
    assert (outcome, (reason or "")[: 32 + len(says)]) == ("refused", f"broke the protocol: text frame: {says}")
    assert breaker.closed is not None
    assert breaker.closed[0] == messages.Close.BAD_FRAME


def test_a_peer_that_sends_and_never_reads_is_disconnected(engine: Engine, stage: Stage) -> None:
    """The server's answers would stay in its memory."""

    async def flood() -> int:
        client, sent = RawClient(engine.address), 0
        await client.join()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        text = messages.encode(messages.Offer(message_id="x" * 100)).encode()
        asked = client.frame(Opcode.TEXT, text) * 1000
        try:
            while sent < 100 * MAX_UNREAD_BYTES:
                await client.send([asked])
                sent += len(asked)
        except ConnectionError:
            pass
        return sent

    assert asyncio.run(flood()) < 100 * MAX_UNREAD_BYTES
    engine.ledger.wait(lambda: [c for c in engine.changes() if not c.online])
    assert engine.ledger.wait_end(engine.start_run(num_rounds=1)) is RunState.COMPLETED


def test_a_granted_client_that_sends_nothing_does_not_block_the_others(tmp_path: Path) -> None:
    """The budget has room for one reply at a time, and the first client to offer is granted all of it."""

    class Staller(LightClient):
        async def send_content(self, message_id: str) -> None:
            assert message_id in self.offers

    def later(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        return replace(good(task, weights, layout), delay_seconds=0.3 if task.phase == "train" else 0.0)

    limits = Limits(budget_bytes=100_000, stall_seconds=1.0)
    with running_engine(tmp_path, limits) as engine, Stage(engine.address) as stage:
        staller = Staller(engine.address, "staller")
        stage.do(staller.run())
        for name in "ab":
            stage.add(name, later)
        engine.wait_online(3)
        run_id = engine.start_run(num_rounds=1, synthetic_parameters=25_000, round_timeout_seconds=20)
        assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
        assert reasons_of(engine, staller) == [
            ("refused", "sent no bytes of its weights for 1 s while other clients waited")
        ]
        assert engine.server.lane.snapshot().used_bytes == 0


def test_a_client_whose_process_has_a_long_name_takes_part(engine: Engine, stage: Stage) -> None:
    class Named(LightClient):
        def hello(self, nonce: str, pending: list[str] | None = None) -> messages.Hello:
            said = super().hello(nonce, pending)
            return said.model_copy(update={"facts": {**said.facts, "process": "p" * 500}})

    named = Named(engine.address, "named", good)
    stage.do(named.run())
    engine.wait_online(3)
    assert engine.ledger.wait_end(engine.start_run(num_rounds=1, min_clients=3)) is RunState.COMPLETED
    assert (named.closed, reasons_of(engine, named)) == (None, [("accepted", None)])
