"""/api/runs/{id}/confusion: the confusion matrix of the newest round that the server has evaluated."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from webapp.operations.evaluation.confusion import confusion_of
from webapp.operations.run_moves import get_run
from webapp.problems import NotFound
from webapp.routes.api.errors import MISSING, REFUSED
from webapp.routes.dependencies import DatabaseDep, Id

router = APIRouter(prefix="/api/runs/{run_id}", tags=["metrics"], responses={**REFUSED, **MISSING})


class ConfusionView(BaseModel):
    """A confusion matrix over the published test split."""

    round: int
    samples: int
    counts: list[list[int]] = Field(description="Samples of each class (row) by the class that they are taken for.")
    recalls: list[float | None] = Field(description="Accuracy of each class; null: it has no samples.")


@router.get("/confusion")
def show_confusion(database: DatabaseDep, run_id: Id) -> ConfusionView:
    """Return the confusion matrix of the newest round that the server has evaluated."""
    with database.read() as session:
        get_run(session, run_id)
        found = confusion_of(session, run_id)
    if found is None:
        raise NotFound(f"Run {run_id} has no confusion matrix: the server has evaluated no round of it.")
    return ConfusionView(
        round=found.round, samples=found.samples, counts=found.counts, recalls=found.recalls
    )  # fmt: skip
