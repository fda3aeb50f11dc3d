"""Experiments: create one with all its runs, show, pause, resume and cancel it."""

from federation.run.states import ACTIVE, RunState
from webapp.db.database import Database, Session
from webapp.db.repository.queue import experiments as table
from webapp.db.repository.rows import get_row
from webapp.db.tables import Experiment, ExperimentState
from webapp.operations.experiments.requests import ExperimentRequest
from webapp.operations.experiments.views import (
    ExperimentList,
    ExperimentView,
    ExperimentWithRuns,
    experiment_view,
    experiment_with_runs,
)
from webapp.operations.run_moves import move_run, queue_run, requeue_first
from webapp.operations.runs import Runs
from webapp.operations.steering import Steering
from webapp.problems import Conflict, Invalid


class Experiments:
    """The experiments of this dashboard. Every method may be called from any thread.

    ``steering`` acts for a person, whose name the events tell: ``by``.
    """

    def __init__(self, database: Database, runs: Runs, steering: Steering, by: str | None = None) -> None:
        self._database, self._runs, self._steering, self._by = database, runs, steering, by

    def create(self, request: ExperimentRequest) -> ExperimentView:
        """Queue every configuration once for each seed, all of them or none; raises Invalid.

        The first seed of all configurations comes first, so that early results compare them all.
        """
        expansion = request.expanded()
        seeds = request.chosen_seeds(expansion.configs[0])
        with self._database.write() as session:
            configs = [self._runs.accept(session, config) for config in expansion.configs]
            if any(config.network == "app" for config in configs):
                raise Invalid("network", "Runs of a Flower App are no experiment: start each on the page of its app")
            if any(config.kind != "training" for config in configs):
                raise Invalid(
                    "config.kind", "The runs of an experiment train: start evaluations and statistics one by one"
                )
            name = request.name or configs[0].title
            experiment_id = table.insert_experiment(session, {
                "name": name, "config": request.config, "varied": expansion.varied, "seeds": seeds,
                "configurations": len(configs), "started_by": self._by,
            })  # fmt: skip
            for seed in seeds:
                for number, config in enumerate(configs, 1):
                    queue_run(
                        session, config.model_copy(update={"seed": seed}), self._by, _run_name(name, number, seed),
                        experiment_id=experiment_id, configuration=number, low_priority=True,
                    )  # fmt: skip
        self._runs.wake()
        return self.show(experiment_id)

    def list(self, limit: int, offset: int) -> ExperimentList:
        """Return a page of experiments, newest first."""
        with self._database.read() as session:
            found, total = table.list_experiments(session, limit=limit, offset=offset)
            counts = table.count_runs(session, [one.id for one in found])
        return ExperimentList(items=[experiment_view(one, counts[one.id]) for one in found], total=total)

    def show(self, experiment_id: int) -> ExperimentView:
        """Return one experiment; raises NotFound."""
        with self._database.read() as session:
            found = get_experiment(session, experiment_id)
            return experiment_view(found, table.count_runs(session, [experiment_id])[experiment_id])

    def show_runs(self, experiment_id: int) -> ExperimentWithRuns:
        """Return one experiment with its runs; raises NotFound."""
        with self._database.read() as session:
            found = get_experiment(session, experiment_id)
            counts = table.count_runs(session, [experiment_id])[experiment_id]
            return experiment_with_runs(found, counts, table.runs_of_experiment(session, experiment_id))

    # -- what people do: NotFound or Conflict where it is not possible -------------------------------------------------

    def pause(self, experiment_id: int) -> None:
        """Start none of the queued runs until the experiment is resumed. Active runs continue to their end."""
        with self._database.write() as session:
            self._move(session, experiment_id, ExperimentState.PAUSED, "only a running experiment can be paused")
        self._runs.wake()  # a run behind those of the experiment may start

    def resume(self, experiment_id: int) -> None:
        """Start the queued runs of a paused experiment again; its interrupted runs continue first."""
        with self._database.write() as session:
            self._move(session, experiment_id, ExperimentState.RUNNING, "only a paused experiment can be resumed",
                       ExperimentState.PAUSED)  # fmt: skip
            requeue_first(session, table.runs_to_continue(session, experiment_id), self._by)
        self._runs.wake()

    def cancel(self, experiment_id: int) -> None:
        """Cancel the queued runs and stop the active ones. Completed rounds and their weights are kept."""
        with self._database.write() as session:
            self._move(session, experiment_id, ExperimentState.CANCELLED, "the experiment is over")
            for run in table.runs_of_experiment(session, experiment_id, [RunState.QUEUED]):
                move_run(session, run.id, RunState.CANCELLED, None, self._by)
            active = [run.id for run in table.runs_of_experiment(session, experiment_id, ACTIVE)]
        for run_id in active:
            try:
                self._steering.stop_run(run_id)
            except Conflict:
                continue  # it has just ended
        self._runs.wake()

    def _move(
        self, session: Session, experiment_id: int, to: ExperimentState, why: str, only: ExperimentState | None = None
    ) -> None:  # fmt: skip
        found = get_experiment(session, experiment_id)
        state = ExperimentState(found.state)
        allowed = only is None or state is only
        if not allowed or table.move_experiment(session, experiment_id, to, self._by) is None:
            raise Conflict(f"Experiment {experiment_id} is {state}: {why}.")


def get_experiment(session: Session, experiment_id: int) -> Experiment:
    """Return an experiment; raises NotFound."""
    return get_row(session, Experiment, experiment_id, "experiment")


def _run_name(name: str, number: int, seed: int) -> str:
    mark = f", {number}, seed {seed}"
    return f"{name[: 100 - len(mark)]}{mark}"
