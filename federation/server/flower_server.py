"""The Flower server: its thread and its port, with Flower's Fleet API and the stream lane on it.

Public methods may be called from any thread; the methods under "on the loop" run in the server's own.
"""

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from anyio import to_thread

from federation.fleet.deployment import NodeApp, NotPosted, end_left_runs
from federation.fleet.node_apps import Deployments, FindApp
from federation.fleet.nodes import AdmitNode, FleetNodes
from federation.fleet.polls import NodePolls
from federation.protocol.guarded_http import HttpLimits
from federation.protocol.messages import MAX_FRAME_BYTES
from federation.protocol.serving import EmbeddedServer
from federation.protocol.tls.certificates import ServerTls
from federation.protocol.tls.proxies import ProxyCertificates
from federation.run.events import ClientChanged, Event, Progress, Record, StoreUnavailable
from federation.server.app_host import AppHost
from federation.server.flower import Nodes, fleet_app, identify_process, signing_key
from federation.server.http import FlowerApp
from federation.transport.admission import Admission, AdmissionRefused, Admit, Limits, Refusal
from federation.transport.lane import StreamLane
from federation.transport.websocket import StreamProtocol

log = logging.getLogger(__name__)

FLEET_THREADS = 4
"""So many requests of the Fleet API are worked on at once. SQLite lets one write at a time, and one that waits for five
seconds fails, with which a SuperNode ends: Flower's forty threads would be too many for twenty SuperNodes."""

__all__ = [
    "Admission", "AdmissionRefused", "Admit", "AdmitNode", "FindApp", "FlowerServer", "Limits", "LiveClient", "NodeApp",
    "NotPosted", "Refusal",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class LiveClient:
    """A client that is connected now. ``silent_seconds`` have passed since its last byte, a pong's too."""

    client_id: int
    state: Literal["online", "stale"]
    lane: Literal["stream", "fleet"]
    silent_seconds: float
    task: Progress | None = None
    problem: str = ""
    """Why a client that is connected cannot take part in any run."""
    run_id: int | None = None
    """The active run that has the client."""


class FlowerServer:
    """Serves clients on a socket that is already bound, in a thread of its own.

    Parameters
    ----------
    folder : Path
        Holds Flower's database of nodes.
    admit, admit_node
        Answer a client's hello and a new SuperNode; called in worker threads.
    report : Record
        Gets events: ``Progress`` on the loop, where it must not wait, all others in worker threads.
    refused : Callable[[Refusal], None]
        Gets each refused connection, on the loop.
    tls : ServerTls
        The certificate; without one the port speaks no TLS.
    proxies : ProxyCertificates
        Those of proxies that end TLS in front of the port.
    find_app : FindApp
        Returns the app of a person that SuperNodes run; called in worker threads.
    """

    def __init__(self, *, sock: socket.socket, folder: Path, admit: Admit, admit_node: AdmitNode, report: Record,
                 limits: Limits, tls: ServerTls | None = None, proxies: ProxyCertificates | None = None,
                 find_app: FindApp | None = None,
                 refused: Callable[[Refusal], None] | None = None) -> None:  # fmt: skip
        self.limits = limits
        self._socket, self._report = sock, report
        identify_process(1)
        self._nodes = Nodes(folder / "linkstate.db")
        self._nodes.mark_all_offline()
        self.lane = StreamLane(
            admit=admit, registry=self._nodes, report=self._on_event, limits=self.limits, refused=refused,
            proxies=proxies,
        )  # fmt: skip
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        end_left_runs(self._nodes.state)
        self._deployments = Deployments(self._nodes.state, find_app or _no_app)
        self._fleet = FleetNodes(self._nodes.supernodes, self.lane, self._deployments, admit_node, self._on_event)
        self._stale: set[int] = set()
        self.trusted_entity = self._nodes.state.signer.entity
        """The line by which a SuperNode trusts the FABs of this server."""
        self.apps = AppHost(self._nodes, self._fleet.admitted, self.limits.max_request_bytes)
        polls = NodePolls(
            fleet_app(self._nodes), signing_key, self._fleet, self._nodes.let_begin, self.limits.max_reply_bytes,
            self.apps.wait_for_mail,
        )  # fmt: skip
        self._server = EmbeddedServer(
            FlowerApp(polls, self.lane, self._lifespan, self.limits, tls), "Flower port",
            self.limits.connections, self._end_connections, HttpLimits(request=self.limits.first_request_seconds), tls,
            ws=StreamProtocol, ws_ping_interval=self.limits.ping_seconds, ws_ping_timeout=self.limits.pong_seconds,
            ws_per_message_deflate=False, ws_max_size=MAX_FRAME_BYTES + 4096, lifespan="on",
        )  # fmt: skip
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
        """Return the clients that are connected, by id; all others are offline."""
        now, live, owners = time.monotonic(), {}, self.lane.leases.owners()
        for connection in self.lane.connections:
            silent = now - connection.last_heard_at
            state: Literal["online", "stale"] = "stale" if silent > self.limits.stale_seconds else "online"
            live[connection.client_id] = LiveClient(
                connection.client_id, state, connection.lane, silent, connection.progress, connection.problem,
                owners.get(connection.client_id),
            )  # fmt: skip
        return live

    @property
    def fleet_objects(self) -> int:
        """How many objects Flower keeps in memory for SuperNodes: messages under way, their weights, and replies."""
        return self._deployments.own.objects

    def readmit(self, client_id: int) -> None:
        """Admit a pending client, and look again at the SuperNodes that were not listed."""
        self._fleet.look_again()
        self.lane.readmit(client_id)

    # -- on the loop --------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _lifespan(self) -> AsyncIterator[None]:
        """Run the tasks beside the connections, from the server's start to its stop."""
        self.lane.open()
        to_thread.current_default_thread_limiter().total_tokens = FLEET_THREADS
        work = (self._record_events, self._watch_silence, self._fleet.watch)
        tasks = [asyncio.create_task(one()) for one in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.lane.flush_changes(at_once=True)
            while not self._events.empty():
                self._record(self._events.get_nowait())

    def _end_connections(self) -> None:
        self.lane.stop()
        self._fleet.release()

    def _on_event(self, event: Event) -> None:
        """Report progress at once; other events, which will be stored, in their order and off the loop."""
        if isinstance(event, Progress):
            self._report(event)
        else:
            self._events.put_nowait(event)

    async def _record_events(self) -> None:
        while True:
            event = await self._events.get()
            await asyncio.to_thread(self._record, event)

    def _record(self, event: Event) -> None:
        """Report an event; one that cannot be stored now is logged instead, for nothing depends on it."""
        try:
            self._report(event)
        except StoreUnavailable as error:
            log.warning("%s; this is not recorded: %s", error, event)
        except Exception:
            log.exception("could not record %s", event)

    async def _watch_silence(self) -> None:
        """Report when a connected client falls silent and when it sends again."""
        while True:
            await asyncio.sleep(1.0)
            self.lane.flush_changes()
            now = time.monotonic()
            silent = {c.client_id for c in self.lane.connections if now - c.last_heard_at > self.limits.stale_seconds}
            for client_id in silent ^ self._stale:
                reason = "no signal for 15 s" if client_id in silent else "responding again"
                self._on_event(ClientChanged(client_id, online=True, reason=reason))
            self._stale = silent


def _no_app(_: str) -> NodeApp:
    raise NotPosted("this server has no apps of people")
