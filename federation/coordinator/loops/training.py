"""The loop of one run: prepare, evaluate the initial weights, then round by round to the last one."""

import logging
import time
from pathlib import Path

from structlog.contextvars import bound_contextvars

from federation.aggregation.strategy import RunStrategy
from federation.aggregation.strategy_warnings import recorded_warnings
from federation.coordinator.attempt import Attempt, AttemptAborted, ClientsLost, GlobalModel
from federation.coordinator.eligibility import Eligibility
from federation.coordinator.loops.run_end import RunEnd, RunFailed, run_to_end
from federation.coordinator.loops.schema_agreement import NoAgreement, agreed_schema
from federation.coordinator.preparation import Preparation
from federation.coordinator.quorum import Quorum
from federation.coordinator.run_context import RunContext
from federation.evaluation.evaluator import EVALUATION_SECONDS, ServerEvaluator
from federation.evaluation.run_evaluations import RunEvaluations
from federation.run.data_cut import DataCut
from federation.run.events import AttemptFailed, Checkpoint, RoundDone
from federation.run.networks import KERAS_NETWORKS, trains_own_data
from federation.run.rounds.stop_rules import StopWatch
from federation.run.states import RunState
from federation.schema.columns import AgreedSchema
from federation.storage.checkpoint_policy import CheckpointPolicy
from federation.storage.checkpoints import CheckpointDamaged, Checkpoints, read_layout
from federation.storage.initial_weights import BUILD_SECONDS, NetworkNotBuilt, initial_weights
from federation.weights.layout import Layout

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
"""After this many failed attempts at one round in a row the run fails.

An attempt that lost clients is none of them: the run waits for its clients again. It fails after this many of those
only if they have lasted longer than the run waits for clients.
"""


class RunLoop:
    """Works one job to its end, on the thread that calls ``run``."""

    def __init__(
        self, context: RunContext, *, folder: Path, policy: CheckpointPolicy, evaluator: ServerEvaluator
    ) -> None:
        self._context, self._job, self._control = context, context.job, context.control
        self._ledger, self._wait_state = context.ledger, context.wait_state
        job = context.job
        self._evaluations = RunEvaluations(evaluator, job.run_id, job.config)
        self._policy = policy.for_run(self._evaluations.are_on)
        self._folder, self._networks = folder / str(job.run_id), folder.parent / "networks"
        self._task_config = job.config.for_clients()
        self._committed, self._best = job.committed, job.best
        self._stop_watch = StopWatch(job.config.stop_rules, job.past, job.committed)
        self._started = time.monotonic()
        self._attempts = self._failures = self._losses = 0
        self._lost_since = 0.0

    def run(self) -> RunEnd:
        """Do all rounds, or those that the stop rules allow; committed rounds stay in any case."""
        return run_to_end(self._work, self._context, NoAgreement, NetworkNotBuilt, CheckpointDamaged)

    def _work(self) -> RunEnd:
        with recorded_warnings(self._job.run_id, self._ledger.record):
            self._begin()
            end = self._run_rounds()
            self._finish_evaluations()
            self._keep_checkpoints()
            self._checkpoints.delete_expired()
            return end

    def _run_rounds(self) -> RunEnd:
        while not self._control.try_finish(self._committed, self._ledger.read_num_rounds):
            if (stop := self._stop_watch.stop) is not None:
                return RunEnd(RunState.COMPLETED, stop.sentence, stop.rule)
            with bound_contextvars(round=self._committed + 1):
                self._run_round(self._committed + 1)
        return RunEnd(RunState.COMPLETED)

    def _begin(self) -> None:
        """Load the weights of the last checkpoint, or make the initial ones; then make what rounds work with."""
        self._checkpoints = self._wait_state.retry_storage(
            lambda: Checkpoints(self._folder), "The run's folder", RunState.WAITING
        )
        self._eligibility = Eligibility(self._context)
        self._schema = self._agreed_schema()
        self._model = self._resumed_model(self._job.resume) if self._job.resume is not None else self._initial_model()
        if self._job.resume is not None:  # a process that ended before may not have evaluated it
            self._evaluations.submit(self._committed, self._model.layout, self._model.weights)
        cut = DataCut.of(self._task_config)
        self._preparation = Preparation(self._context, self._model.layout, self._eligibility, cut, self._schema)
        self._quorum = Quorum(self._context, self._eligibility, self._preparation)

    def _agreed_schema(self) -> AgreedSchema | None:
        """Return the schema by which clients encode their own data, and send it with each task; None for published."""
        config = self._job.config
        if not trains_own_data(config.network, config.dataset):
            return None
        schema = self._job.schema or agreed_schema(self._context, self._eligibility)
        self._task_config["schema"] = schema.model_dump_json()
        return schema

    def _initial_model(self) -> GlobalModel:
        config = self._job.config
        if config.network in KERAS_NETWORKS:
            sentence = f"The network {config.network} is being built"
            self._wait_state.block(RunState.WAITING, "prepare", sentence, BUILD_SECONDS)
        layout, weights = self._wait_state.retry_storage(self._make_initial, "The initial weights", RunState.WAITING)
        return GlobalModel(layout, weights, RunStrategy(config, layout))

    def _make_initial(self) -> tuple[Layout, bytearray]:
        self._checkpoints.require_space(0)  # without space the child process that builds a network would fail
        layout, weights = initial_weights(self._job.config, self._networks, self._control.sleep, self._schema)
        self._checkpoints.write_layout(layout)
        return layout, weights

    def _resumed_model(self, checkpoint: Checkpoint) -> GlobalModel:
        """Load the last committed round; raises CheckpointDamaged."""
        config, layout = self._job.config, read_layout(self._folder)
        weights, state = self._checkpoints.read(self._committed, checkpoint)
        if layout.size_bytes != len(weights):
            raise CheckpointDamaged("layout.json of the run does not fit its weights")
        strategy = RunStrategy(config, layout)
        if self._committed > 0 and strategy.is_incomplete(state):
            file = self._checkpoints.state_file(self._committed).name
            state_of = f"the state of {config.strategy} after round {self._committed:,}"
            raise CheckpointDamaged(f"{state_of} was deleted: {file}")
        strategy.restore(state)
        return GlobalModel(layout, weights, strategy)

    def _run_round(self, number: int) -> None:
        """Attempt a round once; raises RunFailed as ``_note_failure`` does."""
        config = {**self._task_config, "server-round": number}
        ready = self._quorum.wait_for_clients(number, config)
        if ready is None:
            self._context.pause_if_requested(self._committed)
            return
        self._wait_state.set_running()
        attempt = Attempt(
            self._context, self._task_config, self._model, self._eligibility, self._preparation,
            number=number, attempt=self._attempts + 1, is_evaluated=lambda: self._is_evaluated(number),
        )  # fmt: skip
        try:
            self._commit(attempt.run(ready, self._write_checkpoint))
        except AttemptAborted as error:
            self._attempts += 1
            self._ledger.record(AttemptFailed(self._job.run_id, number, self._attempts, str(error)))
            self._note_failure(number, error)

    def _is_evaluated(self, number: int) -> bool:
        """Say whether clients evaluate a round that was trained: every few rounds, and the last one."""
        is_due = number % self._job.config.evaluate_every == 0 or number >= self._control.num_rounds
        seconds = time.monotonic() - self._started
        return is_due or self._stop_watch.is_limit_reached(seconds, self._context.traffic_bytes)

    def _note_failure(self, number: int, error: AttemptAborted) -> None:
        """Raise RunFailed after ``MAX_ATTEMPTS`` failures in a row, or when clients were lost for too long."""
        if not isinstance(error, ClientsLost):
            self._failures += 1
            if self._failures >= MAX_ATTEMPTS:
                raise RunFailed(
                    f"{MAX_ATTEMPTS:,} attempts at round {number:,} in a row failed, the last: {error}"
                ) from error
            return
        now, longest = time.monotonic(), self._job.config.quorum_timeout_seconds
        self._lost_since = self._lost_since if self._losses else now
        self._losses += 1
        if self._losses >= MAX_ATTEMPTS and now - self._lost_since > longest:
            raise RunFailed(
                f"{self._losses:,} attempts at round {number:,} lost clients in more than {longest:g} s, "
                f"the last: {error}"
            ) from error

    def _commit(self, done: RoundDone) -> None:
        """Record the round. Checkpoints of earlier rounds may go only when it is known to be committed."""
        self._ledger.record(done)
        log.debug("round %s is committed", done.round)
        self._committed, self._attempts, self._failures, self._losses = done.round, 0, 0, 0
        self._stop_watch.note(done, time.monotonic() - self._started, self._context.traffic_bytes)
        self._best = self._policy.best_of(done, self._best, self._job.config.metric_goals)
        self._evaluations.submit(done.round, self._model.layout, self._model.weights)
        self._keep_checkpoints()

    def _keep_checkpoints(self) -> None:
        """Let checkpoints go but for the last rounds, the best one, and those that may be found to be the best."""
        pending = self._evaluations.pending()
        for done in self._evaluations.measured():
            self._best = self._policy.best_at_server(done, self._best, self._job.config.metric_goals)
            self._stop_watch.note_measured(done.round, done.metrics)
        self._checkpoints.keep(self._policy.rounds_to_keep(self._committed, self._best) | pending)

    def _finish_evaluations(self) -> None:
        """Wait for the rounds that the server evaluates still."""
        if pending := sorted(self._evaluations.pending()):
            rounds = f"round{'s' if len(pending) > 1 else ''} {', '.join(f'{number:,}' for number in pending)}"
            longest = EVALUATION_SECONDS * len(pending)
            self._wait_state.block(RunState.RUNNING, "evaluation", f"The server evaluates {rounds}", longest)
            self._evaluations.finish(self._control.sleep)
            self._wait_state.unblock()

    def _write_checkpoint(self, number: int) -> Checkpoint:
        what = f"The weights of round {number:,}"
        return self._wait_state.retry_storage(
            lambda: self._model.write(self._checkpoints, number), what, RunState.PAUSED
        )
