"""Requests of SuperNodes: held until a message waits, never passed on for a peer that has left, bounded."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.types import Message, Receive, Scope, Send

from federation.fleet.node_apps import Deployments, own_app
from federation.fleet.node_connection import NodeConnection
from federation.fleet.nodes import FleetNodes
from federation.fleet.polls import PULL, SPARE_BYTES, NodePolls
from federation.fleet.weight_records import WeightRecords
from federation.server.flower import Nodes
from federation.transport.admission import Admission
from tests.support.migrated import lay_nodes


class Asked:
    """One request to ``NodePolls``, and how often Flower's application was asked."""

    def __init__(self, node: NodeConnection) -> None:
        self.passed: list[bytes] = []
        self.sent: list[Message] = []
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        self.node = node
        self.polls = NodePolls(self._flower, lambda _: "key", cast(FleetNodes, self), lambda _: None, 1000)

    def connection_of(self, _: str) -> NodeConnection | None:
        return self.node

    async def wait_for(self, _: str) -> NodeConnection | None:
        return self.node

    def note_start(self, _: str) -> None:
        raise AssertionError("nothing begins here")

    async def _flower(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.passed.append((await receive())["body"])

    async def _keep(self, message: Message) -> None:
        self.sent.append(message)

    def start(self, path: str, size: int = 4) -> "asyncio.Task[None]":
        scope = {"type": "http", "path": path, "headers": [(b"content-length", str(size).encode())]}
        self.incoming.put_nowait({"type": "http.request", "body": b"poll", "more_body": False})
        return asyncio.create_task(self.polls(scope, self.incoming.get, self._keep))


@pytest.fixture
def node(tmp_path: Path) -> NodeConnection:
    state = Nodes(lay_nodes(tmp_path) / "linkstate.db").factory.state()
    made = NodeConnection(Deployments(state, lambda _: own_app()), WeightRecords(), lambda _: None, lambda _: None)
    made.set_client(Admission(1, "node", "admitted"), "key", 7)
    return made


def test_a_poll_is_held_until_the_connection_ends_or_its_peer_leaves(node: NodeConnection) -> None:
    async def play() -> tuple[Any, Any]:
        left, held = Asked(node), Asked(node)
        first, second = left.start(PULL), held.start(PULL)
        left.incoming.put_nowait({"type": "http.disconnect"})
        await asyncio.wait_for(first, 5)
        assert not second.done() and not held.passed
        node.mailbox.release()
        await asyncio.wait_for(second, 5)
        return left.passed, held.passed

    assert asyncio.run(play()) == ([], [b"poll"])


def test_a_reply_larger_than_the_limit_is_refused_before_it_is_stored(node: NodeConnection) -> None:
    async def play() -> tuple[Any, Any]:
        fits, large = Asked(node), Asked(node)
        await fits.start("/v1/fleet/push-object", 1000 + SPARE_BYTES)
        await large.start("/v1/fleet/push-object", 1)
        return (fits.passed, fits.sent), (large.passed, large.sent[0]["status"])

    assert asyncio.run(play()) == (([b"poll"], []), ([], 413))


@pytest.mark.parametrize("path", ["get-run", "get-fab", "pull-object", "push-messages", "push-object"])
def test_a_supernode_that_waits_for_approval_gets_no_code_and_no_weights(node: NodeConnection, path: str) -> None:
    async def play() -> tuple[Any, Any]:
        asked = Asked(node)
        await asked.start(f"/v1/fleet/{path}")
        return asked.passed, asked.sent[0]["status"]

    node.set_client(Admission(1, "node", "pending"), "key", 7)
    assert asyncio.run(play()) == ([], 403)
