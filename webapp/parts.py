"""The parts of a running dashboard: built in order at the start, closed in the opposite order."""

import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from federation.apps.process import AppLimits
from federation.coordinator.supervisor import AppParts, CheckpointPolicy, Supervisor
from federation.protocol.addresses import is_loopback as is_loopback_address
from federation.protocol.tls.certificates import ServerTls
from federation.server.flower_server import FlowerServer, Limits, Refusal
from webapp.accounts.accounts import Accounts
from webapp.certificates import proxy_certificates
from webapp.charts.series_cache import SeriesCache
from webapp.db.database import Database
from webapp.db.disk_reserve import DiskReserve
from webapp.db.instance_lock import InstanceLock, take_database
from webapp.db.migrations import migrate_to_head
from webapp.db.repository.events import last_event_id
from webapp.db.repository.upkeep.retention import RetentionLimits
from webapp.db.restore_watch import RestoreWatch
from webapp.descriptors import connection_bounds, open_files
from webapp.machine import memory_bytes
from webapp.operations.apps.runs import approved_app, node_app
from webapp.operations.apps.store import Apps
from webapp.operations.audit.attempts import SERVER, Actor, Attempt, Outcome
from webapp.operations.audit.log import AuditLog
from webapp.operations.clients import Clients
from webapp.operations.connections.admission import Admissions
from webapp.operations.connections.incidents import Incidents
from webapp.operations.connections.join_codes import JoinCodes
from webapp.operations.event_hub import EventHub
from webapp.operations.files.deletion import RunDeletion
from webapp.operations.files.prediction import Predictor
from webapp.operations.metrics.counters import Metrics
from webapp.operations.metrics.state import StateCollector
from webapp.operations.mlflow.export import Mlflow
from webapp.operations.notifications.service import Notifications
from webapp.operations.recorder import Recorder
from webapp.operations.runs import Runs
from webapp.operations.simulation.app_clients import AllowedApps
from webapp.operations.simulation.simulated_clients import SimulatedClients
from webapp.operations.steering import Steering
from webapp.operations.tensorboard.directory import TensorboardFolder
from webapp.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that handlers use, each of them from any thread."""

    settings: Settings
    database: Database
    event_hub: EventHub
    clients: Clients
    join_codes: JoinCodes
    runs: Runs
    steering: Steering
    flower: FlowerServer
    supervisor: Supervisor
    flower_address: tuple[str, int]
    incidents: Incidents
    simulation: SimulatedClients
    started: float
    instance_lock: InstanceLock
    deletion: RunDeletion
    metrics: Metrics
    accounts: Accounts
    admissions: Admissions
    tls: ServerTls | None
    audit: AuditLog
    notifications: Notifications
    mlflow: Mlflow
    tensorboard: TensorboardFolder
    restore_watch: RestoreWatch
    apps: Apps
    allowed_apps: AllowedApps
    series: SeriesCache = field(default_factory=SeriesCache)
    predictor: Predictor = field(default_factory=Predictor)

    @property
    def uptime_seconds(self) -> float:
        """How long this dashboard has been running."""
        return time.monotonic() - self.started

    def close(self) -> None:
        """End the active runs, then simulated clients and the Flower server, then the database."""
        self.database.end_soon()
        if not self.supervisor.shutdown():
            log.warning("an active run did not end in time; it will be interrupted at the next start")
        self.simulation.stop()
        self.flower.stop()
        self.simulation.wait()
        for part in (self.deletion, self.admissions, self.audit, self.notifications, self.mlflow, self.tensorboard,
                     self.restore_watch):  # fmt: skip
            part.stop()
        self.database.close()
        self.instance_lock.close()
        self.incidents.close()


def open_parts(
    settings: Settings, event_hub: EventHub, flower_socket: socket.socket, instance_lock: InstanceLock | None = None,
    metrics: Metrics | None = None, tls: ServerTls | None = None,
) -> Parts:  # fmt: skip
    """Migrate the database, end the runs that the last process left active, and start the Flower server.

    ``instance_lock`` is the database's, where the caller has taken it; raises DataInUse where another dashboard has it.
    """
    _make_folders(settings)
    instance_lock = instance_lock or take_database(settings.sqlalchemy_url, settings.lock_file)
    incidents, metrics = Incidents(), metrics or Metrics()
    incidents.open()
    database = _open_database(settings, event_hub, instance_lock, metrics)
    clients, join_codes = Clients(database, event_hub), JoinCodes(database)
    notifications = Notifications(settings, database, clients.online_ids)
    mlflow = Mlflow(settings, database, lambda: event_hub.newest_id)
    tensorboard = TensorboardFolder(settings, database, lambda: event_hub.newest_id)
    admissions = Admissions(database, settings.admission_rule, settings.max_pending, clients.online_ids, join_codes)
    deletion = RunDeletion(database, settings.runs_dir, RetentionLimits(settings.keep_runs, settings.keep_days))
    recorder = Recorder(database, event_hub.publish_progress, metrics.count_events)
    runs = Runs(database, recorder, deletion, settings.best_metric)
    audit = AuditLog(database)
    _restore(runs, audit, settings)
    apps = Apps(database, settings.apps_dir, is_on=settings.apps)
    flower = _flower_server(settings, flower_socket, admissions, clients, _refusals(incidents, audit), tls, apps)
    clients.attach_flower(flower)
    supervisor = _supervisor(settings, flower, runs, clients, apps)
    restore_watch = RestoreWatch(database, instance_lock)
    for part in (flower, supervisor, deletion, admissions, audit, notifications, mlflow, tensorboard, restore_watch):
        part.start()
    metrics.add(StateCollector(database, flower, event_hub, settings.data_dir, tls))
    metrics.add(mlflow.collector)
    simulation = _simulated_clients(settings, clients, address := flower_socket.getsockname()[:2], tls)
    return Parts(
        settings, database, event_hub, clients, join_codes, runs, Steering(database, supervisor), flower, supervisor,
        address, incidents, simulation, time.monotonic(), instance_lock, deletion, metrics,
        open_accounts(settings, database), admissions, tls, audit, notifications, mlflow, tensorboard,
        restore_watch, apps, AllowedApps(settings.app_client_modules, settings.app_client_data),
    )  # fmt: skip


def _flower_server(
    settings: Settings, sock: socket.socket, admissions: Admissions, clients: Clients,
    refused: Callable[[Refusal], None], tls: ServerTls | None, apps: Apps,
) -> FlowerServer:  # fmt: skip
    return FlowerServer(
        sock=sock, folder=settings.flower_dir, admit=admissions.admit, admit_node=admissions.admit_node,
        report=clients.handle_event, refused=refused, limits=_limits(settings), tls=tls,
        proxies=proxy_certificates(settings), find_app=partial(node_app, apps),
    )  # fmt: skip


def _refusals(incidents: Incidents, audit: AuditLog) -> Callable[[Refusal], None]:
    """Return what takes the clients that the Flower server refuses: for the Server page, and for the audit log."""

    def refuse(refusal: Refusal) -> None:
        incidents.refuse(refusal)
        audit.record_later(Attempt(
            Actor("client", refusal.name), "connect", Outcome.REFUSED, address=refusal.address, status=refusal.code,
            detail={"reason": refusal.reason},
        ))  # fmt: skip

    return refuse


def _restore(runs: Runs, audit: AuditLog, settings: Settings) -> None:
    for run_id in runs.restore(resume=settings.auto_resume):
        audit.record(Attempt(SERVER, "auto-resume", target=f"run {run_id}"))


def _simulated_clients(
    settings: Settings, clients: Clients, address: tuple[str, int], tls: ServerTls | None
) -> SimulatedClients:  # fmt: skip
    admit = clients.add_keys if settings.admission_rule != "open" else None
    ended = clients.record_simulation_end
    return SimulatedClients(settings.demo_dir, address, settings.demo_clients, ended, tls, admit)


def _make_folders(settings: Settings) -> None:
    for folder in (settings.data_dir, settings.runs_dir, settings.flower_dir):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _supervisor(settings: Settings, flower: FlowerServer, runs: Runs, clients: Clients, apps: Apps) -> Supervisor:
    policy = CheckpointPolicy(settings.keep_checkpoints, settings.best_metric)
    memory = settings.app_memory_megabytes
    limits = AppLimits(
        disk_bytes=settings.app_disk_megabytes * 2**20, processes=settings.app_processes,
        memory_bytes=memory_bytes() // 2 if memory is None else memory * 2**20,
    )  # fmt: skip
    supervisor = Supervisor(
        lane=flower.lane, ledger=runs, folder=settings.runs_dir, policy=policy,
        apps=AppParts(flower.apps, partial(approved_app, apps), limits), parallel_runs=settings.parallel_runs,
    )  # fmt: skip
    runs.supervise(supervisor, apps)
    clients.attach_supervisor(supervisor)
    return supervisor


def open_accounts(settings: Settings, database: Database) -> Accounts:
    """Return the accounts in a database."""
    is_loopback = all(map(is_loopback_address, (settings.host, *settings.extra_hosts))) and not settings.proxies
    accounts = Accounts(database, settings.data_dir, is_loopback=is_loopback, settings=settings)
    if accounts.is_local:
        log.info("local mode: there is no account, everyone on this machine has full access")
    return accounts


def _open_database(settings: Settings, event_hub: EventHub, instance_lock: InstanceLock, metrics: Metrics) -> Database:
    reserve, failed = DiskReserve(settings.data_dir / "reserve"), metrics.count_database_failure
    database = Database(settings.sqlalchemy_url, event_hub.publish, reserve, instance_lock, failed)
    migrate_to_head(database.engine)
    with database.read() as session:
        event_hub.newest_id = database.newest_event_id = last_event_id(session)
    return database


def _limits(settings: Settings) -> Limits:
    return Limits(
        budget_bytes=settings.reply_budget_bytes, max_reply_bytes=settings.max_reply_bytes,
        connections=connection_bounds(open_files(), settings.proxies)[1],
    )  # fmt: skip
