"""Which checkpoints of a run stay on disk."""

import math
from dataclasses import dataclass, replace

from federation.run.events import RoundDone, ServerEvaluated
from federation.run.metric_goals import (
    SERVER_PHASE,
    BestRound,
    MetricGoals,
    better_round,
    decisive_metric,
    measured_instead,
)


@dataclass(frozen=True, slots=True)
class CheckpointPolicy:
    """Keeps the last ``last`` rounds, and the best one by ``metric`` if its direction is known."""

    last: int = 2
    metric: str = "evaluate_accuracy"

    def best_of(self, done: RoundDone, best: BestRound | None, goals: MetricGoals) -> BestRound | None:
        """Return the better of a committed round and the best one before it, see ``better_round``.

        ``goals`` are those of the run. Where they do not say which values are better, no round is the best.
        """
        phase, _, name = self.metric.partition("_")
        if phase == SERVER_PHASE:
            return best  # its value comes later
        metrics = done.train_metrics if phase == "train" else done.evaluate_metrics
        name = measured_instead(name, metrics)
        value, loss, less = metrics.get(name), metrics.get("loss"), goals.less_is_better(name)
        if less is None:
            return None
        if value is None:
            return best
        finite_loss = loss if loss is not None and math.isfinite(loss) else None
        return better_round(BestRound(done.round, value, finite_loss), best, less=less)

    def for_run(self, server_evaluation: bool) -> "CheckpointPolicy":
        """Return the policy of a run: one that is not evaluated at the server has no metric of the server."""
        return replace(self, metric=decisive_metric(self.metric, server_evaluation))

    def best_at_server(self, done: ServerEvaluated, best: BestRound | None, goals: MetricGoals) -> BestRound | None:
        """Return the better of a round that the server has evaluated and the best one before it."""
        phase, _, name = self.metric.partition("_")
        less, value = goals.less_is_better(name), done.metrics.get(name)
        if phase != SERVER_PHASE or less is None or value is None:
            return best
        return better_round(BestRound(done.round, value, done.metrics.get("loss")), best, less=less)

    def rounds_to_keep(self, last_round: int, best: BestRound | None) -> set[int]:
        """Return the rounds whose checkpoints stay after ``last_round`` was committed."""
        last = set(range(last_round - self.last + 1, last_round + 1))
        return last | ({best.round} if best is not None else set())
