"""What people do with a run that is there: pause, go on, resume, add rounds, leave a client out, let it in.

And what ends a wait: ask for fewer clients, wait longer, let a queued run start before the others.
"""

from datetime import datetime, timedelta

from federation.coordinator.supervisor import Control, Supervisor
from federation.run.config import RunConfig
from federation.run.states import ACTIVE, ENDED, RunState
from webapp.db.database import Database, Session
from webapp.db.repository import runs as table
from webapp.db.repository.clients import get_client
from webapp.db.repository.events import add_event
from webapp.db.tables import Run
from webapp.operations.rows import iso
from webapp.operations.runs import get_run, requeue_run
from webapp.problems import Conflict, NotFound

MAX_ROUNDS, MAX_CLIENTS, MAX_WAIT_SECONDS = 100_000, 10_000, 86_400
ASKS = frozenset({*ACTIVE, RunState.QUEUED}) - {RunState.STOPPING}
"""States of a run that still asks clients for something."""


class Steering:
    """Wishes of people, kept in the database and passed on to the active run."""

    def __init__(self, database: Database, supervisor: Supervisor) -> None:
        self._database, self._supervisor = database, supervisor

    def pause(self, run_id: int, by: str | None = None) -> None:
        """Pause a running run after the round that is under way; raises NotFound, Conflict."""
        with self._database.write() as session:
            run = get_run(session, run_id)
            if run.state != RunState.RUNNING:
                raise Conflict(f"Run {run_id} is {run.state}: only a running run can be paused.")
            table.set_values(session, run_id, pausing=True)
            self._say(session, run, "pause", by)
        self._active(run_id).pause()

    def go_on(self, run_id: int, by: str | None = None) -> None:
        """End a pause, or take back the wish for one; raises NotFound, Conflict."""
        with self._database.write() as session:
            run = get_run(session, run_id)
            waits_for_disk = (run.blocked_on or {}).get("kind") == "storage"
            if waits_for_disk or run.state not in ACTIVE or not (run.pausing or run.state == RunState.PAUSED):
                why = "waits for room on the disk" if waits_for_disk else f"is {run.state}"
                raise Conflict(f"Run {run_id} {why}: there is no pause to end.")
            table.set_values(session, run_id, pausing=False)
            self._say(session, run, "continue", by)
        self._active(run_id).go_on()

    def resume(self, run_id: int, by: str | None = None) -> None:
        """Let an ended run go on from its last committed round, or a queued one start that was held back."""
        with self._database.write() as session:
            run = get_run(session, run_id)
            if run.state == RunState.QUEUED and table.release_run(session, run_id):
                self._say(session, run, "resume", by)
            elif not table.is_resumable(run):
                raise Conflict(
                    f"Run {run_id} is {run.state}: only an interrupted, stopped or failed run can be resumed."
                )
            elif run.checkpoint is not None and run.current_round >= run.num_rounds:
                raise Conflict(f"Run {run_id} has done its {run.num_rounds} rounds: add rounds to it instead.")
            else:
                requeue_run(session, run, by)
        self._supervisor.wake()

    def add_rounds(self, run_id: int, count: int, by: str | None = None) -> None:
        """Let a run do so many rounds more; one that is over goes on with them."""
        with self._database.write() as session:
            run = get_run(session, run_id)
            if run.state == RunState.CANCELLED and not table.is_resumable(run):
                raise Conflict(f"Run {run_id} is cancelled and never began: start another one.")
            if run.state == RunState.STOPPING or run.num_rounds + count > MAX_ROUNDS:
                why = "is stopping" if run.state == RunState.STOPPING else f"may have at most {MAX_ROUNDS} rounds"
                raise Conflict(f"Run {run_id} {why}.")
            wanted = run.num_rounds + count
            table.set_values(session, run_id, num_rounds=wanted, config=run.config | {"num_rounds": wanted})
            self._say(session, run, "rounds", by, add=count, num_rounds=wanted)
            if run.state in ENDED:
                requeue_run(session, run, by)
            control = self._supervisor.control(run_id)
            if run.state in ACTIVE and control is not None and not control.add_rounds(count):
                raise Conflict(f"Run {run_id} has just done its last round: add rounds once it is completed.")
        self._supervisor.wake()

    def exclude(self, run_id: int, client_id: int, by: str | None = None) -> None:
        """Leave a client out of a run from the next round on."""
        self._change(run_id, client_id, "exclude", by)

    def include(self, run_id: int, client_id: int, by: str | None = None) -> None:
        """Let a client in again that was left out of a run or put aside."""
        self._change(run_id, client_id, "include", by)

    def _change(self, run_id: int, client_id: int, what: str, by: str | None) -> None:
        with self._database.write() as session:
            run = get_run(session, run_id)
            client = get_client(session, client_id)
            if client is None:
                raise NotFound(f"There is no client {client_id} to {what}.")
            if run.state in ENDED and not table.is_resumable(run):
                raise Conflict(f"Run {run_id} is {run.state}: nobody is asked any more.")
            if what == "include" and client.left_out:
                raise Conflict(f"{client.name} is left out of all runs: let it in there, on its own page.")
            left_out = set(run.excluded) | {client_id} if what == "exclude" else set(run.excluded) - {client_id}
            table.set_values(session, run_id, excluded=sorted(left_out))
            self._say(session, run, what, by, client_id=client_id, client=client.name)
            control = self._supervisor.control(run_id)
            if control is not None:
                (control.exclude if what == "exclude" else control.include)(client_id)

    def ask_for_clients(self, run_id: int, count: int, by: str | None = None) -> None:
        """Let a run do with so many clients, or ask for more from its next round on; raises NotFound, Conflict."""
        with self._database.write() as session:
            run = get_run(session, run_id)
            if run.state not in ASKS and not table.is_resumable(run):
                raise Conflict(f"Run {run_id} is {run.state}: nobody is asked any more.")
            config = RunConfig.model_validate(run.config)
            if count < config.clients_needed:
                needed = f"{run.strategy} with these options needs {config.clients_needed} clients"
                raise Conflict(f"{needed}: {count} would not do.")
            if count == config.min_clients:
                return
            table.set_values(session, run_id, config=run.config | {"min_clients": count})
            self._say(session, run, "min_clients", by, min_clients=count)
        self._supervisor.heed(run_id)

    def wait_longer(self, run_id: int, seconds: int, by: str | None = None) -> None:
        """Move the deadline by which a run's clients must be here; raises NotFound, Conflict."""
        with self._database.write() as session:
            run, control = get_run(session, run_id), self._supervisor.control(run_id)
            waits = run.blocked_on or {}
            deadline = waits.get("deadline") if "wait" in waits.get("actions", ()) else None
            if deadline is None or control is None or not control.wait_longer(seconds):
                raise Conflict(f"Run {run_id} does not wait for its clients now: there is no deadline to move.")
            waits = waits | {"deadline": iso(datetime.fromisoformat(deadline) + timedelta(seconds=seconds))}
            table.set_blocked_on(session, run_id, waits)
            self._say(session, run, "wait", by, seconds=seconds, blocked_on=waits)

    def move_to_front(self, run_id: int, by: str | None = None) -> None:
        """Let a queued run start before the others; raises NotFound, Conflict."""
        with self._database.write() as session:
            run = get_run(session, run_id)
            if run.state != RunState.QUEUED:
                raise Conflict(f"Run {run_id} is {run.state}: only a queued run can be moved to the front.")
            if table.move_to_front(session, run_id):
                self._say(session, run, "front", by)

    def _active(self, run_id: int) -> Control:
        control = self._supervisor.control(run_id)
        if control is None:
            raise Conflict(f"Run {run_id} has just ended.")
        return control

    @staticmethod
    def _say(session: Session, run: Run, asked: str, by: str | None, **more: object) -> None:
        data = {
            "state": run.state,
            "reason": run.reason,
            "blocked_on": run.blocked_on,
            "asked": asked,
            "by": by,
            **more,
        }
        add_event(session, "run", data, run_id=run.id)
