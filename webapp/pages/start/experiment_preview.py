"""How many runs an experiment has, and how long they will take by the measured rounds of earlier runs."""

from dataclasses import dataclass
from statistics import median

from sqlalchemy.orm import Session

from webapp.db.repository.rounds import recent_seconds
from webapp.db.repository.runs import newest_run_like
from webapp.db.tables import Run
from webapp.operations.experiments.expansion import Expansion
from webapp.pages.start.preview import SAME_PACE, pace_of, row_of

MAX_PACES = 20
"""So many kinds of runs are looked up; of an experiment with more the duration counts as unknown."""


@dataclass(frozen=True, slots=True)
class ExperimentPreview:
    """The runs of an experiment. ``seconds`` is measured in the rounds of the runs ``similar``; None where any of the
    configurations has none that takes about as long per round."""

    configurations: int
    seeds: int
    seconds: float | None
    similar: list[int]

    @property
    def runs(self) -> int:
        """How many runs the experiment has."""
        return self.configurations * self.seeds


def preview_experiment(session: Session, expansion: Expansion, seeds: int) -> ExperimentPreview:
    """Return the preview of an experiment."""
    rounds: dict[tuple[object, ...], int] = {}
    rows: dict[tuple[object, ...], Run] = {}
    for config in expansion.configs:
        row = row_of(config)
        pace = pace_of(row)
        rounds[pace] = rounds.get(pace, 0) + config.num_rounds
        rows[pace] = row
    measured = _measured(session, rows) if len(rows) <= MAX_PACES else {}
    known = len(measured) == len(rows)
    seconds = sum(measured[pace][1] * amount for pace, amount in rounds.items()) * seeds if known else None
    similar = sorted({run_id for run_id, _ in measured.values()}) if known else []
    return ExperimentPreview(len(expansion.configs), seeds, seconds, similar)


def _measured(session: Session, rows: dict[tuple[object, ...], Run]) -> dict[tuple[object, ...], tuple[int, float]]:
    """Return for each pace a run like it and the seconds of its rounds, where there is one."""
    like = {pace: found.id for pace, row in rows.items() if (found := newest_run_like(session, row, SAME_PACE))}
    recent = recent_seconds(session, set(like.values()))
    return {pace: (run_id, median(recent[run_id])) for pace, run_id in like.items() if recent.get(run_id)}
