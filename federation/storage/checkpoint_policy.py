"""Which checkpoints of a run stay on disk."""

import math
from dataclasses import dataclass

from federation.run.events import RoundDone, less_is_better


@dataclass(frozen=True, slots=True)
class BestRound:
    """The best committed round by a policy's metric."""

    round: int
    value: float


@dataclass(frozen=True, slots=True)
class CheckpointPolicy:
    """Keeps the last ``last`` rounds, and the best one by ``metric`` (for a loss, the lowest)."""

    last: int = 2
    metric: str = "evaluate_accuracy"

    def best_of(self, done: RoundDone, best: BestRound | None) -> BestRound | None:
        """Return the better of a committed round and the best one before it; round 0 is never the best."""
        phase, _, name = self.metric.partition("_")
        value = (done.train_metrics if phase == "train" else done.evaluate_metrics).get(name)
        if value is None or not math.isfinite(value) or done.round == 0:
            return best
        sign = -1 if less_is_better(name) else 1
        return BestRound(done.round, value) if best is None or sign * value > sign * best.value else best

    def rounds_to_keep(self, last_round: int, best: BestRound | None) -> set[int]:
        """Return the rounds whose checkpoints stay after ``last_round`` was committed."""
        last = set(range(last_round - self.last + 1, last_round + 1))
        return last | ({best.round} if best is not None else set())
