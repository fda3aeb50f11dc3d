"""The loop of one run: prepare, evaluate the initial weights, then round by round to the last one."""

import contextlib
import errno
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from federation.aggregation.strategy import RunStrategy
from federation.coordinator.attempt import Attempt, AttemptGaveUp, Model
from federation.coordinator.control import Control, RunInterrupted, RunStopped
from federation.coordinator.eligibility import Party
from federation.coordinator.ledger import Best, Job, Ledger
from federation.coordinator.phase import Ground, Place
from federation.coordinator.quorum import Presence, QuorumMissed
from federation.coordinator.retrying_ledger import PatientLedger
from federation.run.config import KERAS_NETWORKS
from federation.run.events import AttemptFailed, Checkpoint, RoundDone, RoundRefused, less_is_better
from federation.run.states import RunState
from federation.storage.checkpoints import CheckpointDamaged, Checkpoints, read_layout
from federation.storage.initial_weights import BUILD_SECONDS, NetworkNotBuilt, initial_weights
from federation.transport.lane import StreamLane
from federation.weights.layout import Layout

log = logging.getLogger(__name__)

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)

_T = TypeVar("_T")

ATTEMPTS = 3
"""So many failed attempts at one round in a row fail the run."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """Which checkpoints stay: the last ``last``, and the best by ``metric`` (of a loss the lowest)."""

    last: int = 2
    metric: str = "evaluate_accuracy"

    def better(self, done: RoundDone, best: Best | None) -> Best | None:
        """Return the best round now that one more is done; round 0 is never the best."""
        phase, _, name = self.metric.partition("_")
        value = (done.train_metrics if phase == "train" else done.evaluate_metrics).get(name)
        if value is None or not math.isfinite(value) or done.round == 0:
            return best
        sign = -1 if less_is_better(name) else 1
        return Best(done.round, value) if best is None or sign * value > sign * best.value else best


class RunFailed(Exception):
    """The run cannot go on; the sentence says why."""


class RunLoop:
    """Works one job to its end. ``run`` returns the state that the run ends in and the reason."""

    def __init__(
        self, job: Job, *, lane: StreamLane, ledger: Ledger, folder: Path, control: Control, keeping: Keeping
    ) -> None:
        self._job, self._lane, self._control, self._keeping = job, lane, control, keeping
        self._ledger = PatientLedger(ledger, control)
        self._folder, self._networks = folder / str(job.run_id), folder.parent / "networks"
        self._ground = Ground(lane, control, self._ledger.record, self._ledger.flush)
        self._presence = Presence(job.run_id, job.config, self._ledger, control)
        self._task_config = job.config.model_dump(exclude={"clients", "name"}, exclude_none=True)
        self._leaving = contextlib.ExitStack()
        self._committed, self._best, self._failures = job.committed, job.best, 0

    def run(self) -> tuple[RunState, str | None]:
        """Do all rounds; whatever ends the run, its committed rounds stand."""
        self._lane.watch(self._control.wake)
        try:
            self._control.heed(lambda: self._ledger.clients_wanted(self._job.run_id))
            self._begin()
            while not self._control.finish(self._committed, lambda: self._ledger.rounds_wanted(self._job.run_id)):
                self._work(self._committed + 1)
            return RunState.COMPLETED, None
        except RunStopped:
            return RunState.STOPPED, None
        except RunInterrupted:
            return RunState.INTERRUPTED, "the server was stopped"
        except RoundRefused as error:
            return RunState.INTERRUPTED, str(error)
        except (RunFailed, NetworkNotBuilt, CheckpointDamaged, QuorumMissed) as error:
            return RunState.FAILED, str(error)
        finally:
            self._lane.unwatch(self._control.wake)
            self._leaving.close()
            self._control.close()
            self._ledger.flush()

    def _begin(self) -> None:
        """Take the weights of the last checkpoint, or make the initial ones."""
        config = self._job.config
        self._checkpoints = self._once_stored(lambda: Checkpoints(self._folder), "The run's folder", RunState.WAITING)
        if self._job.resume is not None:
            layout = read_layout(self._folder)
            weights, state = self._checkpoints.read(self._committed, self._job.resume)
            if layout.size_bytes != len(weights):
                raise CheckpointDamaged("layout.json of the run does not fit its weights")
        else:
            if config.network in KERAS_NETWORKS:
                words = f"The network {config.network} is being built"
                self._presence.block(RunState.WAITING, "prepare", words, BUILD_SECONDS)
            layout, weights = self._once_stored(self._make_initial, "The initial weights", RunState.WAITING)
            state = {}
        self._model = Model(layout, weights, RunStrategy(config, layout))
        if self._committed > 0 and self._model.strategy.is_incomplete(state):
            file = self._checkpoints.state_file(self._committed).name
            raise CheckpointDamaged(f"the state of {config.strategy} after round {self._committed} is gone: {file}")
        self._model.strategy.restore(state)
        self._party = Party(self._job.run_id, config, layout, self._ground)
        self._ground.stray = self._party.hear
        self._leaving.callback(self._party.close)

    def _make_initial(self) -> tuple[Layout, bytearray]:
        self._checkpoints.require_space(0)  # the process that builds a network would only fail
        layout, weights = initial_weights(self._job.config, self._networks, self._control.sleep)
        self._checkpoints.write_layout(layout)
        return layout, weights

    def _work(self, number: int) -> None:
        """Try a round; a third failure in a row fails the run."""
        config = {**self._task_config, "server-round": number}
        ready = self._presence.wait_for_quorum(self._party, number, config)
        if ready is None:
            self._presence.pause_if_asked(self._committed, lambda reply: self._presence.hear(self._party, reply))
            return
        place = Place(self._job.run_id, number, self._failures + 1, self._job.config.round_timeout_seconds)
        attempt = Attempt(self._ground, place, self._job.config, self._task_config, self._model, self._party)
        try:
            self._commit(attempt.run(ready, self._write_checkpoint))
        except AttemptGaveUp as error:
            self._failures += 1
            self._ledger.record(AttemptFailed(self._job.run_id, number, self._failures, str(error)))
            if self._failures >= ATTEMPTS:
                raise RunFailed(f"{ATTEMPTS} attempts at round {number} in a row failed, the last: {error}") from error

    def _commit(self, done: RoundDone) -> None:
        """Tell the round; only when it is known to be committed may checkpoints of earlier ones go."""
        self._ledger.record(done)
        self._committed, self._failures = done.round, 0
        self._best = self._keeping.better(done, self._best)
        kept = set(range(done.round - self._keeping.last + 1, done.round + 1))
        self._checkpoints.keep(kept | ({self._best.round} if self._best is not None else set()))
        if done.round >= self._control.num_rounds:
            self._checkpoints.delete_expired()

    def _write_checkpoint(self, number: int) -> Checkpoint:
        what = f"The weights of round {number}"
        return self._once_stored(lambda: self._model.write(self._checkpoints, number), what, RunState.PAUSED)

    def _once_stored(self, store: Callable[[], _T], what: str, state: RunState) -> _T:
        """Do what needs the disk; where it takes nothing, say so in ``state``, and go on as soon as it does."""
        said = False
        while True:
            try:
                stored = store()
            except OSError as error:
                if not said:
                    log.warning("run %s: %s cannot be written: %s", self._job.run_id, what, error)
                    said = True
                    advice = "Make room" if error.errno in NO_ROOM else "See to the data directory"
                    words = f"{what} cannot be written: {error.strerror or error}. {advice}"
                    self._presence.block(state, "storage", words, None)
                self._control.sleep(1.0)
                continue
            if said and state is RunState.PAUSED:
                self._presence.go()
            elif said:
                self._presence.unblock()
            return stored
