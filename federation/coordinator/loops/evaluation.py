"""The loop of one run that only evaluates: its one round is round 0, without training and without a checkpoint."""

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from federation.coordinator.attempt import evaluated_metrics
from federation.coordinator.eligibility import Eligibility
from federation.coordinator.loops.run_end import RunEnd, RunFailed, run_to_end
from federation.coordinator.loops.training import MAX_ATTEMPTS
from federation.coordinator.phase import RunningPhase
from federation.coordinator.preparation import Preparation
from federation.coordinator.quorum import Quorum
from federation.coordinator.run_context import RunContext
from federation.evaluation.evaluator import EVALUATION_SECONDS, ServerEvaluator
from federation.evaluation.run_evaluations import RunEvaluations
from federation.run.config import RunConfig
from federation.run.data_cut import DataCut
from federation.run.events import AttemptFailed, RoundDone
from federation.run.pooling import Counts, summed_confusion
from federation.run.states import RunState
from federation.storage.checkpoint_policy import CheckpointPolicy
from federation.storage.uploads import Uploads, UploadUnusable
from federation.transport.exchange import Content


class EvaluationLoop:
    """Works one job to its end, on the thread that calls ``run``. Its weights are kept as uploaded ones."""

    def __init__(
        self, context: RunContext, *, folder: Path, policy: CheckpointPolicy, evaluator: ServerEvaluator
    ) -> None:
        del policy  # no checkpoint is written
        self._job = replace(context.job, config=with_all_metrics(context.config))
        self._context = replace(context, job=self._job)
        self._config, self._control = self._job.config, context.control
        self._ledger, self._wait_state = context.ledger, self._context.wait_state
        self._uploads = Uploads(folder.parent / "networks")
        self._evaluations = RunEvaluations(evaluator, self._job.run_id, self._config)

    def run(self) -> RunEnd:
        """Let clients, the server, or both evaluate the weights."""
        return run_to_end(self._work, self._context)

    def _work(self) -> RunEnd:
        content = self._read_weights()
        if self._job.committed < 0:
            self._ledger.record(self._evaluate_by_clients(content))
        self._evaluate_at_server(content)
        return RunEnd(RunState.COMPLETED)

    def _read_weights(self) -> Content:
        try:
            return Content(*self._uploads.read(self._config.initial_weights or ""))
        except UploadUnusable as error:
            raise RunFailed(str(error)) from error

    def _evaluate_by_clients(self, content: Content) -> RoundDone:
        """Return the round to commit; as few replies as fail an attempt of training fail one of these."""
        if self._config.client_evaluation == "off":
            self._wait_state.set_running()
            return self._round(0, 0.0, {})
        task_config: dict[str, object] = {**self._config.for_clients(), "server-round": 0}
        if self._job.schema is not None:
            task_config["schema"] = self._job.schema.model_dump_json()
        eligibility, cut = Eligibility(self._context), DataCut.of(task_config)
        preparation = Preparation(self._context, content.layout, eligibility, cut, self._job.schema)
        quorum = Quorum(self._context, eligibility, preparation)
        for attempt in count(1):
            ready = quorum.wait_before_round_0(task_config)
            self._wait_state.set_running()
            started, needed = time.monotonic(), self._control.min_clients
            phase = RunningPhase(self._context, 0, attempt, "evaluate", content.layout, ready, lambda *_: None)
            phase.start(task_config, content)
            phase.collect()
            if len(phase.accepted) >= min(needed, self._control.min_clients):
                break
            sentence = f"{len(phase.accepted):,} of the {needed:,} replies it needs"
            self._ledger.record(AttemptFailed(self._job.run_id, 0, attempt, sentence))
            if attempt >= MAX_ATTEMPTS:
                raise RunFailed(f"{MAX_ATTEMPTS:,} attempts in a row failed, the last: {sentence}")
        return self._round(attempt, time.monotonic() - started, evaluated_metrics(phase, self._config), phase.counts)

    def _round(
        self, attempt: int, seconds: float, metrics: dict[str, float], counts: Sequence[Counts] = ()
    ) -> RoundDone:  # fmt: skip
        return RoundDone(
            self._job.run_id, 0, attempt, seconds, 0.0, 0.0, seconds, {}, metrics, None, {}, attempt > 0, None,
            *summed_confusion(counts),
        )  # fmt: skip

    def _evaluate_at_server(self, content: Content) -> None:
        """Return when the server has evaluated the weights; raises RunFailed where nobody else has."""
        if not self._evaluations.are_on:
            return
        self._evaluations.submit(0, content.layout, content.buffer)
        self._wait_state.block(
            RunState.RUNNING, "evaluation", "The server evaluates the weights", EVALUATION_SECONDS
        )  # fmt: skip
        self._evaluations.finish(self._control.sleep)
        self._wait_state.unblock()
        if not list(self._evaluations.measured()) and self._config.client_evaluation == "off":
            raise RunFailed("The server could not evaluate the weights: the events of the run say why")


def with_all_metrics(config: RunConfig) -> RunConfig:
    """Return the configuration with all metrics of the target, unless it says which."""
    return config.model_copy(update={"client_metrics": "all"}) if config.client_metrics == "auto" else config
