"""An experiment's page: what it does now, its results, and the configurations that its charts show."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from federation.run.metric_goals import is_evaluated_at_server
from federation.run.states import ACTIVE, RunState
from webapp.db.repository.queue.experiments import runs_of_experiment
from webapp.db.tables import EXPERIMENT_MOVES, Experiment, ExperimentState, Run
from webapp.formatting import count, plural
from webapp.pages.comparison.colours import MAX_RUNS, slots_of
from webapp.pages.event_sentences import by_whom
from webapp.pages.experiments.parallel import ParallelPlot, parallel_plot
from webapp.pages.experiments.query import ExperimentQuery
from webapp.pages.experiments.remaining import remaining_seconds
from webapp.pages.experiments.results import Configuration, Results, results_of
from webapp.pages.runs.charts import titles_of
from webapp.pages.wording import STATES

MAX_ROWS = 200


@dataclass(frozen=True, slots=True)
class ExperimentPage:
    """All that the page shows. ``remaining`` are the seconds that a running experiment will take; None: unknown."""

    experiment: Experiment
    runs: Sequence[Run]
    results: Results
    plot: ParallelPlot | None
    metrics: list[str]
    drawn: list[dict[str, int | str]]
    remaining: float | None

    @property
    def counts(self) -> Mapping[str, int]:
        """The number of runs by state."""
        return Counter(run.state for run in self.runs)

    @property
    def active(self) -> list[Run]:
        """The runs that are active."""
        return [run for run in self.runs if run.state in ACTIVE]

    @property
    def rows(self) -> list[Configuration]:
        """The configurations of the table in their order; of very many those with the best means."""
        known = self.results.configurations
        if len(known) <= MAX_ROWS:
            return known
        shown = {one.number for one in [*self.results.ranking, *known][:MAX_ROWS]}
        return [one for one in known if one.number in shown]

    @property
    def headline(self) -> str:
        """How far the experiment is."""
        return f"{self.experiment.name}: {progress(self.counts)}"

    @property
    def sentence(self) -> str:
        """What the experiment does now, and what became of its runs."""
        return state_sentence(self.experiment, self.counts)

    def may(self, to: ExperimentState) -> bool:
        """Whether the experiment can be moved to a state by a person."""
        return to in EXPERIMENT_MOVES[ExperimentState(self.experiment.state)]

    @property
    def has_server(self) -> bool:
        """Whether the server measures any of the runs on held-out data."""
        return any(is_evaluated_at_server(run.config) for run in self.runs)

    @property
    def is_over(self) -> bool:
        """Whether nothing will change by itself."""
        return not self.active and self.experiment.state != ExperimentState.RUNNING


def experiment_page(session: Session, experiment: Experiment, query: ExperimentQuery) -> ExperimentPage:
    """Gather the page of an experiment."""
    runs = runs_of_experiment(session, experiment.id)
    results = results_of(session, experiment, query.phase, query.metric, query.which, runs)
    done = [run for run in runs if run.last_metrics]
    titles, more = titles_of(done[:MAX_RUNS], query.phase, results.measure.name)
    shown = results.ranking or [one for one in results.configurations if one.sample.n]
    slots = slots_of([one.number for one in shown[:MAX_RUNS]])
    drawn: list[dict[str, int | str]] = [
        {"number": one.number, "name": results.words(one), "slot": slots[one.number]} for one in shown[:MAX_RUNS]
    ]
    metrics = [*dict.fromkeys([*titles, *more, results.measure.name])]
    is_running = experiment.state == ExperimentState.RUNNING
    remaining = remaining_seconds(session, runs) if is_running else None
    return ExperimentPage(experiment, runs, results, parallel_plot(results), metrics, drawn, remaining)


def progress(counts: Mapping[str, int]) -> str:
    """Say how many runs are completed."""
    return f"{count(counts.get(RunState.COMPLETED, 0))} of {plural(sum(counts.values()), 'run')} completed"


def state_sentence(experiment: Experiment, counts: Mapping[str, int]) -> str:
    """Say what the experiment does, who paused or cancelled it, and which runs are in another state than completed."""
    others = [f"{count(amount)} {STATES[state].lower()}" for state, amount in counts.items()
              if state != RunState.COMPLETED and amount]  # fmt: skip
    who = by_whom(experiment.moved_by) if experiment.state in ("paused", "cancelled") else ""
    by = f" {who}" if who else ""
    rest = f": {', '.join(others)}" if others else ""
    is_active = any(counts.get(state) for state in ACTIVE)
    end = ". An active run continues to its end" if experiment.state == "paused" and is_active else ""
    return f"{STATES[experiment.state]}{by}{rest}{end}."
