"""Where database and supervisor meet: the ledger of the federation side, and what people do with runs."""

import logging
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import BinaryIO

from federation.coordinator.supervisor import Job, Participation, Supervisor, UploadedWeights, UploadUnusable
from federation.run.config import RunConfig
from federation.run.events import Blocked, Checkpoint, Event
from federation.run.metric_goals import BestRound, decisive_metric
from federation.run.rounds.stop_rules import StopRule
from federation.run.states import ACTIVE, ENDED, RunState, sources
from webapp.db.database import Database, Session
from webapp.db.repository import runs as table
from webapp.db.repository.clients import excluded_clients
from webapp.db.repository.events import add_event
from webapp.db.repository.queue import order
from webapp.db.repository.queue.experiments import runs_to_continue, settle_experiment
from webapp.db.repository.rounds import recent_seconds
from webapp.db.repository.run_list import RunFilter, find_runs
from webapp.db.repository.transfer.writing import abandon_imports
from webapp.db.tables import Run
from webapp.operations.apps.runs import accept_app
from webapp.operations.apps.store import Apps
from webapp.operations.evaluation.requests import committed_round, with_weights
from webapp.operations.files.deletion import RunDeletion
from webapp.operations.own_data.agreed import agreed_schema
from webapp.operations.recorder import Recorder
from webapp.operations.rows import iso
from webapp.operations.run_moves import get_run, lost_words, move_run, problems_of, queue_run, requeue_first
from webapp.operations.run_requests import accept_config, past_of, stored_config
from webapp.operations.views import RunView, run_view
from webapp.problems import Conflict, Invalid, not_stored

log = logging.getLogger(__name__)


class Runs:
    """The runs of this dashboard. ``supervise`` gives it the supervisor, which needs it to be made."""

    def __init__(self, database: Database, recorder: Recorder, deletion: RunDeletion, best_metric: str) -> None:
        self._database, self._recorder, self._deletion, self._best_metric = database, recorder, deletion, best_metric
        self._supervisor: Supervisor | None = None
        self._apps: Apps | None = None

    def supervise(self, supervisor: Supervisor, apps: Apps | None = None) -> None:
        """Learn who works on the runs, and where the apps of some are."""
        self._supervisor, self._apps = supervisor, apps

    # -- the ledger: what the supervisor and the run's thread ask and tell -----------------------------------------

    def next_queued(self) -> Job | None:
        """Return the first queued run that nothing holds back. One that this release cannot read fails."""
        while True:
            with self._database.read() as session:
                run = order.next_to_start(session)
            if run is None:
                return None
            try:
                return self._job(run)
            except Conflict as error:
                log.warning("run %s cannot start: %s", run.id, error)
                with self._database.write() as session:  # two moves: a run fails only after its start
                    if move_run(session, run.id, RunState.WAITING):
                        move_run(session, run.id, RunState.FAILED, error.sentence)

    def _job(self, run: Run) -> Job:
        done, config = run.checkpoint, stored_config(run)
        with self._database.read() as session:
            past, agreed = past_of(session, run, config), agreed_schema(session, run.id)
            committed = committed_round(session, run)
        known, at_server = run.best_metrics, config.server_evaluation != "off"
        best = BestRound.of(known.get(decisive_metric(self._best_metric, at_server, known)))
        saved = Checkpoint(done["file"], done["sha256"], done["size_bytes"]) if done else None
        return Job(run.id, config, run.num_rounds, committed, saved, best, past, agreed)

    def read_state(self, run_id: int) -> RunState | None:
        """Return the state of a run; None if there is no such run."""
        with self._database.read() as session:
            run = table.get_run(session, run_id)
            return RunState(run.state) if run is not None else None

    def read_num_rounds(self, run_id: int) -> int:
        """Return how many rounds people want of a run by now."""
        with self._database.read() as session:
            run = table.get_run(session, run_id)
            return run.num_rounds if run is not None else 0

    def read_participation(self, run_id: int) -> Participation:
        """Return how few clients people let a run do with by now, and whom they exclude from it or from all runs."""
        with self._database.read() as session:
            run = get_run(session, run_id)
            return Participation(int(run.config["min_clients"]), frozenset({*run.excluded, *excluded_clients(session)}))

    def move(
        self, run_id: int, to: RunState, reason: str | None = None, by: str | None = None,
        blocked: Blocked | None = None, rule: StopRule | None = None,
    ) -> bool:  # fmt: skip
        """Move a run to a state, where its present one allows it; False changes nothing.

        A completed run that has been given more rounds meanwhile is queued again, as the first.
        """
        if to in ENDED:
            self._recorder.end_run(run_id)
        if to == RunState.COMPLETED:
            with self._database.read() as session:  # not in the transaction: others write meanwhile
                reason = ". ".join(filter(None, (reason, problems_of(session, run_id)))) or None
        with self._database.write() as session:
            if to == RunState.WAITING and order.is_held_back(session, run_id):
                return False  # its experiment was paused when the run was chosen already
            moved = move_run(session, run_id, to, reason, by, blocked, rule)
            is_whole = moved and to == RunState.COMPLETED and rule is None
            run = get_run(session, run_id) if is_whole else None
            if run is not None and run.network != "app" and run.current_round < run.num_rounds:
                requeue_first(session, [run])
            return moved

    def record(self, event: Event) -> None:
        """Keep what a run tells."""
        self._recorder.record(event)

    def flush(self, run_id: int) -> None:
        """Write the replies of a run that wait for their round."""
        self._recorder.flush(run_id)

    # -- start-up ---------------------------------------------------------------------------------------------------

    def restore(self, *, resume: bool = False) -> list[int]:
        """Say what became of the runs that a process before this one left behind; queued ones wait for a person.

        Returns the ids of the runs that it resumed.

        With ``resume`` no user is waited for: interrupted runs are resumed first, then the queue starts, with
        runs that an earlier start held back. A run that a person had paused stays for that person to resume.
        Experiments that run go on by themselves, also without ``resume``.
        """
        with self._database.write() as session:
            table.end_measurements(session)
            abandon_imports(session)
            for run in table.runs_in(session, ACTIVE):
                if run.state == RunState.STOPPING:
                    move_run(session, run.id, RunState.STOPPED, "The server was stopped while the run was stopping.")
                elif run.checkpoint is not None and run.current_round >= run.num_rounds:
                    reason = problems_of(session, run.id) or "The server was restarted after its last round."
                    move_run(session, run.id, RunState.COMPLETED, reason)
                else:
                    move_run(session, run.id, RunState.INTERRUPTED, lost_words(run))
            session.expire_all()
            resumed = list(runs_to_continue(session))
            requeue_first(session, resumed, "experiment")
            if resume:
                order.release_queue(session)
                interrupted = table.left_by_last_process(session)
                requeue_first(session, interrupted, "--auto-resume")
                resumed += interrupted
            else:
                order.hold_queue(session, {
                    "kind": "held",
                    "sentence": "The server was restarted while this run was queued; press Start now to start it",
                    "since": iso(datetime.now(UTC)), "deadline": None, "actions": ["resume", "stop"],
                })  # fmt: skip
        return [run.id for run in resumed]

    # -- what people do ---------------------------------------------------------------------------------------------

    def list(self, states: Collection[RunState], q: str, limit: int, offset: int) -> tuple[list[RunView], int]:
        """Return a page of runs, newest first, and how many there are."""
        with self._database.read() as session:
            rows, total = find_runs(session, RunFilter(states, q, archived=None), limit, offset)
            return _views(session, rows), total

    def show(self, run_id: int) -> RunView:
        """Return one run; raises NotFound."""
        with self._database.read() as session:
            return _views(session, [get_run(session, run_id)])[0]

    def create(self, config: RunConfig, by: str | None = None) -> RunView:
        """Queue a run; it starts at once if it is the first of the queue and may start beside the active ones.

        ``config`` may be a ``RunRequest``, whose names of clients become ids. Raises Invalid for text that no table
        holds, and for a client that cannot be found; Conflict for an app that is not approved.
        """
        config = accept_app(self._apps, config) if config.network == "app" and self._apps is not None else config
        files = self._supervisor.files if self._supervisor is not None else None
        config, schema = with_weights(self._database, files, config)
        with self._database.write() as session:
            run_id = queue_run(session, self.accept(session, config), by, agreed_schema=schema)
        self.wake()
        return self.show(run_id)

    def accept(self, session: Session, config: RunConfig) -> RunConfig:
        """Return the configuration as a run may have it, see ``accept_config``."""
        supervisor = self._supervisor
        return accept_config(session, config, supervisor.files.uploads.holds if supervisor is not None else None)

    def wake(self) -> None:
        """Start the queued runs that may start."""
        if self._supervisor is not None:
            self._supervisor.wake()

    def delete(self, run_id: int, by: str | None = None) -> None:
        """Remove a run; not while it is active. Its rows and files go one part after the other, on another thread.

        Uploaded initial weights go with the last run that names them.
        """
        with self._database.write() as session:
            run = get_run(session, run_id)
            if table.move_run(session, run_id, RunState.DELETED, sources(RunState.DELETED), None) is None:
                raise Conflict(f"Run {run_id} is {run.state}: stop it before you delete it.")
            data = {"run_id": run_id, "state": RunState.DELETED, "reason": None, "blocked_on": None, "by": by}
            add_event(session, "run", data)
            if run.experiment_id is not None:
                settle_experiment(session, run.experiment_id)
        self._deletion.wake()
        with self._database.write() as session:
            upload = run.config.get("initial_weights")
            if isinstance(upload, str) and upload not in table.named_uploads(session) and self._supervisor is not None:
                self._supervisor.files.uploads.delete(upload)

    def keep_upload(self, packed: BinaryIO, max_bytes: int) -> UploadedWeights:
        """Keep an uploaded .npz as initial weights; raises Invalid, and a Problem if the disk does not take it.

        Of the uploads that no run names, only the newest stay. They are deleted in a transaction, because one that
        creates a run looks whether its upload is there.
        """
        assert self._supervisor is not None
        uploads = self._supervisor.files.uploads
        try:
            kept = uploads.keep(packed, max_bytes)
        except UploadUnusable as error:
            raise Invalid("file", str(error)) from error
        except OSError as error:
            raise not_stored("The weights cannot be stored", error) from error
        with self._database.write() as session:
            uploads.delete_unnamed(table.named_uploads(session))
        return kept


def _views(session: Session, runs: Sequence[Run]) -> list[RunView]:
    seconds = recent_seconds(session, [run.id for run in runs if run.state in ACTIVE])
    queue = order.queue_ids(session) if any(run.state == RunState.QUEUED for run in runs) else ()
    return [run_view(run, queue, seconds.get(run.id, ())) for run in runs]
