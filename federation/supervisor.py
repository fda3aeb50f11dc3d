"""The queue and the active run's thread. One run at a time; the next one starts when it ends."""

import logging
import threading
from pathlib import Path

from federation.control import Control
from federation.job import Job, Ledger, RunLoop
from federation.states import RunState
from federation.stream import StreamLane

log = logging.getLogger(__name__)

__all__ = ["Job", "Ledger", "Supervisor"]


class Supervisor:
    """Starts what is queued, and passes people's wishes on to the active run."""

    def __init__(self, *, lane: StreamLane, ledger: Ledger, folder: Path) -> None:
        self._lane, self._ledger, self._folder = lane, ledger, folder
        self._lock = threading.Lock()
        self._active: tuple[int, Control, threading.Thread] | None = None
        self._ending = False

    @property
    def active_run_id(self) -> int | None:
        """The run that is being worked on."""
        active = self._active
        return active[0] if active is not None else None

    def wake(self) -> None:
        """Start the next queued run, where none is active."""
        with self._lock:
            if self._active is not None or self._ending:
                return
            job = self._ledger.next_queued()
            if job is None or not self._ledger.move(job.run_id, RunState.WAITING):
                return
            control = Control()
            thread = threading.Thread(target=self._work, args=(job, control), name=f"run-{job.run_id}", daemon=True)
            self._active = (job.run_id, control, thread)
            thread.start()

    def stop(self, run_id: int, by: str | None = None) -> bool:
        """End a run: a queued one is cancelled, the active one stops within 2 s. False: its state does not allow it."""
        active = self._active
        if active is None or active[0] != run_id:
            return self._ledger.move(run_id, RunState.CANCELLED, by=by)
        if not self._ledger.move(run_id, RunState.STOPPING, by=by):
            return False
        active[1].stop()
        return True

    def shutdown(self, deadline_seconds: float = 3.0) -> bool:
        """The process ends: the active run becomes interrupted. False where its thread did not end in time."""
        with self._lock:
            self._ending = True
            active = self._active
        if active is None:
            return True
        active[1].interrupt()
        active[2].join(deadline_seconds)
        if active[2].is_alive():
            log.error("run %s did not end within %s s", active[0], deadline_seconds)
        return not active[2].is_alive()

    def _work(self, job: Job, control: Control) -> None:
        """The body of the run's thread."""
        loop = RunLoop(job, lane=self._lane, ledger=self._ledger, folder=self._folder, control=control)
        try:
            state, reason = loop.run()
        except Exception as error:
            log.exception("run %s ended by an error of Meadow's own", job.run_id)
            state, reason = RunState.FAILED, f"an error of Meadow's own: {type(error).__name__}: {str(error)[:200]}"
        try:
            self._end(job.run_id, state, reason)
        finally:
            with self._lock:
                self._active = None
            self.wake()

    def _end(self, run_id: int, state: RunState, reason: str | None) -> None:
        """Move the run to its end; where a person's stop came in between, that is its end."""
        if not self._ledger.move(run_id, state, reason):
            self._ledger.move(run_id, RunState.STOPPED, reason)
