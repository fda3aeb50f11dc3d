"""The metric that pages tell a run in: which way is better, how it is written, what a target means."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from federation.run.metric_goals import goals_of
from webapp.db.tables import Run
from webapp.formatting import MINUS, exact
from webapp.formatting import metric as written

Measured = Literal["evaluate", "train", "server"]
"""Where values come from: ``server`` are those that the server measures on held-out data."""
MAIN = ("accuracy", "rmse", "loss")
"""What pages open on: the first of these that is reported."""
MARGIN = 0.1
"""The default target as a share of the best value."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric in a phase. ``least``: whether less of it is better; None where that is unknown."""

    phase: Measured
    name: str
    least: bool | None

    @property
    def key(self) -> str:
        """Its name in a run's row, such as ``evaluate_accuracy``."""
        return f"{self.phase}_{self.name}"

    @property
    def word(self) -> str:
        """Its name in a sentence."""
        where = {"evaluate": "", "train": " in training", "server": " at the server"}
        return f"{self.name}{where[self.phase]}"

    @property
    def worst(self) -> str:
        """Which values a list begins with that has the worst first."""
        return f"{'highest' if self.least else 'lowest'} {self.word}"

    def rank(self, value: float) -> float:
        """Return what a list is sorted by that has the worst first."""
        return -value if self.least else value

    @property
    def is_share(self) -> bool:
        """Whether people write it in percent."""
        return self.name == "accuracy"

    def write(self, value: float | None) -> str:
        """Write one of its values."""
        return written(value, self.name)

    def amount(self, value: float) -> str:
        """Write a difference of two values or a deviation, in percentage points where the metric is a share."""
        number = f"{abs(value) * 100:.2f}" if self.is_share else f"{abs(value):.4g}"
        return f"{MINUS if value < 0 else ''}{number}"

    def typed(self, value: float) -> str:
        """Write a target as a person types it."""
        return exact(value, 100 if self.is_share else 1)

    def read(self, typed: float | None) -> float | None:
        """Return the target that a person typed; one that no run can meet counts as none."""
        if typed is None or not self.is_share:
            return typed
        return typed / 100 if 0 < typed <= 100 else None

    def usual_target(self, runs: Sequence[Run]) -> float | None:
        """Return what falls a tenth short of the best that any of the runs has reached; None where none is known."""
        known = [run.best_metrics[self.key]["value"] for run in runs if self.key in run.best_metrics]
        if not known or self.least is None:
            return None
        best = min(known) if self.least else max(known)
        short = best + abs(best) * MARGIN * (1 if self.least else -1)
        return round(short, 3) if self.is_share else float(f"{short:.3g}")


def measure_of(runs: Sequence[Run], phase: Measured, metric: str, *, reported_only: bool = False) -> Measure:
    """Return the requested metric; without one the first of ``MAIN`` that the runs report, else their first metric.

    ``reported_only``: what none of the runs reports counts as not asked for.
    """
    reported = {name for run in runs for name in (*run.last_metrics, *run.best_metrics)}
    if metric and (not reported_only or f"{phase}_{metric}" in reported):
        return _measure(runs, phase, metric)
    others = (name.removeprefix(f"{phase}_") for name in sorted(reported) if name.startswith(f"{phase}_"))
    names = (*MAIN, *others)
    return _measure(runs, phase, next((name for name in names if f"{phase}_{name}" in reported), "accuracy"))


def main_measure(run: Run) -> Measure:
    """Return the metric that a run is told in: of its clients, or of the server where only that evaluated weights."""
    measure = measure_of([run], "evaluate", "")
    is_servers = run.kind == "evaluation" and measure.key not in run.last_metrics
    return measure_of([run], "server", "") if is_servers else measure


def _measure(runs: Sequence[Run], phase: Measured, metric: str) -> Measure:
    """Return the measure; runs that disagree on which values are better leave that unknown."""
    directions = {goals_of(run.config).less_is_better(metric) for run in runs}
    return Measure(phase, metric, directions.pop() if len(directions) == 1 else None)
