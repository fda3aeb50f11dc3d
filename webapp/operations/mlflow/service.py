"""The sending of runs to MLflow as one part of the dashboard."""

from collections.abc import Callable, Sequence
from datetime import datetime

from webapp.db.database import Database, Session
from webapp.db.repository.tracking.mlflow import last_error, run_at
from webapp.operations.mlflow.api import MlflowApi, MlflowUnavailable
from webapp.operations.mlflow.counts import MlflowCollector, MlflowCounts
from webapp.operations.mlflow.export import DELAYS, MlflowExport
from webapp.operations.mlflow.sender import RunSender
from webapp.operations.mlflow.views import MlflowView, mlflow_view
from webapp.settings import Settings


class Mlflow:
    """Sends the runs of a database to the server of the settings from ``start`` to ``stop``; without a URL nothing."""

    def __init__(
        self, settings: Settings, database: Database, newest_event_id: Callable[[], int],
        delays: Sequence[float] = DELAYS,
    ) -> None:  # fmt: skip
        self.url, counts = settings.mlflow_url, MlflowCounts()
        self.collector = MlflowCollector(database, self.url, counts)
        self._export: MlflowExport | None = None
        if self.url:
            api = MlflowApi(self.url, lambda: _authorization(settings))
            sender = RunSender(
                database, api, counts, experiment=settings.mlflow_experiment, max_clients=settings.mlflow_clients,
                public_url=settings.public_url,
            )  # fmt: skip
            self._export = MlflowExport(database, api, self.url, sender, newest_event_id, counts, delays)

    def start(self) -> None:
        """Begin to send."""
        if self._export is not None:
            self._export.start()

    def stop(self, deadline_seconds: float = 1.0) -> None:
        """End after the present request."""
        if self._export is not None:
            self._export.stop(deadline_seconds)

    def show(self, session: Session, run_id: int) -> MlflowView | None:
        """Return what the server has of a run; None where the run is not sent."""
        row = run_at(session, self.url, run_id) if self.url else None
        return mlflow_view(row) if row is not None else None

    def failure(self, session: Session) -> tuple[str, datetime] | None:
        """Return why runs are not sent, and when they are tried again; None where nothing fails."""
        return last_error(session, self.url) if self.url else None


def _authorization(settings: Settings) -> str:
    try:
        return settings.mlflow_authorization()
    except (OSError, ValueError) as error:
        raise MlflowUnavailable("the file with its token cannot be read") from error
