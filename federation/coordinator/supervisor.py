"""The queue and the active run's thread. One run at a time; the next one starts when it ends."""

import logging
import threading
from pathlib import Path

from structlog.contextvars import bind_contextvars

from federation.coordinator.control import Control
from federation.coordinator.ledger import Job, Ledger, Participation
from federation.coordinator.retrying_ledger import RETRY_SECONDS
from federation.coordinator.run_loop import RunLoop
from federation.run.events import StoreUnavailable
from federation.run.metric_goals import BestRound
from federation.run.states import RunState
from federation.storage.checkpoint_policy import CheckpointPolicy
from federation.storage.checkpoints import CheckpointDamaged, CheckpointsMissing, read_layout
from federation.storage.initial_weights import KEPT_NETWORKS, NetworkNotBuilt
from federation.storage.kept_files import FileKind, KeptFiles
from federation.storage.keras_export import KEPT_EXPORTS
from federation.storage.uploads import KEPT_UPLOADS, UploadedWeights, UploadUnusable
from federation.transport.lane import StreamLane

log = logging.getLogger(__name__)

__all__ = [
    "KEPT_EXPORTS",
    "KEPT_NETWORKS",
    "KEPT_UPLOADS",
    "BestRound",
    "CheckpointDamaged",
    "CheckpointPolicy",
    "CheckpointsMissing",
    "Control",
    "FileKind",
    "Job",
    "Ledger",
    "NetworkNotBuilt",
    "Participation",
    "Supervisor",
    "UploadUnusable",
    "UploadedWeights",
    "read_layout",
]  # fmt: skip


class ActiveRun:
    """One start of a run: from its move to waiting until its end state is written; a resumed run gets another one.

    ``lock`` is held over each move that begins or ends this start, so that a stop reaches the start that it moved.
    """

    def __init__(self, run_id: int, control: Control) -> None:
        self.run_id, self.control = run_id, control
        self.thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._ended = False

    def stop(self, ledger: Ledger, by: str | None) -> bool:
        """Stop this start of the run; False if it has ended.

        The thread of a run that is stopping already is told again. Raises StoreUnavailable; the run stops all the same,
        since the move may have been made although no answer came.
        """
        with self._lock:
            if self._ended:
                return False
            try:
                moved = ledger.move(self.run_id, RunState.STOPPING, by=by)
                stopping = moved or ledger.read_state(self.run_id) == RunState.STOPPING
            except StoreUnavailable:
                self.control.stop()
                raise
            if stopping:
                self.control.stop()
                return True
            return False  # its end is stored, and its thread is about to know

    def end(self, ledger: Ledger, state: RunState, reason: str | None) -> None:
        """Move the run to its end state, or to stopped if a person has stopped it. Raises StoreUnavailable."""
        with self._lock:
            if not ledger.move(self.run_id, state, reason):
                ledger.move(self.run_id, RunState.STOPPED, reason)
            self._ended = True


class Supervisor:
    """Starts queued runs one after the other and passes requests on to the active one.

    Every method may be called on any thread. ``folder`` holds a folder for each run.
    """

    def __init__(
        self, *, lane: StreamLane, ledger: Ledger, folder: Path, policy: CheckpointPolicy | None = None
    ) -> None:
        self._lane, self._ledger, self._folder, self._policy = lane, ledger, folder, policy or CheckpointPolicy()
        self._lock = threading.Lock()
        self._active: ActiveRun | None = None
        self._next: Job | None = None
        self._ended = threading.Event()
        self._retrying = threading.Lock()
        self.files = KeptFiles(folder)

    @property
    def active_run_id(self) -> int | None:
        """The id of the active run."""
        active = self._active
        return active.run_id if active is not None else None

    def wake(self) -> None:
        """Start the next queued run if none is active; if that fails now, a thread repeats it until it succeeds."""
        if self._start_next() or not self._retrying.acquire(blocking=False):
            return
        try:
            threading.Thread(target=self._start_later, name="queue", daemon=True).start()
        except RuntimeError as error:  # the process has no room for a thread
            self._retrying.release()
            log.error("the next queued run starts with the next request: %s", error)

    def _start_later(self) -> None:
        """Start the next queued run as soon as that is possible, or return because the process ends.

        ``_retrying`` is held until just before an attempt: a ``wake`` that fails meanwhile relies on that attempt, and
        one that fails later starts a thread of its own.
        """
        while not self._ended.wait(RETRY_SECONDS):
            self._retrying.release()
            if self._start_next() or not self._retrying.acquire(blocking=False):
                return

    def _start_next(self) -> bool:
        """Start the next queued run if none is active; False if an exception of any type prevented it.

        The run is kept until its thread is started: the store may have moved it to waiting although no answer came.
        """
        try:
            with self._lock:
                while self._active is None and not self._ended.is_set():
                    self._next = self._next or self._ledger.next_queued()
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

    def _start(self, job: Job) -> None:
        active = ActiveRun(job.run_id, Control(job.num_rounds, Participation(job.config.min_clients)))
        active.thread = threading.Thread(target=self._work, args=(job, active), name=f"run-{job.run_id}", daemon=True)
        self._active = active
        try:
            active.thread.start()
        except BaseException:
            self._active = None
            raise

    def stop(self, run_id: int, by: str | None = None) -> bool:
        """End a run: cancel a queued one, stop the active one within 2 s. False if its state does not allow it.

        Raises StoreUnavailable.
        """
        while True:
            with self._lock:  # a run that is about to start is the active one afterwards
                active = self._active
            if active is not None and active.run_id == run_id and active.stop(self._ledger, by):
                return True
            if self._ledger.move(run_id, RunState.CANCELLED, by=by):
                return True
            with self._lock:
                if self._active is active:  # it has not been started meanwhile: it has ended, or has lost its thread
                    return self._ledger.move(run_id, RunState.STOPPED, "its thread had ended", by)

    def control(self, run_id: int) -> Control | None:
        """Return what takes requests to a run (pause, exclude and so on), or None if it is not the active one."""
        active = self._active
        return active.control if active is not None and active.run_id == run_id else None

    def reload_participation(self, run_id: int | None = None, included: int | None = None) -> None:
        """Let the active run read anew what people have decided of its clients; only that run, where it is given.

        ``included`` is the client that a person has just included. A run that is about to start reads it by itself.
        """
        active = self._active
        if active is not None and run_id in (None, active.run_id):
            active.control.reload_participation(lambda: self._ledger.read_participation(active.run_id), included)

    def shutdown(self, deadline_seconds: float = 3.0) -> bool:
        """Interrupt the active run because the process ends. False if its thread did not end in time."""
        self._ended.set()  # before the lock: ``wake`` holds it while it looks for the next run
        with self._lock:
            active = self._active
        if active is None:
            return True
        active.control.interrupt()
        thread = active.thread
        if thread is None:
            return True
        thread.join(deadline_seconds)
        if thread.is_alive():
            log.error("run %s did not end within %s s", active.run_id, deadline_seconds)
        return not thread.is_alive()

    # -- on the run's thread ------------------------------------------------------------------------------------------

    def _work(self, job: Job, active: ActiveRun) -> None:
        """Work a job to its end. Whatever is raised, the run gets an end state and the next one starts."""
        bind_contextvars(run_id=job.run_id)
        log.info("run %s starts", job.run_id)
        try:
            loop = RunLoop(
                job, lane=self._lane, ledger=self._ledger, folder=self._folder, control=active.control,
                policy=self._policy,
            )  # fmt: skip
            state, reason = loop.run()
        except BaseException as error:
            log.exception("run %s ended by an internal error", job.run_id)
            state, reason = RunState.FAILED, f"internal error: {type(error).__name__}: {str(error)[:200]}"
        log.info("run %s is %s%s", job.run_id, state, f": {reason}" if reason else "")
        self._record_end(active, state, reason)
        with self._lock:
            self._active = None
        if not self._start_next() and self._retrying.acquire(blocking=False):
            self._start_later()

    def _record_end(self, active: ActiveRun, state: RunState, reason: str | None) -> None:
        """Write the end of the run; repeated until the store takes it, whatever it raises, or the process ends.

        In that case the next start of the process records an end for the run. A reason that the store does not take is
        skipped at the next attempt; the log says so.
        """
        while True:
            try:
                active.end(self._ledger, state, reason)
                return
            except StoreUnavailable as error:
                log.warning("the end of run %s cannot be written: %s", active.run_id, error)
            except BaseException:
                log.exception("the end of run %s (%s: %s) cannot be written", active.run_id, state, reason)
                reason = None
            if self._ended.wait(RETRY_SECONDS):
                return
