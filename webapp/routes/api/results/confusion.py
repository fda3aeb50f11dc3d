"""/api/runs/{id}/confusion: the confusion matrix at the server, or summed over the clients that share theirs."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from webapp.operations.evaluation.confusion import Whose, confusions_of
from webapp.operations.run_moves import get_run
from webapp.problems import NotFound
from webapp.routes.api.errors import MISSING, REFUSED
from webapp.routes.dependencies import MAX_ROUND, Id, PartsDep

router = APIRouter(prefix="/api/runs/{run_id}", tags=["metrics"], responses={**REFUSED, **MISSING})


class ConfusionView(BaseModel):
    """A confusion matrix over the published test split, or over the test data of clients."""

    of: Whose
    round: int
    samples: int
    clients: int = Field(description="Clients whose matrices are summed; 0 for that of the server.")
    labels: list[str] = Field(description="Names of the classes.")
    counts: list[list[int]] = Field(description="Samples of each class (row) by the class that they are taken for.")
    recalls: list[float | None] = Field(description="Accuracy of each class; null: it has no samples.")


@router.get("/confusion")
def show_confusion(
    parts: PartsDep,
    run_id: Id,
    of: Annotated[Whose | None, Query(description="Whose; default: the server's, else that of the clients.")] = None,
    round: Annotated[
        int | None, Query(ge=0, le=MAX_ROUND, description="Of clients: the newest one up to this round.")
    ] = None,
) -> ConfusionView:  # fmt: skip
    """Return the matrix of the newest round that the server has evaluated, or of a round over clients."""
    with parts.database.read() as session:
        found = confusions_of(session, get_run(session, run_id), round)
    chosen = next((one for one in found if of in (None, one.of)), None)
    if chosen is None:
        why = "neither the server nor clients have reported counts by class"
        raise NotFound(f"Run {run_id} has no such confusion matrix: {why}.")
    return ConfusionView(**{name: getattr(chosen, name) for name in ConfusionView.model_fields})
