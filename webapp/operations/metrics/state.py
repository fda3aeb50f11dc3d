"""Gauges that are read at a scrape: runs and clients by state, queue, disk, memory for updates, what works."""

import logging
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from federation.protocol.tls.certificates import ServerTls
from federation.run.states import RunState
from federation.server.flower_server import FlowerServer
from webapp.db.database import Database
from webapp.db.repository.clients import list_admissions
from webapp.db.repository.queue.order import queue_lengths
from webapp.db.repository.runs import count_by_state
from webapp.operations.event_hub import EventHub
from webapp.operations.views import ClientState, client_state

log = logging.getLogger(__name__)

CLIENT_KINDS = ("client", "supernode")


class StateCollector(Collector):
    """Reads the present state; without the database, all but what the database knows."""

    def __init__(
        self, database: Database, flower: FlowerServer, event_hub: EventHub, data_dir: Path, tls: ServerTls | None
    ) -> None:  # fmt: skip
        self._database, self._flower, self._event_hub = database, flower, event_hub
        self._data_dir, self._tls = data_dir, tls

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges."""
        stored: list[GaugeMetricFamily] = []
        try:
            stored = self._stored()
        except Exception as error:  # whatever is wrong with it, the other metrics are needed now
            log.warning("metrics of the database are missing: %s", error)
        yield _gauge("meadow_database_up", "Whether the database answers.", bool(stored))
        yield from stored
        yield _gauge("meadow_flower_server_up", "Whether clients can connect.", self._flower.is_running)
        yield _gauge("meadow_event_streams", "Open event streams of browsers.", self._event_hub.stream_count)
        lane = self._flower.lane.snapshot()
        yield _gauge("meadow_tasks_open", "Tasks that clients work on.", lane.assignments)
        yield _gauge("meadow_reply_budget_bytes", "In-flight update budget.", lane.budget_bytes)
        yield _gauge("meadow_reply_budget_used_bytes", "Bytes of the budget that are in use.", lane.used_bytes)
        yield self._certificates()
        objects = self._flower.fleet_objects
        yield _gauge("meadow_fleet_objects", "Objects in memory for SuperNodes: messages, weights, replies.", objects)
        yield from self._disk()

    def _stored(self) -> list[GaugeMetricFamily]:
        with self._database.read() as session:
            by_state, clients = count_by_state(session), list_admissions(session)
            free, held = queue_lengths(session)
        runs = GaugeMetricFamily("meadow_runs", "Runs by state.", labels=["state"])
        for state in RunState:
            if state is not RunState.DELETED:
                runs.add_metric([state], by_state.get(state, 0))
        queued = GaugeMetricFamily("meadow_queue_length", "Queued runs; held: a person must start it.", labels=["held"])
        queued.add_metric(["false"], free)
        queued.add_metric(["true"], held)
        live = self._flower.live_clients()
        amounts = Counter((client_state(one, live.get(one.id)), one.kind) for one in clients)
        known = GaugeMetricFamily("meadow_clients", "Clients by state and kind.", labels=["state", "kind"])
        for state_of_client in get_args(ClientState):
            for kind in CLIENT_KINDS:
                known.add_metric([state_of_client, kind], amounts[state_of_client, kind])
        return [runs, queued, known]

    def _certificates(self) -> GaugeMetricFamily:
        """Return when the certificates in use expire; no sample without TLS."""
        name, text = "meadow_tls_certificate_expiry_timestamp_seconds", "Unix time at which a certificate expires."
        expiry = GaugeMetricFamily(name, text, labels=["certificate"])
        if self._tls is not None:
            used = self._tls.certificate
            for label, one in (("server", used.leaf), ("ca", used.authority)):
                if one is not None:
                    expiry.add_metric([label], one.not_valid_after_utc.timestamp())
        return expiry

    def _disk(self) -> Iterator[GaugeMetricFamily]:
        try:
            usage = shutil.disk_usage(self._data_dir)
        except OSError:
            return
        yield _gauge("meadow_disk_free_bytes", "Free space on the volume of the data directory.", usage.free)
        yield _gauge("meadow_disk_size_bytes", "Size of the volume of the data directory.", usage.total)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)
