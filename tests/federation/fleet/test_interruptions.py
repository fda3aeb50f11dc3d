"""Messages, and what Flower keeps of them, when a SuperNode or the server is interrupted in the middle of one."""

import threading
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import Array, ArrayRecord, Context, Error, Message

from federation.client.tasks.supernode import app
from federation.fleet.deployment import Deployment, end_left_runs
from federation.fleet.node_apps import own_app
from federation.flwr_internals import LinkState, SubStatus, get_object_tree
from federation.run.states import RunState
from federation.server.flower import Nodes
from federation.transport.admission import Limits
from federation.weights.flower_content import content_of
from tests.support.engine import outcomes, running_engine
from tests.support.light_node import LightNode, once
from tests.support.migrated import lay_nodes
from tests.support.processes import wait_until


def trained_rounds(node: LightNode) -> list[str]:
    return [message.metadata.group_id for message in node.seen if message.metadata.message_type == "train"]


def test_a_supernode_that_was_killed_begins_again_at_once_with_its_key_and_gets_its_task_anew(tmp_path: Path) -> None:
    key, works, over = ec.generate_private_key(ec.SECP384R1()), threading.Event(), threading.Event()

    def hangs(*_: object) -> None:  # a process that was killed says as little, and Flower counts it as online
        works.set()
        over.wait(30)

    with running_engine(tmp_path) as engine, LightNode(engine.address, once(hangs), key=key) as killed:
        run_id = engine.start_run(num_rounds=3, min_clients=1)
        assert works.wait(20)
        with LightNode(engine.address, key=key) as again:
            assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
        over.set()
    assert (trained_rounds(killed), trained_rounds(again)) == (["1", "2"], ["2", "3"])
    assert [outcome for _, _, outcome, _ in outcomes(engine)] == ["accepted"] * 3
    assert len(engine.clients) == 1


def test_a_supernode_that_stood_still_until_it_was_offline_answers_when_it_goes_on(tmp_path: Path) -> None:
    with running_engine(tmp_path, Limits(reconnect_seconds=30)) as engine:
        heartbeats = Nodes(tmp_path / "linkstate.db").factory.state()

        def stands_still(message: Message, context: Context) -> Message:
            heartbeats.deactivate_node(context.node_id)
            engine.ledger.wait(lambda: 1 not in engine.server.live_clients())
            heartbeats.acknowledge_node_heartbeat(context.node_id, 30)
            engine.ledger.wait(lambda: 1 in engine.server.live_clients())
            return app(message, context)

        with LightNode(engine.address, once(stands_still)) as node:
            run_id = engine.start_run(num_rounds=3, min_clients=1)
            assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
            wait_until(lambda: not engine.server.fleet_objects, what="no message or reply is kept")
    assert trained_rounds(node) == ["1", "2", "3"]
    assert [outcome for _, _, outcome, _ in outcomes(engine)] == ["accepted"] * 3


def test_an_error_is_taken_once_the_supernode_has_pushed_all_of_it(tmp_path: Path) -> None:
    def breaks(message: Message, _: Context) -> Message:
        return Message(Error(2, "ValueError: no patients"), reply_to=message)

    with running_engine(tmp_path) as engine, LightNode(engine.address, partition=1):
        engine.wait_online(1)
        with LightNode(engine.address, once(breaks)) as node:
            engine.wait_online(2)
            run_id = engine.start_run(num_rounds=3, min_clients=1)
            assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
        (bad,) = [one for one in outcomes(engine) if one[2] != "accepted"]
    assert (bad[2], bad[3]) == ("failed", "ValueError: no patients")
    assert node.errors == [], "Flower would log an error here and on the SuperNode for each task that fails"


def test_a_reply_that_is_too_large_fails_at_once_with_the_limit(tmp_path: Path) -> None:
    def too_large(message: Message, context: Context) -> Message:
        reply = app(message, context)
        reply.content["arrays"] = ArrayRecord({"w": Array(np.random.default_rng(1).random(200_000))})
        return reply

    with running_engine(tmp_path, Limits(max_reply_bytes=4096)) as engine:
        with LightNode(engine.address, once(too_large)) as large, LightNode(engine.address, partition=1):
            engine.wait_online(2)
            run_id = engine.start_run(num_rounds=3, min_clients=1)
            assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
        (bad,) = [one for one in outcomes(engine) if one[2] != "accepted"]
    assert (bad[0], bad[3]) == (2, "its reply was not stored: a reply has at most 1,052,672 bytes")
    assert trained_rounds(large) == ["1", "2", "3"], "it is not asked for the same reply again"


@pytest.fixture
def state(tmp_path: Path) -> LinkState:
    """Flower's database with one SuperNode, which is online."""
    nodes = Nodes(lay_nodes(tmp_path) / "linkstate.db")
    made = nodes.factory.state()
    node_id = made.create_node("owner", "owner", b"a key", 30)
    made.activate_node(node_id, 30)
    return made


def post(deployment: Deployment, state: LinkState) -> str:
    (node,) = state.get_node_info()
    return deployment.post(node.node_id, content_of("a task"), "train", "1")


def test_what_a_process_left_in_flowers_database_is_ended_at_the_start_of_the_next_one(state: LinkState) -> None:
    left = Deployment(state, own_app)
    post(left, state)
    (run,) = state.get_run_info()
    assert (state.num_message_ins(), bool(left.objects)) == (1, True)
    end_left_runs(state)
    assert state.get_run_status({run.run_id})[run.run_id].status == "finished"
    assert (state.num_message_ins(), left.objects) == (0, 0)


def test_a_message_whose_run_flower_ended_is_without_reply_and_the_next_one_is_in_another_run(state: LinkState) -> None:
    deployment = Deployment(state, own_app)
    message = post(deployment, state)
    (run,) = state.get_run_info()
    assert run.primary_task_id is not None
    state.finish_task(run.primary_task_id, SubStatus.FAILED, "as without a heartbeat for a minute")
    deployment.keep_alive()
    assert (deployment.reply_to(message), deployment.objects) == (None, 0)
    deployment.delete(post(deployment, state))
    assert len(state.get_run_info()) == 2


def test_a_reply_that_nobody_looked_for_is_deleted_with_its_message(state: LinkState) -> None:
    deployment = Deployment(state, own_app)
    message_id = post(deployment, state)
    (node,), (run,) = state.get_node_info(), state.get_run_info()
    (message,) = state.get_message_ins(node.node_id, 1)
    reply = Message(content_of("a reply"), reply_to=message)
    reply.metadata.__dict__["_message_id"] = reply.object_id
    reply.metadata.__dict__["_src_node_id"] = node.node_id
    stored, _ = state.store_message_and_object_tree(reply, get_object_tree(reply), state.start_session(run.run_id))
    assert stored and deployment.objects > 3
    deployment.delete(message_id)
    assert (deployment.objects, state.num_message_ins(), state.num_message_res()) == (0, 0, 0)
