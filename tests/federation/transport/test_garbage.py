"""Garbage after a good hello: it harms neither the server nor a run beside it."""

import asyncio
import contextlib
import json

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from federation.protocol import messages
from federation.run.events import RoundDone
from federation.run.states import RunState
from tests.support.engine import Engine
from tests.support.light_client import LightClient, Stage
from tests.support.odd_clients import hello_text

CONTENTS = st.fixed_dictionaries({"id": st.just("0" * 64), "size_bytes": st.integers(), "layout": st.just([])})
TEXTS = st.fixed_dictionaries({
    "type": st.sampled_from(["hello", "offer", "progress", "task", "x"]), "message_id": st.text(max_size=20),
    "batch": st.integers(), "metrics": st.just({"a": 1}), "content": st.none() | CONTENTS,
})  # fmt: skip
PIECES = st.integers(0, 2**40).map(lambda offset: bytes(32) + offset.to_bytes(8, "big") + b"data")
FRAMES = st.one_of(st.binary(max_size=300), st.text(max_size=200), TEXTS.map(json.dumps), PIECES)


@pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # the run's thread draws meanwhile, in Flower
def test_garbage_after_a_good_hello_harms_neither_the_server_nor_a_run(engine: Engine, stage: Stage) -> None:
    """Hypothesis over frames: the server stays up, memory bounded, a run beside it completes."""
    for name in "ab":
        stage.add(name)
    engine.wait_online(2)
    send_garbage_beside_a_run(engine)


def send_garbage_beside_a_run(engine: Engine) -> None:
    before = psutil.Process().memory_info().rss

    async def send_garbage(frames: list[str | bytes]) -> None:
        client = LightClient(engine.address, "garbage")
        url = f"ws://{engine.address}{messages.PATH}"
        async with connect(url, subprotocols=[Subprotocol(messages.SUBPROTOCOL)], compression=None, proxy=None) as peer:
            challenge = json.loads(await peer.recv())
            with contextlib.suppress(Exception):
                await peer.send(hello_text(client, challenge["nonce"], data={"dataset": "other"}))
                for frame in frames:
                    await peer.send(frame)
                async with asyncio.timeout(0.05):
                    await peer.recv()

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(FRAMES, max_size=8))
    def play(frames: list[str | bytes]) -> None:
        asyncio.run(send_garbage(frames))

    run_id = engine.start_run(num_rounds=300)
    play()
    assert engine.ledger.wait_end(run_id, 60) is RunState.COMPLETED
    assert len(engine.ledger.of(RoundDone)) == 301
    assert psutil.Process().memory_info().rss - before < 100_000_000
