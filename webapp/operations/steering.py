"""What people do to a run that exists: pause, resume, stop, add rounds, exclude a client; and what ends a wait.

Each request is written to the database, with an event, and then passed on to the active run, which needs no database
for that: a run is told of nothing that is not stored. Running the rounds is the supervisor's business.
"""

from datetime import datetime, timedelta

from federation.coordinator.supervisor import Control, Supervisor
from federation.run.config import MAX_ROUNDS
from federation.run.states import ACTIVE, ENDED, RunState
from webapp.db.database import Database
from webapp.db.repository import runs as table
from webapp.db.repository.queue.order import move_to_front, release_run
from webapp.db.tables import Client
from webapp.operations.rows import iso
from webapp.operations.run_moves import add_request_event, get_run, requeue_run, require_weights
from webapp.operations.run_requests import stored_config
from webapp.problems import Conflict, NotFound

MAX_WAIT_SECONDS = 86_400
SAMPLING_STATES = frozenset({*ACTIVE, RunState.QUEUED}) - {RunState.STOPPING}
"""States of a run that still sends tasks to clients, or will."""


class Steering:
    """The requests of people to runs. Every method may be called from any thread, and raises NotFound or Conflict.

    The API's calls have the names of the methods and their docstrings as descriptions.
    """

    def __init__(self, database: Database, supervisor: Supervisor, by: str | None = None) -> None:
        self._database, self._supervisor, self._by = database, supervisor, by

    def acting_for(self, by: str) -> "Steering":
        """Return the same for one person, whose name the events of runs tell."""
        return Steering(self._database, self._supervisor, by)

    def pause_run(self, run_id: int) -> None:
        """Pause a running run after the current round. Clients stay connected."""
        with self._database.write() as session:
            run = get_run(session, run_id)
            if run.state != RunState.RUNNING or run.network == "app":
                why = "of a Flower App, which brings its own loop" if run.network == "app" else run.state
                raise Conflict(f"Run {run_id} is {why}: only a running run can be paused.")
            control = self._active(run_id)
            table.set_values(session, run_id, pausing=True)
            add_request_event(session, run, "pause", self._by)
        control.pause()

    def continue_run(self, run_id: int) -> None:
        """Resume a paused run, or cancel a requested pause."""
        with self._database.write() as session:
            run = get_run(session, run_id)
            waits_for_disk = (run.blocked_on or {}).get("kind") == "storage"
            if waits_for_disk or run.state not in ACTIVE or not (run.pausing or run.state == RunState.PAUSED):
                why = "waits for free disk space" if waits_for_disk else f"is {run.state}"
                raise Conflict(f"Run {run_id} {why}: only a paused run can be continued.")
            control = self._active(run_id)
            table.set_values(session, run_id, pausing=False)
            add_request_event(session, run, "continue", self._by)
        control.end_pause()

    def resume_run(self, run_id: int) -> None:
        """Queue an interrupted, stopped or failed run again, or one that a stop rule has ended, to continue after its
        last completed round; or release a queued run that is held since a restart."""
        with self._database.write() as session:
            run = get_run(session, run_id)
            require_weights(run)
            if run.state == RunState.QUEUED and release_run(session, run_id):
                table.set_values(session, run_id, resumed_by=self._by)
                add_request_event(session, run, "resume", self._by)
            elif not table.is_resumable(run):
                raise Conflict(
                    f"Run {run_id} is {run.state}: only an interrupted, stopped or failed run "
                    "can be resumed, or one that a stop rule has ended."
                )
            elif run.checkpoint is not None and run.current_round >= run.num_rounds:
                raise Conflict(f"Run {run_id} has completed its {run.num_rounds:,} rounds: add rounds instead.")
            else:
                stored_config(run)  # raises where it could only fail at once
                requeue_run(session, run, self._by)
        self._supervisor.wake()

    def stop_run(self, run_id: int) -> None:
        """Stop an active run within two seconds, or cancel a queued one. Completed rounds and the weights are kept."""
        with self._database.read() as session:
            state = get_run(session, run_id).state
        if state in ENDED:
            raise Conflict(f"Run {run_id} is {state} already: only a queued or an active run can be stopped.")
        if not self._supervisor.stop(run_id, self._by):
            with self._database.read() as session:
                state = get_run(session, run_id).state
            if state not in (RunState.STOPPED, RunState.CANCELLED):  # otherwise another person was quicker
                raise Conflict(f"Run {run_id} is {state}: the state changed during the request.")

    def add_rounds(self, run_id: int, count: int) -> None:
        """Add rounds; an ended run is queued again to continue."""
        with self._database.write() as session:
            run = get_run(session, run_id)
            require_weights(run)
            if run.network == "app":
                raise Conflict(f"Run {run_id} is of a Flower App, whose settings say how many rounds it does.")
            if run.kind != "training":
                raise Conflict(f"Run {run_id} trains nothing: it has no rounds.")
            if run.state == RunState.CANCELLED and not table.is_resumable(run):
                raise Conflict(f"Run {run_id} is cancelled and has no rounds: start a new run.")
            if run.state == RunState.STOPPING or run.num_rounds + count > MAX_ROUNDS:
                why = "is stopping" if run.state == RunState.STOPPING else f"may have at most {MAX_ROUNDS:,} rounds"
                raise Conflict(f"Run {run_id} {why}.")
            stored_config(run)
            wanted = run.num_rounds + count
            table.set_values(session, run_id, num_rounds=wanted, config=run.config | {"num_rounds": wanted})
            add_request_event(session, run, "rounds", self._by, add=count, num_rounds=wanted)
            if run.state in ENDED:
                requeue_run(session, run, self._by)
        if (control := self._supervisor.control(run_id)) is not None:
            control.raise_rounds(wanted)
        self._supervisor.wake()

    def exclude_client(self, run_id: int, client_id: int) -> None:
        """Exclude a client from this run, from the next round on."""
        self._change(run_id, client_id, "exclude")

    def include_client(self, run_id: int, client_id: int) -> None:
        """Include a client again that was excluded from this run, or suspended after rejected updates."""
        self._change(run_id, client_id, "include")

    def _change(self, run_id: int, client_id: int, request: str) -> None:
        with self._database.write() as session:
            run = get_run(session, run_id)
            client = session.get(Client, client_id)
            if client is None:
                raise NotFound(f"There is no client {client_id} to {request}.")
            if run.state in ENDED and not table.is_resumable(run):
                raise Conflict(f"Run {run_id} is {run.state}: no more clients are sampled.")
            if request == "include" and client.left_out:
                raise Conflict(f"{client.name} is excluded from all runs: include the client on the Clients page.")
            excluded = set(run.excluded) | {client_id} if request == "exclude" else set(run.excluded) - {client_id}
            table.set_values(session, run_id, excluded=sorted(excluded))
            add_request_event(session, run, request, self._by, client_id=client_id, client=client.name)
        self._supervisor.reload_participation(run_id, client_id if request == "include" else None)

    def ask_for_clients(self, run_id: int, count: int) -> None:
        """Set the minimum clients per round: a lower minimum applies at once, a higher one from the next round on."""
        with self._database.write() as session:
            run = get_run(session, run_id)
            if run.state not in SAMPLING_STATES and not table.is_resumable(run):
                raise Conflict(f"Run {run_id} is {run.state}: no more clients are sampled.")
            config = stored_config(run)
            if count < config.clients_needed:
                needed = f"{run.strategy} with these options needs {config.clients_needed:,} clients"
                raise Conflict(f"{needed}, the minimum cannot be {count}.")
            if config.max_clients is not None and count > config.max_clients:
                raise Conflict(
                    f"Run {run_id} takes at most {config.max_clients:,} clients, the minimum cannot be {count:,}."
                )
            if count == config.min_clients:
                return
            table.set_values(session, run_id, config=run.config | {"min_clients": count})
            add_request_event(session, run, "min_clients", self._by, min_clients=count)
        self._supervisor.reload_participation(run_id)

    def wait_longer(self, run_id: int, seconds: int) -> None:
        """Extend the client wait timeout of a run that waits for clients."""
        with self._database.write() as session:
            run, control = get_run(session, run_id), self._supervisor.control(run_id)
            waits = run.blocked_on or {}
            deadline = waits.get("deadline") if "wait" in waits.get("actions", ()) else None
            if deadline is None or run.deadline_at is None or control is None:
                raise Conflict(f"Run {run_id} is not waiting for clients: there is no timeout to extend.")
            waits = waits | {"deadline": iso(datetime.fromisoformat(deadline) + timedelta(seconds=seconds))}
            table.set_blocked_on(session, run_id, waits, run.deadline_at + seconds)
            add_request_event(session, run, "wait", self._by, seconds=seconds, blocked_on=waits)
        if not control.wait_longer(seconds):
            raise Conflict(f"Run {run_id} has just ended its wait for clients.")

    def move_to_front(self, run_id: int) -> None:
        """Move a queued run to the front of the queue. A run that is held since a restart stays held."""
        with self._database.write() as session:
            run = get_run(session, run_id)
            if run.state != RunState.QUEUED:
                raise Conflict(f"Run {run_id} is {run.state}: only a queued run can be moved to the front.")
            if move_to_front(session, run_id):
                add_request_event(session, run, "front", self._by)
        self._supervisor.look_again()

    def _active(self, run_id: int) -> Control:
        control = self._supervisor.control(run_id)
        if control is None:
            raise Conflict(f"Run {run_id} has just ended.")
        return control
