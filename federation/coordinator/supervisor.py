"""The queue and the threads of the active runs: one at a time, or several where their clients are disjoint."""

import logging
import threading
import time
from pathlib import Path

from structlog.contextvars import bind_contextvars

from federation.coordinator.apps.host import AppNotApproved, AppParts
from federation.coordinator.apps.run import FOLDER as APP_FOLDER
from federation.coordinator.apps.run import AppRun
from federation.coordinator.control import Control
from federation.coordinator.ledger import Job, Ledger, Participation
from federation.coordinator.loops.evaluation import EvaluationLoop
from federation.coordinator.loops.run_end import RunEnd
from federation.coordinator.loops.statistics import StatisticsLoop
from federation.coordinator.loops.training import RunLoop
from federation.coordinator.queue.active_runs import ActiveRun, ActiveRuns
from federation.coordinator.queue.queue_thread import QueueThread, Request
from federation.coordinator.retrying_ledger import RETRY_SECONDS, RetryingLedger
from federation.coordinator.run_context import RunContext
from federation.evaluation.evaluator import ServerEvaluator
from federation.run.events import StoreUnavailable
from federation.run.fields.kinds import RunKind
from federation.run.states import RunState
from federation.storage.checkpoint_policy import CheckpointPolicy
from federation.storage.checkpoints import CheckpointDamaged, CheckpointsMissing, ExportForm, read_layout
from federation.storage.initial_weights import KEPT_NETWORKS, NetworkNotBuilt
from federation.storage.kept_files import FileKind, KeptFiles
from federation.storage.keras_export import KEPT_EXPORTS
from federation.storage.uploads import KEPT_UPLOADS, UploadedWeights, UploadUnusable, read_npz
from federation.transport.lane import StreamLane

log = logging.getLogger(__name__)

__all__ = [
    "APP_FOLDER", "KEPT_EXPORTS", "KEPT_NETWORKS", "KEPT_UPLOADS", "AppNotApproved", "AppParts", "CheckpointDamaged",
    "CheckpointPolicy", "CheckpointsMissing", "Control", "ExportForm", "FileKind", "Job", "KeptFiles",
    "NetworkNotBuilt", "Participation", "Supervisor", "UploadUnusable", "UploadedWeights", "read_layout", "read_npz",
]  # fmt: skip

LOOPS: dict[RunKind, type[RunLoop | EvaluationLoop | StatisticsLoop]] = {
    "training": RunLoop, "evaluation": EvaluationLoop, "statistics": StatisticsLoop,
}  # fmt: skip


class Supervisor:
    """Starts queued runs in their order and passes requests on to the active ones.

    ``parallel_runs`` may be active at a time. The first run of the queue starts beside others as soon as enough clients
    that fit it belong to none of them; no later one overtakes it.

    Every method may be called on any thread. ``folder`` holds a folder for each run. The thread ``queue`` alone starts
    and stops runs, one request after the other; what a run's state is between is written by the run's own thread. No
    lock is held while the store is asked, so a slow store delays nobody but those two threads.
    """

    def __init__(
        self, *, lane: StreamLane, ledger: Ledger, folder: Path, policy: CheckpointPolicy | None = None,
        evaluator: ServerEvaluator | None = None, apps: AppParts | None = None, parallel_runs: int = 1,
    ) -> None:  # fmt: skip
        self._apps = apps
        self._lane, self._ledger, self._folder, self._policy = lane, ledger, folder, policy or CheckpointPolicy()
        self._active = ActiveRuns(parallel_runs, lane.leases)
        self._next: Job | None = None
        self._looks_again = threading.Event()
        self._requests = QueueThread(self._stop, self._start_next)
        self._ended = threading.Event()
        self.evaluator = evaluator or ServerEvaluator(ledger.record)
        self.files = KeptFiles(folder)

    def start(self) -> None:
        """Begin to start queued runs."""
        self._requests.start()
        if self._active.most > 1:
            self._lane.watch(self.look_again)
            self._lane.leases.returned = self.look_again
        self.wake()

    @property
    def parallel_runs(self) -> int:
        """How many runs may be active at a time."""
        return self._active.most

    @property
    def active_run_ids(self) -> tuple[int, ...]:
        """The ids of the active runs, in the order of their start."""
        return self._active.ids

    def wake(self) -> None:
        """Start the queued runs that may start: before this returns, or as soon as the store answers."""
        self._requests.post(Request()).is_accepted()

    def look_again(self) -> None:
        """Start the queued runs that may start now, where clients decide that; returns at once."""
        if self._active.most > 1 and not self._looks_again.is_set():
            self._looks_again.set()
            self._requests.post(Request())

    def stop(self, run_id: int, by: str | None = None) -> bool:
        """End a run: cancel a queued one, stop an active one within 2 s. False if its state does not allow it.

        A store that does not answer within ``ANSWER_SECONDS`` delays neither the answer nor the end of an active run's
        work: the stop is accepted, and written as soon as the store takes it; until then no other run starts. Raises
        StoreUnavailable; the active run stops all the same.
        """
        request = Request(run_id, by, self._active.of(run_id))
        if not self._requests.post(request).is_accepted():
            return request.answer.result()
        if request.active is not None:
            request.active.control.stop()
        return True

    def control(self, run_id: int) -> Control | None:
        """Return what takes requests to a run (pause, exclude and so on), or None if it is not active."""
        active = self._active.of(run_id)
        return active.control if active is not None else None

    def reload_participation(self, run_id: int | None = None, included: int | None = None) -> None:
        """Let the active runs read anew what people have decided of their clients; only one run, where it is given.

        ``included`` is the client that a person has just included. A run that is about to start reads it by itself.
        """
        for active in self._active.all():
            if run_id in (None, active.job.run_id):
                active.control.reload_participation(included)
        self.look_again()

    def shutdown(self, deadline_seconds: float = 3.0) -> bool:
        """Interrupt the active runs because the process ends. False if a thread did not end in time."""
        deadline = time.monotonic() + deadline_seconds
        self._ended.set()
        self._lane.unwatch(self.look_again)
        self.evaluator.stop()
        self._requests.end()
        self._active.interrupt()
        in_time = self._requests.wait(deadline_seconds)  # it may have been about to start a run
        in_time = self._active.end(deadline) and in_time
        in_time = self.evaluator.wait(max(0.5, deadline - time.monotonic())) and in_time
        if not in_time:
            log.error("the active runs did not end within %s s", deadline_seconds)
        return in_time

    # -- on the queue's thread ----------------------------------------------------------------------------------------

    def _stop(self, request: Request) -> bool:
        run_id, by = request.run_id or 0, request.by
        if (active := self._active.of(run_id)) is not None:
            try:
                moved = self._ledger.move(run_id, RunState.STOPPING, by=by)
                stopping = moved or self._ledger.read_state(run_id) == RunState.STOPPING
            except StoreUnavailable:
                active.control.stop()  # the move may have been made although no answer came
                raise
            if stopping:
                active.control.stop()
                return True
        if request.active is not None and request.answer.cancelled():
            return True  # it was told and has ended; what others have begun since is not its business
        if self._ledger.move(run_id, RunState.CANCELLED, by=by):
            return True
        # an active state of which no thread knows; or its thread has just stored its end, which no move changes
        return self._ledger.move(run_id, RunState.STOPPED, "its thread had ended", by)

    def _start_next(self) -> bool:
        """Start queued runs while more may be active; False if an exception of any type prevented it.

        The run is kept until its thread is started: the store may have moved it to waiting although no answer came.
        """
        self._looks_again.clear()
        try:
            while not self._active.is_full and not self._ended.is_set():
                self._next = self._next or self._next_job()
                if self._next is None:
                    break
                # refused and not waiting: the run has just been cancelled or deleted, and the next one is due
                moved = self._ledger.move(self._next.run_id, RunState.WAITING)
                if moved or self._ledger.read_state(self._next.run_id) is RunState.WAITING:
                    self._start(self._next)
                self._next = None
            return True
        except BaseException as error:
            log.warning("the next queued run cannot be started now: %r", error)
            return False

    def _next_job(self) -> Job | None:
        """Return the first run of the queue, if it may start beside the active ones."""
        job = self._ledger.next_queued()
        read = self._ledger.read_participation
        return job if job is not None and self._active.has_clients_for(job, read, self._supernodes) else None

    def _supernodes(self) -> set[int]:
        return set(self._apps.host.supernodes().values()) if self._apps is not None else set()

    def _start(self, job: Job) -> None:
        if self._ended.is_set():
            return
        active = self._active.add(job, self._ledger.read_participation, self._supernodes)
        active.thread = threading.Thread(target=self._work, args=(active,), name=f"run-{job.run_id}", daemon=True)
        try:
            active.thread.start()
        except BaseException:
            self._active.remove(active)
            raise

    # -- on the run's thread ------------------------------------------------------------------------------------------

    def _work(self, active: ActiveRun) -> None:
        """Work a job to its end. Whatever is raised, the run gets an end state and the next one starts."""
        job = active.job
        bind_contextvars(run_id=job.run_id)
        log.info("run %s starts", job.run_id)
        try:
            end = self._run_loop(active)
        except BaseException as error:
            log.exception("run %s ended by an internal error", job.run_id)
            end = RunEnd(RunState.FAILED, f"internal error: {type(error).__name__}: {str(error)[:200]}")
        log.info("run %s is %s%s", job.run_id, end.state, f": {end.reason}" if end.reason else "")
        self._record_end(job.run_id, end)
        self._active.remove(active)
        self._requests.post(Request())

    def _run_loop(self, active: ActiveRun) -> RunEnd:
        job, ledger = active.job, RetryingLedger(self._ledger, active.control, active.job.run_id)
        context = RunContext(job, self._lane, active.control, ledger, active.lease)
        if job.config.network == "app" and self._apps is not None:
            return AppRun(context, self._apps, folder=self._folder).run()
        loop = LOOPS[job.config.kind]
        return loop(context, folder=self._folder, policy=self._policy, evaluator=self.evaluator).run()

    def _record_end(self, run_id: int, end: RunEnd) -> None:
        """Write the end of the run, as stopped if a person has stopped it.

        It is repeated until the store takes it, whatever the store raises, or the process ends. In the last case the
        next start of the process records an end for the run. A reason that the store does not take is skipped at the
        next attempt; the log says so.
        """
        while True:
            try:
                if not self._ledger.move(run_id, end.state, end.reason, rule=end.rule):
                    self._ledger.move(run_id, RunState.STOPPED, end.reason)
                return
            except StoreUnavailable as error:
                log.warning("the end of run %s cannot be written: %s", run_id, error)
            except BaseException:
                log.exception("the end of run %s (%s: %s) cannot be written", run_id, end.state, end.reason)
                end = end._replace(reason=None)
            if self._ended.wait(RETRY_SECONDS):
                return
