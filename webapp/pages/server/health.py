"""The Server page: the health of the server, what blocks the next round, versions, storage and settings."""

import platform
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from sqlalchemy.orm import Session

from federation.protocol.addresses import is_loopback
from federation.run.states import RunState
from federation.server.flower_server import LiveClient
from webapp.db.repository.clients import list_clients, pending_clients
from webapp.db.repository.queue.order import queued_runs
from webapp.db.repository.storage import Storage, storage_of
from webapp.db.tables import Run
from webapp.formatting import clock, count, plural, size
from webapp.operations.connections.incidents import Incident
from webapp.operations.files.retention import Removal
from webapp.pages.clients.warnings import runs_ahead
from webapp.pages.experiments.index import ExperimentLine, open_experiments
from webapp.pages.join_command import Join
from webapp.pages.server.blockers import Obstacle, obstacles
from webapp.pages.server.certificate import certificate_lines, certificate_obstacles
from webapp.pages.server.files import file_lines, retention_text
from webapp.pages.wording import STATES, run_numbers
from webapp.parts import Parts
from webapp.settings import Settings

LANES = {"stream": "Meadow clients", "fleet": "Flower SuperNodes"}
LANE_STATES = ("online", "stale", "pending")


@dataclass(frozen=True, slots=True)
class Health:
    """All that the Server page shows."""

    headline: str
    detail: str
    state: str
    word: str
    uptime_seconds: float
    obstacles: list[Obstacle]
    lanes: list[tuple[str, list[int]]]
    """Kinds of clients with the numbers of their connections by state."""
    busy: int
    streams: int
    queue: Sequence[Run]
    experiments: list[ExperimentLine]
    storage: Storage
    files: list[tuple[str, int, int, str]]
    """Kinds of files with their number, their size, and the rule by which they are deleted."""
    removals: list[Removal]
    free_bytes: int | None
    whole_bytes: int | None
    incidents: list[Incident]
    addresses: list[tuple[str, str]]
    settings: list[tuple[str, str]]
    versions: list[tuple[str, str]]

    @property
    def connected(self) -> int:
        """How many clients are connected, those that wait for approval among them."""
        return sum(sum(amounts) for _, amounts in self.lanes)


def health(session: Session, parts: Parts, live: Mapping[int, LiveClient], join: Join, here: str) -> Health:
    """Gather the Server page; ``here`` is the address that the reader uses."""
    free, whole = _disk(parts)
    storage = storage_of(session)
    found = certificate_obstacles(parts.tls) + obstacles(
        session, live, flower_runs=parts.flower.is_running, free_bytes=free, parallel_runs=parts.settings.parallel_runs
    )
    headline, detail, state, word = _sentence(runs_ahead(session), found, len(live))
    return Health(
        headline, detail, state, word, parts.uptime_seconds, found, _lanes(session, live),
        sum(one.task is not None and one.task.task != "sent" for one in live.values()), parts.event_hub.stream_count,
        queued_runs(session), open_experiments(session), storage, file_lines(session, parts),
        list(parts.deletion.retention.newest), free, whole,
        parts.incidents.newest(),
        [("Dashboard", here), ("Flower server", join.server), ("API", f"{here}/docs"),
         ("Data directory", str(parts.settings.data_dir.resolve())), *certificate_lines(parts.settings, parts.tls)],
        _settings(parts, session),
        [("Meadow", version("meadow")), ("flwr", version("flwr")), ("Python", platform.python_version()),
         (storage.kind, storage.version), ("Client protocol", "meadow.1")],
    )  # fmt: skip


def _sentence(ahead: Sequence[Run], found: Sequence[Obstacle], connected: int) -> tuple[str, str, str, str]:
    """Return headline, detail, and glyph and word of the state."""
    grave = [one for one in found if one.state == "failed"]
    if grave:
        return "Meadow needs attention", grave[0].text, "failed", "Needs attention"
    clients, run = f"{plural(connected, 'client')} connected", next(iter(ahead), None)
    if len(ahead) > 1:
        return "Server healthy", f"Active: {run_numbers([one.id for one in ahead])}, {clients}.", "ok", "Healthy"
    if run is not None and run.state == RunState.RUNNING and (run.blocked_on or {}).get("kind") != "quorum":
        number = min(run.current_round + 1, run.num_rounds)
        what = f"Round {count(number)} of {count(run.num_rounds)}" if run.num_rounds else run.kind.capitalize()
        detail = f"{what} of #{run.id} in progress, {clients}."
        return "Server healthy", detail, "ok", "Healthy"
    if run is not None and run.state != RunState.QUEUED:
        state = run.state if run.state in (RunState.PAUSED, RunState.STOPPING) else RunState.WAITING
        return f"#{run.id} {run.name} is {state}", f"Server healthy, {clients}.", state, STATES[state]
    what = "a run is queued" if run is not None else "no tasks running"
    return "Server healthy, idle", f"{clients.capitalize()}, {what}.", "idle", "Idle"


def _lanes(session: Session, live: Mapping[int, LiveClient]) -> list[tuple[str, list[int]]]:
    pending = {client.id for client in list_clients(session) if client.state == "pending"}
    amounts: Counter[tuple[str, str]] = Counter(
        (one.lane, "pending" if one.client_id in pending else one.state) for one in live.values()
    )
    return [(name, [amounts[lane, state] for state in LANE_STATES]) for lane, name in LANES.items()]


def _disk(parts: Parts) -> tuple[int | None, int | None]:
    try:
        usage = shutil.disk_usage(parts.settings.data_dir)
    except OSError:
        return None, None
    return usage.free, usage.total


def _settings(parts: Parts, session: Session) -> list[tuple[str, str]]:
    said, pending = parts.settings, len(pending_clients(session))
    lane = parts.flower.lane.snapshot()
    budget = f"{size(lane.budget_bytes)}, {size(lane.used_bytes)} in use"
    room = f", {count(pending)} of at most {count(said.max_pending)} clients pending"
    room = room if pending or said.admission_rule == "approve" else ""
    return [
        ("Accounts", "local mode" if parts.accounts.is_local else plural(parts.accounts.people.count(), "account")),
        ("Public URL", said.public_url or "none"),
        ("Admission", f"{said.admission_rule}{room}; {why_admission(said)}"),
        ("Maximum update size", size(said.max_reply_bytes)), ("In-flight update budget", budget),
        ("Checkpoints kept per run", f"latest {said.keep_checkpoints} and the best"), ("Best metric", said.best_metric),
        ("Checkpoints and events kept", retention_text(said) or "of all runs"),
        ("Auto-resume", "on" if said.auto_resume else "off"), ("Active runs", f"up to {said.parallel_runs} at a time"),
        ("MLflow", _mlflow_text(parts, session)), ("TensorBoard", _tensorboard_text(parts)),
        ("Simulated clients", _simulated_text(said)),
        ("Flower Apps", _apps_text(said)), ("Log level", said.log_level),
    ]  # fmt: skip


def _mlflow_text(parts: Parts, session: Session) -> str:
    """Say where runs are sent, and why they are not."""
    if not parts.mlflow.url:
        return "off"
    failure = parts.mlflow.failure(session)
    if failure is None:
        return parts.mlflow.url
    return f"{parts.mlflow.url}, failing: {failure[0]}; next try {clock(failure[1])}"


def _tensorboard_text(parts: Parts) -> str:
    """Say where event files are written, and why they are not."""
    if parts.settings.tensorboard_dir is None:
        return "off"
    folder, problem = parts.settings.tensorboard_dir.resolve(), parts.tensorboard.problem
    return f"{folder}, not written: {problem}" if problem else str(folder)


def _simulated_text(said: Settings) -> str:
    if not said.demo_clients:
        return "off"
    apps = f"; apps: {', '.join(said.app_client_modules)}" if said.app_clients else ""
    return f"up to {count(said.demo_clients)}{apps}"


def _apps_text(said: Settings) -> str:
    if not said.apps:
        return "off"
    memory = f"{said.app_memory_megabytes:,} MB" if said.app_memory_megabytes else "half"
    room = f"{said.app_disk_megabytes:,} MB of disk, {memory} of the memory"
    command = "; the flwr command is answered" if said.flwr_cli else ""
    return f"on; a run may use {room}, {said.app_processes:,} processes{command}"


def why_admission(settings: Settings) -> str:
    """Say why the rule of admission holds."""
    if settings.admission is not None:
        return "set by --admission"
    others = "only this machine reaches" if is_loopback(settings.flower_host) else "other machines reach"
    return f"since {others} the Flower port"
