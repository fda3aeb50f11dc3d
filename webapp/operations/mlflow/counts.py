"""What /metrics says of the sending of runs to MLflow."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from webapp.db.database import Database
from webapp.db.repository.tracking.mlflow import count_states
from webapp.db.tables import Sending

log = logging.getLogger(__name__)


@dataclass
class MlflowCounts:
    """What was sent since the start of the process. Only the sending thread writes."""

    rounds: int = 0
    failures: int = 0
    is_up: bool = True
    """Whether the server answered the last request."""


class MlflowCollector(Collector):
    """Reads the counts at a scrape, and from the database how many runs wait to be sent to ``server``."""

    def __init__(self, database: Database, server: str, counts: MlflowCounts) -> None:
        self._database, self._server, self._counts = database, server, counts

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; without the database, those of this process alone."""
        runs = GaugeMetricFamily(
            "meadow_mlflow_runs", "Runs sent to MLflow: sent, waiting, failing, gone.", labels=["state"]
        )
        try:
            with self._database.read() as session:
                amounts = count_states(session, self._server)
            for state in Sending:
                runs.add_metric([state], amounts.get(state, 0))
            yield runs
        except Exception as error:
            log.warning("metrics of the database are missing: %s", error)
        yield GaugeMetricFamily("meadow_mlflow_up", "Whether MLflow answered last.", value=self._counts.is_up)
        yield CounterMetricFamily("meadow_mlflow_rounds_sent", "Rounds sent to MLflow.", value=self._counts.rounds)
        yield CounterMetricFamily("meadow_mlflow_failures", "Failed tries to send a run.", value=self._counts.failures)
