"""The SuperNodes of the Flower port: which are online, who they are, and their connections.

Everything here runs on the Flower server's event loop, but for ``connection_of``.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from federation.fleet.mailbox import HOLD_SECONDS
from federation.fleet.node_apps import Deployments
from federation.fleet.node_connection import NodeConnection
from federation.fleet.weight_records import WeightRecords
from federation.protocol.messages import Close
from federation.run.events import ClientChanged, Record
from federation.transport.admission import Admission, AdmissionRefused
from federation.transport.lane import StreamLane

log = logging.getLogger(__name__)

NODES_SECONDS = 2.0
"""How often Flower's database is asked which nodes are online."""

KEEP_ALIVE_SECONDS = 15.0
"""How often Flower is told that the run of the SuperNodes goes on; it gives up after 60 s."""

AdmitNode = Callable[[str, int], Admission]
"""Returns the client for a SuperNode's public key (PEM text) and Flower's node id; called in a worker thread.

May raise AdmissionRefused: the SuperNode is not listed until it registers again.
"""


@dataclass(frozen=True, slots=True)
class Node:
    """A SuperNode as Flower keeps it."""

    node_id: int
    public_key: str
    online: bool


class FleetNodes:
    """Compares Flower's list of nodes with the connections of the lane: Flower calls nothing of ours.

    ``supernodes`` returns the nodes that have sent a heartbeat; called in worker threads.
    """

    def __init__(self, supernodes: Callable[[], list[Node]], lane: StreamLane, deployments: Deployments,
                 admit: AdmitNode, report: Record) -> None:  # fmt: skip
        self._supernodes, self._lane, self._deployments, self._admit = supernodes, lane, deployments, admit
        self._report, self._weights = report, WeightRecords()
        self._connections: dict[str, NodeConnection] = {}
        self._online: set[str] = set()
        self._refused: set[str] = set()
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._look, self._listed = asyncio.Event(), asyncio.Event()
        self._is_stopping = False

    def connection_of(self, public_key: str) -> NodeConnection | None:
        """Return the connection of the SuperNode with that key, where it is online and may be given tasks."""
        return self._connections.get(public_key) if public_key in self._online else None

    def admitted(self) -> dict[int, int]:
        """Return node id -> client id of the SuperNodes that are online and may take part. From any thread."""
        found = [self._connections.get(key) for key in list(self._online)]
        return {one.node_id: one.client_id for one in found if one is not None and one.admitted}

    async def wait_for(self, public_key: str) -> NodeConnection | None:
        """Return the connection as soon as the SuperNode is listed; None after ``HOLD_SECONDS``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(HOLD_SECONDS):
                while self.connection_of(public_key) is None and not self._is_stopping:
                    await self._listed.wait()
        return self.connection_of(public_key)

    def note_start(self, public_key: str) -> None:
        """A process of the SuperNode has begun: Flower's list is read now, and what another process held is away."""
        if public_key in self._online:
            self._remove(public_key)
        self._look.set()

    def release(self) -> None:
        """Hold no request of a SuperNode that is not listed any more: the server stops."""
        self._is_stopping = True
        self._listed.set()

    def look_again(self) -> None:
        """Ask anew whether SuperNodes that were refused may join. From any thread."""
        self._refused = set()

    async def watch(self) -> None:
        """Follow Flower's list until cancelled; the messages under way end with it."""
        alive_at = 0.0
        try:
            while True:
                try:
                    await self._compare()
                    if (now := asyncio.get_running_loop().time()) - alive_at >= KEEP_ALIVE_SECONDS:
                        alive_at = now
                        await asyncio.to_thread(self._deployments.keep_alive)
                except Exception:
                    log.exception("could not look after the SuperNodes")
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._look.wait(), NODES_SECONDS)
                self._look.clear()
        finally:
            await self._stop()

    async def _stop(self) -> None:
        for worker in self._workers.values():
            worker.cancel()
        await asyncio.gather(*self._workers.values(), return_exceptions=True)
        await asyncio.to_thread(self._deployments.finish)

    async def _compare(self) -> None:
        streaming = {connection.node_id for connection in self._lane.connections if connection.lane == "stream"}
        listed = await asyncio.to_thread(self._supernodes)
        online = {node.public_key: node for node in listed if node.online and node.node_id not in streaming}
        self._refused &= online.keys()
        for key in self._online - online.keys():
            self._remove(key)
        for key in [one for one in self._connections.keys() - online.keys() if self._connections[one].is_idle]:
            del self._connections[key]  # without a key of its own a SuperNode is another one at each start
            self._workers.pop(key).cancel()
        for key in online.keys() - self._online - self._refused:
            try:
                admission = await asyncio.to_thread(self._admit, key, online[key].node_id)
                if admission.state == "revoked":
                    raise AdmissionRefused(f"access of {admission.name} was revoked", Close.REVOKED)
                self._add(online[key], admission)
            except AdmissionRefused as error:
                self._refused.add(key)
                log.warning("a SuperNode is not listed: %s", error)

    def _add(self, node: Node, admission: Admission) -> None:
        connection = self._connections.get(node.public_key)
        if connection is None:
            connection = NodeConnection(self._deployments, self._weights, self._note_description, self._note_end)
            self._connections[node.public_key] = connection
            self._workers[node.public_key] = asyncio.create_task(connection.work())
        connection.set_client(admission, node.public_key, node.node_id)
        self._online.add(node.public_key)
        connection.appear(self._lane.listener_of(connection))
        self._lane.add(connection, connection.held)
        self._listed.set()
        self._listed = asyncio.Event()

    def _remove(self, key: str) -> None:
        self._online.discard(key)
        self._lane.remove(self._connections[key])

    def _note_end(self, connection: NodeConnection) -> None:
        """The server has ended a connection: the SuperNode is listed again if it may join."""
        if connection.public_key in self._online:
            self._remove(connection.public_key)

    def _note_description(self, connection: NodeConnection) -> None:
        said = connection.description
        reason = "described" if said.error is None else f"cannot take part: {said.error}"
        self._report(ClientChanged(
            connection.client_id, online=True, reason=reason, facts=said.facts, data=said.data, versions=said.versions
        ))  # fmt: skip
