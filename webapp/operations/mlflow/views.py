"""What API and pages show of a run in MLflow."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from webapp.db.tables import MlflowRun


class MlflowView(BaseModel):
    """What MLflow has of a run."""

    state: Literal["waiting", "sent", "failing", "gone"] = Field(description="gone: the run was deleted in MLflow.")
    sent_round: int = Field(description="All rounds up to this one have arrived; -1: none.")
    mlflow_run_id: str | None
    url: str | None = Field(description="The run's page in MLflow.")
    error: str = Field(description="Why the last try failed; empty where it did not.")
    tries: int = Field(description="Number of failed tries in succession.")
    next_try_at: datetime | None


def mlflow_view(row: MlflowRun) -> MlflowView:
    """Return what a server has of a run."""
    page = f"{row.server}/#/experiments/{row.experiment_id}/runs/{row.mlflow_id}" if row.mlflow_id else None
    return MlflowView(
        state=row.state, sent_round=row.sent_round, mlflow_run_id=row.mlflow_id, url=page, error=row.error,
        tries=row.tries, next_try_at=row.next_try_at if row.state == "failing" else None,
    )  # fmt: skip
