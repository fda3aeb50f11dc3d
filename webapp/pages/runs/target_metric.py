"""The metric that a comparison tells its results in: which way is better, how it is written, what a target means."""

from collections.abc import Sequence
from dataclasses import dataclass

from federation.run.events import less_is_better
from webapp.db.tables import Run
from webapp.formatting import metric as written
from webapp.pages.runs.query import Phase

MARGIN = 0.1
"""A target that nobody chose falls so far short of the best, as a share of it."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric in a phase."""

    phase: Phase
    name: str

    @property
    def key(self) -> str:
        """Its name in a run's row, such as ``evaluate_accuracy``."""
        return f"{self.phase}_{self.name}"

    @property
    def word(self) -> str:
        """Its name in a sentence."""
        return self.name if self.phase == "evaluate" else f"{self.name} in training"

    @property
    def least(self) -> bool:
        """Whether less of it is better."""
        return less_is_better(self.name)

    @property
    def is_share(self) -> bool:
        """Whether people write it in percent."""
        return self.name == "accuracy"

    def write(self, value: float | None) -> str:
        """Write one of its values."""
        return written(value, self.name)

    def typed(self, value: float) -> str:
        """Write a target as a person types it."""
        return f"{value * 100:g}" if self.is_share else f"{value:g}"

    def read(self, typed: float | None) -> float | None:
        """Return the target that a person typed; one that no run can meet counts as none."""
        if typed is None or not self.is_share:
            return typed
        return typed / 100 if 0 < typed <= 100 else None

    def usual_target(self, runs: Sequence[Run]) -> float | None:
        """Return what falls a tenth short of the best that any of the runs has reached."""
        known = [run.best_metrics[self.key]["value"] for run in runs if self.key in run.best_metrics]
        if not known:
            return None
        best = min(known) if self.least else max(known)
        short = best + abs(best) * MARGIN * (1 if self.least else -1)
        return round(short, 3) if self.is_share else float(f"{short:.3g}")


def measure_of(runs: Sequence[Run], phase: Phase, metric: str, *, reported_only: bool = False) -> Measure:
    """Return what was asked for; where nothing was, the accuracy, or the loss of runs that have no accuracy.

    ``reported_only``: what none of the runs reports counts as not asked for.
    """
    reported = {name for run in runs for name in run.best_metrics}
    if metric and (not reported_only or f"{phase}_{metric}" in reported):
        return Measure(phase, metric)
    no_accuracy = f"{phase}_accuracy" not in reported and f"{phase}_loss" in reported
    return Measure(phase, "loss" if no_accuracy else "accuracy")
