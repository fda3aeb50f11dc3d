"""The query of an experiment's page: the metric, and which value of each run counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args
from urllib.parse import urlencode

from webapp.pages.experiments.results import Which
from webapp.pages.measure import Measured
from webapp.pages.runs.query import MAX_LENGTH


@dataclass(frozen=True, slots=True)
class ExperimentQuery:
    """The query of an experiment's page. A missing value is the default, and so is one that makes no sense."""

    experiment_id: int
    phase: Measured = "evaluate"
    metric: str = ""
    which: Which = "best"

    @property
    def text(self) -> str:
        """The query as text, without the values that are defaults."""
        chosen = {
            "phase": self.phase if self.phase != "evaluate" else "", "metric": self.metric,
            "which": self.which if self.which != "best" else "",
        }  # fmt: skip
        return urlencode({name: value for name, value in chosen.items() if value})

    @property
    def address(self) -> str:
        """The page's address with this query."""
        here = f"/experiments/{self.experiment_id}"
        return f"{here}?{self.text}" if self.text else here

    def file(self, ending: str) -> str:
        """Return the address of the table as a file."""
        here = f"/api/experiments/{self.experiment_id}/results.{ending}"
        return f"{here}?{self.text}" if self.text else here


def experiment_query(experiment_id: int, query: Mapping[str, str]) -> ExperimentQuery:
    """Read the query of an experiment's page."""
    metric = query.get("metric", "")
    phases: tuple[Measured, ...] = get_args(Measured)
    phase = next((one for one in phases if one == query.get("phase")), phases[0])
    return ExperimentQuery(
        experiment_id, phase,
        metric if len(metric) <= MAX_LENGTH else "", "last" if query.get("which") == "last" else "best",
    )  # fmt: skip
