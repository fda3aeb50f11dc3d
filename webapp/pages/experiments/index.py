"""The list of experiments, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from webapp.db.repository.queue.experiments import count_runs, list_experiments, unfinished_experiments
from webapp.db.tables import Experiment
from webapp.formatting import plural
from webapp.pages.cut import neighbours
from webapp.pages.experiments.settings import varied_settings
from webapp.pages.experiments.show import progress

PAGE = 50


@dataclass(frozen=True, slots=True)
class ExperimentLine:
    """An experiment in a list: how far it is, the numbers of its failed and queued runs, what it varies."""

    experiment: Experiment
    progress: str
    failed: int
    queued: int
    varied: str

    @property
    def shape(self) -> str:
        """How many configurations and seeds the experiment has."""
        seeds = plural(len(self.experiment.seeds), "seed")
        return f"{plural(self.experiment.configurations, 'configuration')} × {seeds}"


@dataclass(frozen=True, slots=True)
class ExperimentList:
    """A page of the list, and the addresses of the pages beside it."""

    rows: list[ExperimentLine]
    total: int
    offset: int
    newer: str
    older: str

    @property
    def title(self) -> str:
        """How many experiments there are."""
        return plural(self.total, "experiment")


def experiment_list(session: Session, offset: int) -> ExperimentList:
    """Gather a page of the list."""
    found, total = list_experiments(session, limit=PAGE, offset=offset)
    beside = neighbours(offset, total, PAGE, lambda to: f"/experiments?offset={to}" if to else "/experiments")
    return ExperimentList(experiment_lines(session, found), total, offset, *beside)


def open_experiments(session: Session) -> list[ExperimentLine]:
    """Return the experiments that are running or paused, for the queue."""
    return experiment_lines(session, unfinished_experiments(session))


def experiment_lines(session: Session, experiments: Sequence[Experiment]) -> list[ExperimentLine]:
    """Return the rows of some experiments."""
    counts = count_runs(session, [one.id for one in experiments])
    return [
        ExperimentLine(
            one, progress(counts[one.id]), counts[one.id].get("failed", 0), counts[one.id].get("queued", 0),
            ", ".join(varied.label for varied in varied_settings(one.varied)),
        )
        for one in experiments
    ]  # fmt: skip
