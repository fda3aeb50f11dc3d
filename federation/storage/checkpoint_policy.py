"""Which checkpoints of a run stay on disk."""

import math
from dataclasses import dataclass

from federation.run.events import RoundDone
from federation.run.metric_goals import BestRound, MetricGoals, better_round


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
        metrics = done.train_metrics if phase == "train" else done.evaluate_metrics
        value, loss, less = metrics.get(name), metrics.get("loss"), goals.less_is_better(name)
        if less is None:
            return None
        if value is None:
            return best
        finite_loss = loss if loss is not None and math.isfinite(loss) else None
        return better_round(BestRound(done.round, value, finite_loss), best, less=less)

    def rounds_to_keep(self, last_round: int, best: BestRound | None) -> set[int]:
        """Return the rounds whose checkpoints stay after ``last_round`` was committed."""
        last = set(range(last_round - self.last + 1, last_round + 1))
        return last | ({best.round} if best is not None else set())
