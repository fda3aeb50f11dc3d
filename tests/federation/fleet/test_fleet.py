"""SuperNodes in a run: equal to other clients, and what happens when a message, a process or a reply is lost."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flwr.app import Array, ArrayRecord, Context, Message

from federation.client.outbox import ClientTask
from federation.client.tasks.executor import Executor
from federation.client.tasks.supernode import app
from federation.learning.client_app import build_work
from federation.protocol import messages
from federation.run.events import ReplyRecorded, RoundDone
from federation.run.states import RunState
from federation.weights.flower_content import content_of
from federation.weights.layout import Layout
from tests.support.engine import Engine, outcomes, running_engine
from tests.support.light_client import Answer, Answering, Stage, training
from tests.support.light_node import LightNode, once
from tests.support.processes import wait_until


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with running_engine(tmp_path) as started:
        yield started


def weights(engine: Engine, run_id: int) -> list[str]:
    """The content ids of a run's checkpoints: equal where the weights are, bit for bit."""
    return [done.checkpoint.sha256 for done in engine.ledger.of(RoundDone) if done.run_id == run_id]


def built_in(partition: int) -> Answering:
    """Train as a client process does."""
    executor = Executor(build_work("synthetic", partition, 2), {"partition-id": partition, "num-partitions": 2})

    def answer(task: messages.Task, content: bytes | None, _: Layout | None) -> Answer:
        reply = executor.run(ClientTask(task, content), 1, lambda *_: None)
        assert reply is not None and reply.offer.error is None, reply
        offer = reply.offer
        sent = bytes(reply.content) if reply.content is not None else None
        return Answer(sent, offer.metrics, offer.num_examples)

    return training(answer)


def test_supernodes_train_the_same_weights_as_other_clients_and_beside_them(engine: Engine) -> None:
    with ExitStack() as stack:
        stage = stack.enter_context(Stage(engine.address))
        streams = [stage.add(f"stream-{i}", built_in(i)) for i in range(2)]
        engine.wait_online(2)
        stream = engine.start_run(num_rounds=2, min_clients=2)
        assert engine.ledger.wait_end(stream) is RunState.COMPLETED
        stack.enter_context(LightNode(engine.address, partition=0))
        engine.wait_online(3)
        ids = [engine.clients[streams[1].public_key], 3]
        mixed = engine.start_run(num_rounds=2, min_clients=2, clients=ids)
        assert engine.ledger.wait_end(mixed) is RunState.COMPLETED
        stack.enter_context(LightNode(engine.address, partition=1))
        engine.wait_online(4)
        nodes = engine.start_run(num_rounds=2, min_clients=2, clients=[3, 4])
        assert engine.ledger.wait_end(nodes) is RunState.COMPLETED
    assert weights(engine, stream) == weights(engine, mixed) == weights(engine, nodes)
    assert len(weights(engine, nodes)) == 3
    assert {outcome for _, _, outcome, _ in outcomes(engine)} == {"accepted"}
    sent = [reply for reply in engine.ledger.of(ReplyRecorded) if reply.run_id == nodes and reply.phase == "train"]
    assert {(reply.bytes_down, reply.bytes_up) for reply in sent} == {(4000, 4000)}


def public_key_of(key: ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_a_message_whose_process_died_is_sent_again_to_the_next_one(engine: Engine) -> None:
    with LightNode(engine.address, once(lambda *_: None)) as node:
        run_id = engine.start_run(num_rounds=3, min_clients=1)
        assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
    trained = [message.metadata.group_id for message in node.seen if message.metadata.message_type == "train"]
    assert trained == ["1", "2", "2", "3"]
    assert [outcome for _, _, outcome, _ in outcomes(engine)] == ["accepted"] * 3


def unreadable(message: Message, _: Context) -> Message:
    return Message(content_of("no frame"), reply_to=message)


def another_shape(message: Message, context: Context) -> Message:
    reply = app(message, context)
    reply.content["arrays"] = ArrayRecord({"w": Array(np.zeros(3, "float32"))})
    return reply


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (unreadable, "sent a reply that cannot be read"),
        (another_shape, "sends float32 3, the run needs w float32 1000"),
    ],
)
def test_a_reply_of_another_form_is_refused_with_the_reason_and_the_next_one_counts(
    engine: Engine, act: Callable[[Message, Context], Message | None], says: str
) -> None:
    with LightNode(engine.address, once(act)), LightNode(engine.address, partition=1):
        engine.wait_online(2)
        run_id = engine.start_run(num_rounds=3, min_clients=1)
        assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
    (bad,) = [one for one in outcomes(engine) if one[2] != "accepted"]
    assert (bad[0], bad[2]) == (2, "failed") and says in (bad[3] or "")


def test_a_run_that_is_stopped_waits_for_no_supernode_and_its_late_reply_counts_for_nothing(engine: Engine) -> None:
    busy, go_on = threading.Event(), threading.Event()

    def slow(message: Message, context: Context) -> Message:
        busy.set()
        assert go_on.wait(30)
        return app(message, context)

    with LightNode(engine.address, once(slow)) as node:
        stopped = engine.start_run(num_rounds=3, min_clients=1)
        assert busy.wait(30)
        assert engine.supervisor.stop(stopped)
        assert engine.ledger.wait_end(stopped, 5) is RunState.STOPPED
        later = engine.start_run(num_rounds=1, min_clients=1)
        go_on.set()
        assert engine.ledger.wait_end(later) is RunState.COMPLETED
        wait_until(lambda: not engine.server.fleet_objects, what="no message or reply is kept")
        assert not node.errors


def test_a_supernode_that_is_revoked_gets_nothing_more_and_its_reply_is_refused(engine: Engine) -> None:
    def revoked(message: Message, context: Context) -> Message:
        engine.server.lane.disconnect(1, messages.Close.REVOKED, "access was revoked")
        return app(message, context)

    with LightNode(engine.address, once(revoked)) as node:
        engine.start_run(num_rounds=3, min_clients=1)
        engine.ledger.wait(lambda: outcomes(engine)[-1:] == [(2, 1, "refused", "access was revoked")])
        engine.ledger.wait(lambda: 1 not in engine.server.live_clients())
        assert [message.metadata.group_id for message in node.seen][-1] == "2"


def test_a_node_config_that_cannot_be_used_is_told_and_the_supernode_gets_no_task(engine: Engine) -> None:
    with LightNode(engine.address, dataset="patients"):
        said = "BadNodeConfig: node config: dataset 'patients' is none of"
        engine.ledger.wait(lambda: any(said in change.reason for change in engine.changes()))
        assert engine.server.live_clients()[1].problem.startswith(said)
        assert engine.server.lane.members() == []


def test_a_supernode_gets_nothing_while_it_waits_for_approval(engine: Engine) -> None:
    with ExitStack() as stack:
        stage = stack.enter_context(Stage(engine.address))
        stage.add("stream")
        engine.wait_online(1)
        engine.admission = "pending"
        node = stack.enter_context(LightNode(engine.address))
        engine.ledger.wait(lambda: 2 in engine.server.live_clients())
        run_id = engine.start_run(num_rounds=3, min_clients=1)
        assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
        assert (node.seen, engine.server.fleet_objects) == ([], 0)
        engine.states[2] = "admitted"
        engine.server.readmit(2)
        engine.wait_online(2)
        assert [message.metadata.message_type for message in node.seen] == ["query"]


def test_a_supernode_that_ends_with_a_task_for_good_leaves_nothing_in_memory(engine: Engine) -> None:
    nodes = list[LightNode]()
    nodes.append(LightNode(engine.address, once(lambda *_: nodes[0].end())))
    with nodes[0]:
        engine.start_run(num_rounds=3, min_clients=1)
        engine.ledger.wait(lambda: outcomes(engine)[-1:] == [(2, 1, "lost", "connection lost")])
    wait_until(lambda: not engine.server.fleet_objects, what="no message is kept")


def test_a_supernode_that_is_started_anew_with_its_key_is_the_same_client_and_goes_on(engine: Engine) -> None:
    key, nodes = ec.generate_private_key(ec.SECP384R1()), list[LightNode]()

    def ends(*_: object) -> None:
        nodes[0].end()

    nodes.append(LightNode(engine.address, once(ends), key=key))
    with nodes[0]:
        run_id = engine.start_run(num_rounds=3, min_clients=1)
        engine.ledger.wait(lambda: not engine.server.live_clients() and len(nodes[0].seen) > 4)
    with LightNode(engine.address, key=key):
        assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
    assert engine.clients.keys() == {public_key_of(key)}


def test_three_times_as_many_supernodes_as_are_worked_on_at_once_join_and_train(engine: Engine) -> None:
    """`python -m benchmarks.supernodes.many` does so with twenty stock SuperNodes."""
    with ExitStack() as stack:
        for number in range(12):
            stack.enter_context(LightNode(engine.address, partition=number % 2))
        engine.wait_online(12)
        run_id = engine.start_run(num_rounds=1, min_clients=12)
        assert engine.ledger.wait_end(run_id, 60) is RunState.COMPLETED
        wait_until(lambda: not engine.server.fleet_objects, what="no message or reply is kept")
    assert sorted(outcomes(engine)) == [(1, i, "accepted", None) for i in range(1, 13)]
