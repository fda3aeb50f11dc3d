"""The Flower server: one port, one thread, Flower's Fleet API and the stream lane on it."""

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import uvicorn

from federation.protocol.messages import Close
from federation.run.events import ClientChanged, Event, Progress, Record, StoreUnavailable
from federation.server.flower import Node, Nodes, fleet_app, identify_process
from federation.server.http import FlowerPort, PatientProtocol
from federation.transport.admission import Admission, Admit, Limits, Refusal
from federation.transport.lane import StreamLane
from federation.transport.websocket import StreamProtocol

log = logging.getLogger(__name__)

AdmitNode = Callable[[str, int], Admission]
"""Public key (PEM text) and Flower's node id of a SuperNode to its client; called in a worker thread."""

NODES_SECONDS = 2.0

__all__ = ["Admission", "Admit", "AdmitNode", "FlowerServer", "Limits", "LiveClient", "Refusal"]


@dataclass(frozen=True, slots=True)
class LiveClient:
    """A client that is connected now. Whoever is not listed is offline."""

    client_id: int
    state: Literal["online", "stale"]
    lane: Literal["stream", "fleet"]
    seconds_since_sign: float
    task: Progress | None = None


class _Server(uvicorn.Server):
    """Leaves signals alone and tells the lane that the end has come before it waits for connections."""

    def __init__(self, config: uvicorn.Config, ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._ending = ending

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending()
        await super().shutdown(sockets)


class FlowerServer:
    """Serves clients on a socket that is already bound, in a thread of its own."""

    def __init__(self, *, sock: socket.socket, folder: Path, admit: Admit, report: Record,
                 admit_node: AdmitNode | None = None, limits: Limits | None = None,
                 refused: Callable[[Refusal], None] | None = None) -> None:  # fmt: skip
        self.limits = limits or Limits()
        self._socket, self._report, self._admit_node = sock, report, admit_node
        identify_process(1)
        self._nodes = Nodes(folder / "linkstate.db")
        self._nodes.mark_all_offline()
        self.lane = StreamLane(
            admit=admit, registry=self._nodes, report=self._hear, limits=self.limits, refused=refused
        )  # fmt: skip
        self._heard: asyncio.Queue[Event] = asyncio.Queue()
        self._fleet: dict[int, tuple[Admission, Node]] = {}
        self._stale: set[int] = set()
        config = uvicorn.Config(
            FlowerPort(fleet_app(self._nodes), self.lane, self._live, self.limits),
            http=PatientProtocol.with_limit(self.limits.first_request_seconds), ws=StreamProtocol, lifespan="on",
            ws_ping_interval=self.limits.ping_seconds, ws_ping_timeout=self.limits.pong_seconds,
            ws_per_message_deflate=False, ws_max_size=4 * 1024 * 1024 + 4096, timeout_graceful_shutdown=2,
            access_log=False, log_config=None, server_header=False,
        )  # fmt: skip
        self._server = _Server(config, self.lane.stop)
        self._thread = threading.Thread(target=self._serve, name="flower-server", daemon=True)

    # -- start, stop, is_running, wait ------------------------------------------------------------------------------

    def start(self) -> None:
        """Serve, and return as soon as clients can connect; raises RuntimeError when that takes over 20 s."""
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the Flower server did not start; its log says why")
            self._thread.join(0.005)

    def stop(self, deadline_seconds: float = 3.0) -> bool:
        """Close every connection and the port; False where the thread did not end in time."""
        self._server.should_exit = True
        return self.wait(deadline_seconds)

    @property
    def is_running(self) -> bool:
        """Whether clients can connect."""
        return self._thread.is_alive() and self._server.started

    def wait(self, deadline_seconds: float) -> bool:
        """Wait for the end; False at the deadline."""
        self._thread.join(deadline_seconds)
        if self._thread.is_alive():
            log.error("the Flower server did not end within %s s", deadline_seconds)
        return not self._thread.is_alive()

    def _serve(self) -> None:
        try:
            self._server.run([self._socket])
        except Exception:
            log.exception("the Flower server ended by an error")

    # -- clients ------------------------------------------------------------------------------------------------------

    def live_clients(self) -> dict[int, LiveClient]:
        """Return who is connected, by client id."""
        now, live = time.monotonic(), {}
        for admission, node in list(self._fleet.values()):
            if node.online:
                live[admission.client_id] = LiveClient(admission.client_id, "online", "fleet", 0.0)
        for connection in self.lane.connections:
            silent = now - connection.last_heard_at
            state: Literal["online", "stale"] = "stale" if silent > self.limits.stale_seconds else "online"
            live[connection.client_id] = LiveClient(connection.client_id, state, "stream", silent, connection.progress)
        return live

    def disconnect(self, client_id: int, code: Close, reason: str) -> None:
        """End a client's connection."""
        self.lane.disconnect(client_id, code, reason)

    def rename(self, client_id: int, name: str) -> None:
        """Call a client by another name from now on."""
        self.lane.rename(client_id, name)

    def readmit(self, client_id: int) -> None:
        """Let a pending client take part."""
        self.lane.readmit(client_id)

    # -- on the loop --------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _live(self, _app: Any) -> Any:
        """The port's lifespan: what runs beside the connections."""
        self.lane.open()
        tasks = [asyncio.create_task(work()) for work in (self._tell, self._watch_signs, self._watch_nodes)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            while not self._heard.empty():
                self._write_down(self._heard.get_nowait())

    def _hear(self, event: Event) -> None:
        """Progress goes on at once; what will be written down waits its turn, off the loop."""
        if isinstance(event, Progress):
            self._report(event)
        else:
            self._heard.put_nowait(event)

    async def _tell(self) -> None:
        while True:
            event = await self._heard.get()
            await asyncio.to_thread(self._write_down, event)

    def _write_down(self, event: Event) -> None:
        """Tell who keeps events; one that cannot be kept now is told in the log, for nothing depends on it."""
        try:
            self._report(event)
        except StoreUnavailable as error:
            log.warning("%s; this is not recorded: %s", error, event)
        except Exception:
            log.exception("could not record %s", event)

    async def _watch_signs(self) -> None:
        """Tell when a connected client falls silent and when it is heard of again."""
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            silent = {c.client_id for c in self.lane.connections if now - c.last_heard_at > self.limits.stale_seconds}
            for client_id in silent ^ self._stale:
                reason = "no sign for 15 s" if client_id in silent else "heard of again"
                self._hear(ClientChanged(client_id, online=True, reason=reason))
            self._stale = silent

    async def _watch_nodes(self) -> None:
        """Compare the fleet lane's nodes with those known; a SuperNode tells nobody else that it came."""
        while self._admit_node is not None:
            try:
                await self._compare_nodes(self._admit_node)
            except Exception:
                log.exception("could not list the nodes of the fleet lane")
            await asyncio.sleep(NODES_SECONDS)

    async def _compare_nodes(self, admit_node: AdmitNode) -> None:
        streaming = {connection.node_id for connection in self.lane.connections}
        for node in await asyncio.to_thread(self._nodes.listed):
            known = self._fleet.get(node.node_id)
            if node.node_id in streaming or (known is None and not node.online):
                continue
            admission = known[0] if known else await asyncio.to_thread(admit_node, node.public_key, node.node_id)
            if known is None or known[1].online != node.online:
                self._hear(ClientChanged(admission.client_id, online=node.online))
            self._fleet[node.node_id] = (admission, node)
