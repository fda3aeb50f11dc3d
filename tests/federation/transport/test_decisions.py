"""Decisions of a person about a client: in the moment in which it connects, and while it works."""

import threading
from pathlib import Path
from typing import Any

import pytest

from federation.protocol.messages import Close, Hello, Offer, Task
from federation.run.events import ReplyRecorded
from federation.run.states import RunState
from federation.transport.admission import Admission
from federation.weights.layout import Layout
from tests.support.engine import Engine, running_engine
from tests.support.light_client import Answer, LightClient, Stage, honest, training
from tests.support.processes import wait_until


class Deciding(Engine):
    """Says once what was so before a person decided, who does it before the answer arrives."""

    decision: Any = None

    def _admit(self, public_key: str, hello: Hello, address: str) -> Admission:
        before, decision, self.decision = super()._admit(public_key, hello, address), self.decision, None
        if decision is not None:
            self.states[before.client_id] = decision
            if decision == "admitted":
                self.server.readmit(before.client_id)
            else:
                self.server.lane.disconnect(before.client_id, Close.REVOKED, "this client was revoked")
        return before


@pytest.mark.parametrize(("admission", "decision"), [("pending", "admitted"), ("admitted", "revoked")])
def test_a_decision_in_the_moment_of_joining_counts(tmp_path: Path, admission: str, decision: str) -> None:
    with running_engine(tmp_path, kind=Deciding) as engine, Stage(engine.address) as stage:
        assert isinstance(engine, Deciding)
        engine.admission, engine.decision = admission, decision
        client = stage.add("site-a")
        if decision == "admitted":
            assert engine.ledger.wait_end(engine.start_run(min_clients=1, num_rounds=1)) is RunState.COMPLETED
            assert client.welcome is not None and client.welcome.node_id != "0"
        else:
            engine.ledger.wait(lambda: client.closed)
            assert client.closed is not None and client.closed[0] == Close.REVOKED
            assert client.welcome is None and not engine.server.lane.members()


class Returning(LightClient):
    """Comes back with a key and a reply that it kept to a task; offers the reply as soon as it is welcomed."""

    kept = ""

    def hello(self, nonce: str, pending: list[str] | None = None) -> Hello:
        return super().hello(nonce, [self.kept])

    async def handle_frame(self, frame: str | bytes) -> None:
        await super().handle_frame(frame)
        if self.welcome is not None and self.kept:
            kept, self.kept = self.kept, ""
            await self.send_frame(Offer(message_id=kept, metrics={"loss": 0.0, "accuracy": 1.0}, num_examples=10))


def test_a_reply_that_a_revoked_client_kept_never_counts_not_even_once_its_access_is_restored(
    engine: Engine, stage: Stage
) -> None:
    goes_on = threading.Event()

    def slow(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        goes_on.wait(20)
        return honest(task, weights, layout)

    with Stage(engine.address) as other:  # a loop of its own: its answer blocks
        other.add("b", training(slow))
        a = stage.add("a", training(lambda task, weights, layout: Answer(silent=True)))
        engine.wait_online(2)
        run_id = engine.start_run(num_rounds=1, min_clients=1)
        engine.ledger.wait(lambda: any(task.phase == "train" for task in a.tasks))
        client_id, kept = engine.clients[a.public_key], a.tasks[-1].message_id
        stage.do(a.socket.close()).result(10)
        engine.ledger.wait(lambda: len(engine.server.lane.members()) == 1)
        engine.states[client_id] = "revoked"
        engine.server.lane.disconnect(client_id, Close.REVOKED, "this client was revoked")
        assert come_back(stage, a, kept, lambda client: client.closed).closed == (
            Close.REVOKED, "this client was revoked on the server",
        )  # fmt: skip
        engine.states[client_id] = "admitted"
        again = come_back(stage, a, kept, lambda client: client.acks or client.cancelled)
        assert kept in again.cancelled or again.acks[0].refused is None
        goes_on.set()
        assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
    replies = [one for one in engine.ledger.of(ReplyRecorded) if one.client_id == client_id and one.phase == "train"]
    assert [(one.outcome, one.reason) for one in replies] == [("refused", "this client was revoked")]


def come_back(stage: Stage, a: LightClient, kept: str, until: Any) -> LightClient:
    client = Returning(stage.address, "a", key=a.key)
    client.kept = kept
    stage.do(client.run())
    wait_until(lambda: until(client))
    return client
