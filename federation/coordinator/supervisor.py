"""The queue and the active run's thread. One run at a time; the next one starts when it ends."""

import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from federation.coordinator.control import Control
from federation.coordinator.ledger import Best, Job, Ledger
from federation.coordinator.retrying_ledger import AGAIN_SECONDS
from federation.coordinator.run_loop import Keeping, RunLoop
from federation.run.config import RunConfig
from federation.run.events import StoreUnavailable
from federation.run.states import RunState
from federation.storage.checkpoints import CheckpointDamaged
from federation.storage.initial_weights import NetworkNotBuilt
from federation.storage.keras_export import keras_file
from federation.storage.uploads import UploadUnusable, holds_upload, keep_upload
from federation.transport.lane import StreamLane

log = logging.getLogger(__name__)

MAX_UPLOAD_BYTES = 512 * 1024 * 1024

__all__ = [
    "Best", "CheckpointDamaged", "Control", "Job", "Keeping", "Ledger", "NetworkNotBuilt", "Supervisor",
    "UploadUnusable", "UploadedWeights",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class UploadedWeights:
    """Initial weights that were uploaded: id for ``initial_weights``, rows of name, shape and dtype, size."""

    id: str
    layout: list[tuple[str, list[int], str]]
    size_bytes: int


class Supervisor:
    """Starts what is queued, and passes people's wishes on to the active run."""

    def __init__(self, *, lane: StreamLane, ledger: Ledger, folder: Path, keeping: Keeping | None = None) -> None:
        self._lane, self._ledger, self._folder, self._keeping = lane, ledger, folder, keeping or Keeping()
        self._lock = threading.Lock()
        self._active: tuple[int, Control, threading.Thread] | None = None
        self._ended = threading.Event()
        for left_over in folder.glob("*/.*.writing"):  # of a process that was killed
            left_over.unlink(missing_ok=True)

    @property
    def active_run_id(self) -> int | None:
        """The run that is being worked on."""
        active = self._active
        return active[0] if active is not None else None

    def wake(self) -> None:
        """Start the next queued run, where none is active."""
        with self._lock:
            if self._active is not None:
                return
            while True:
                job = None if self._ended.is_set() else self._ledger.next_queued()
                if job is None:
                    return
                if self._ledger.move(job.run_id, RunState.WAITING):
                    break  # else it was cancelled or deleted in between, and the next one is due
            control = Control(job.num_rounds, job.excluded, job.config.min_clients)
            thread = threading.Thread(target=self._work, args=(job, control), name=f"run-{job.run_id}", daemon=True)
            self._active = (job.run_id, control, thread)
            thread.start()

    def stop(self, run_id: int, by: str | None = None) -> bool:
        """End a run: a queued one is cancelled, the active one stops within 2 s. False: its state does not allow it."""
        with self._lock:  # a run that is about to start is the active one when this goes on
            active = self._active
        if active is not None and active[0] == run_id and self._ledger.move(run_id, RunState.STOPPING, by=by):
            active[1].stop()
            return True
        return self._ledger.move(run_id, RunState.CANCELLED, by=by)

    def control(self, run_id: int) -> Control | None:
        """Return what takes people's wishes for a run, where it is the active one: pause, go_on and more."""
        active = self._active
        return active[1] if active is not None and active[0] == run_id else None

    def heed(self, run_id: int) -> None:
        """Let a run, where it is the active one, look up how few clients people let it do with by now."""
        if (control := self.control(run_id)) is not None:
            control.heed(lambda: self._ledger.clients_wanted(run_id))

    def keep_weights(self, packed: BinaryIO, max_bytes: int = MAX_UPLOAD_BYTES) -> UploadedWeights:
        """Keep an uploaded .npz as initial weights for network custom; raises UploadUnusable with a sentence."""
        name, layout = keep_upload(packed, self._folder.parent / "networks", max_bytes)
        return UploadedWeights(name, layout.to_json(), layout.size_bytes)

    def holds_weights(self, name: str) -> bool:
        """Say whether there are uploaded weights of that id."""
        return holds_upload(name, self._folder.parent / "networks")

    def keras_file(self, run_id: int, config: RunConfig, checkpoint_file: str) -> Path:
        """Return a checkpoint of a run as a .keras file; raises as ``storage.keras_export.keras_file`` does."""
        return keras_file(config, self._folder / str(run_id), checkpoint_file)

    def shutdown(self, deadline_seconds: float = 3.0) -> bool:
        """The process ends: the active run becomes interrupted. False where its thread did not end in time."""
        self._ended.set()  # before the lock: who looks for the next run holds it
        with self._lock:
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
        loop = RunLoop(
            job, lane=self._lane, ledger=self._ledger, folder=self._folder, control=control, keeping=self._keeping
        )
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
            try:
                self.wake()
            except StoreUnavailable as error:
                log.warning("the queue waits for the next wish: %s", error)

    def _end(self, run_id: int, state: RunState, reason: str | None) -> None:
        """Move the run to its end; where a person's stop came in between, that is its end.

        A store that takes nothing is tried again until it does or the process ends: the next start says what became of
        the run then.
        """
        while True:
            try:
                if not self._ledger.move(run_id, state, reason):
                    self._ledger.move(run_id, RunState.STOPPED, reason)
                return
            except StoreUnavailable as error:
                log.warning("the end of run %s cannot be written: %s", run_id, error)
                if self._ended.wait(AGAIN_SECONDS):
                    return
