"""The results of an experiment: each configuration's metric over its seeds, the best one, and how sure that is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Literal

from sqlalchemy.orm import Session

from federation.learning.evaluation_data import measured_on
from federation.run.metric_goals import SERVER_PHASE
from federation.run.states import ACTIVE, RunState
from webapp.charts.seed_statistics import Difference, Sample, paired_difference, ranked
from webapp.db.repository.queue.experiments import last_spreads, runs_of_experiment
from webapp.db.tables import Experiment, Run
from webapp.formatting import NOTHING, count, plural
from webapp.pages.experiments.settings import Varied, varied_settings, words_of
from webapp.pages.measure import Measure, Measured, measure_of

Which = Literal["best", "last"]
"""Which value of a run counts: that of its best round, or of its last one."""


@dataclass(frozen=True)
class Configuration:
    """One configuration with its runs. Only completed runs count for its sample."""

    number: int
    runs: list[Run]
    settings: list[str]
    sample: Sample

    def count(self, *states: str) -> int:
        """How many runs are in some states."""
        return sum(run.state in states for run in self.runs)

    @property
    def failed(self) -> int:
        """How many runs have failed."""
        return self.count(RunState.FAILED)

    @property
    def others(self) -> str:
        """The runs without a result in words, beside those that have failed."""
        ended = (RunState.STOPPED, RunState.CANCELLED, RunState.INTERRUPTED)
        amounts = {
            "stopped": self.count(*ended), "running": self.count(*ACTIVE),
            "queued": self.count(RunState.QUEUED), "without a value": self.count(RunState.COMPLETED) - self.sample.n,
        }  # fmt: skip
        return ", ".join(f"{count(amount)} {word}" for word, amount in amounts.items() if amount)


@dataclass(frozen=True)
class Results:
    """The table of an experiment in one metric, best or last value of each run."""

    experiment: Experiment
    measure: Measure
    which: Which
    varied: list[Varied]
    configurations: list[Configuration]
    basis: str

    @cached_property
    def ranking(self) -> list[Configuration]:
        """The configurations with a value, the best first; empty where it is unknown which values are better."""
        places = ranked([one.sample for one in self.configurations], less=self.measure.least)
        return [self.configurations[place] for place in places]

    @property
    def best(self) -> Configuration | None:
        """The configuration with the best mean; None where there is no other one to compare it with."""
        return self.ranking[0] if len(self.ranking) > 1 else None

    @cached_property
    def lead(self) -> Difference | None:
        """How far the best configuration is before the next one; None where fewer than two seeds have both."""
        if self.best is None:
            return None
        ahead, behind = self.ranking[0].sample.values, self.ranking[1].sample.values
        return paired_difference(behind, ahead) if self.measure.least else paired_difference(ahead, behind)

    def words(self, configuration: Configuration) -> str:
        """Write a configuration in one line."""
        said = words_of(self.varied, configuration.runs[0].config) if configuration.runs else ""
        return f"configuration {configuration.number}" + (f" ({said})" if said else "")

    def mean(self, configuration: Configuration) -> str:
        """Write the mean of a configuration."""
        return self.measure.write(configuration.sample.mean)

    def deviation(self, configuration: Configuration) -> str:
        """Write the standard deviation of a configuration; nothing for fewer than two values."""
        deviation = configuration.sample.deviation
        return NOTHING if deviation is None else self.measure.amount(deviation)

    @property
    def verdict(self) -> str:
        """Say which configuration is best and how sure that is; nothing where no two can be compared."""
        if self.measure.least is None:
            return (
                f"It is not known which values of {self.measure.name} are better: no configuration is called the best."
            )
        if self.best is None:
            return ""
        best, behind = self.ranking[0], self.ranking[1]
        said = f"{'Lowest' if self.measure.least else 'Highest'} mean: {self.words(best)}, {self.mean(best)}."
        if self.lead is None:
            return f"{said} With fewer than two seeds in common nothing can be said of how sure that is."
        unit = " percentage points" if self.measure.is_share else ""
        lead, low, high = map(self.measure.amount, (self.lead.mean, self.lead.low, self.lead.high))
        sure = "" if self.lead.is_clear else " The interval contains 0: the order may be chance."
        many = f", not corrected for the choice among {count(len(self.ranking))}" if len(self.ranking) > 2 else ""
        over = f"on average over {plural(self.lead.seeds, 'seed')} in pairs"
        return (
            f"{said} Before configuration {behind.number} by {lead}{unit} {over}; 95 % interval {low} to {high} "
            f"(Student's t{many}).{sure}"
        )


def results_of(
    session: Session, experiment: Experiment, phase: Measured, metric: str, which: Which,
    runs: Sequence[Run] | None = None,
) -> Results:  # fmt: skip
    """Gather the results of an experiment; without a metric those of the one that ``measure_of`` chooses."""
    runs = runs_of_experiment(session, experiment.id) if runs is None else runs
    measure = measure_of(runs, phase, metric, reported_only=True)
    which = "last" if measure.least is None else which
    varied = varied_settings(experiment.varied)
    by_number: dict[int, list[Run]] = {number: [] for number in range(1, experiment.configurations + 1)}
    for run in runs:
        by_number[run.configuration or 0].append(run)
    configurations = [
        Configuration(
            number, of, [one.text(of[0].config) for one in varied] if of else [NOTHING] * len(varied),
            Sample({run.config["seed"]: value for run in of if (value := value_of(run, measure, which)) is not None}),
        )
        for number, of in by_number.items()
    ]  # fmt: skip
    basis = _basis(runs, measure, last_spreads(session, experiment.id, measure.key))
    return Results(experiment, measure, which, varied, configurations, basis)


def value_of(run: Run, measure: Measure, which: Which) -> float | None:
    """Return the value of a completed run; None for any other run, and where the value is missing or not finite."""
    if run.state != RunState.COMPLETED:
        return None
    value = run.last_metrics.get(measure.key) if which == "last" else run.best_metrics.get(measure.key, {}).get("value")
    return value if value is not None and isfinite(value) else None


def _basis(runs: Sequence[Run], measure: Measure, spreads: Mapping[int, Sequence[float]]) -> str:
    """Say whose values these are, how many clients and samples they are over, and on which data."""
    data = sorted({measured_on(run.config, measure.phase) for run in runs})
    clients = [int(of[0]) for of in spreads.values()]
    samples = [int(of[6]) for of in spreads.values() if len(of) > 6 and of[6]]
    over = f"mean of {_between(clients, 'client')}" if clients else "mean of the clients"
    over = "measured by the server" if measure.phase == SERVER_PHASE else over
    together = "" if measure.phase == SERVER_PHASE else " together"
    amount = f" on {_between(samples, 'sample')}{together}" if samples else ""
    where = f": {data[0]}" if len(data) == 1 else ": different data" if data else ""
    return f"{over}{amount}{where}"


def _between(amounts: Sequence[int], noun: str) -> str:
    low, high = min(amounts), max(amounts)
    return plural(low, noun) if low == high else f"{count(low)} to {plural(high, noun)}"
