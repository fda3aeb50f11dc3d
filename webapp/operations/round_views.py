"""What the API shows of rounds: rows made whole with what went wrong in them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from webapp.db.repository.rounds import ReplyRow
from webapp.db.spread import Spread
from webapp.db.tables import Round
from webapp.operations.views import Metrics


class Trouble(BaseModel):
    """A task without an accepted reply, and the reason."""

    client_id: int
    client: str
    phase: str
    attempt: int
    outcome: Literal["refused", "failed", "late", "lost"]
    reason: str | None


class RoundView(BaseModel):
    """One completed round."""

    round: int
    attempt: int
    committed_at: datetime
    seconds: float
    train_seconds: float
    aggregate_seconds: float
    evaluate_seconds: float
    bytes_down: int
    bytes_up: int
    replies: dict[str, int] = Field(description="Accepted replies by phase.", examples=[{"train": 2, "evaluate": 2}])
    samples: dict[str, int] = Field(description="Samples behind the metrics, by phase; none of earlier releases.")
    refusals: list[Trouble]
    failures: list[Trouble] = Field(description="Failed, late and lost.")
    metrics: Metrics


class RoundList(BaseModel):
    """Completed rounds, oldest first."""

    items: list[RoundView]
    total: int


def round_view(row: Round, troubles: Iterable[ReplyRow]) -> RoundView:
    """Return a round with what went wrong in it."""
    mine = [Trouble.model_validate(one, from_attributes=True) for one in troubles if one.round == row.round]
    return RoundView(
        **{name: getattr(row, name) for name in RoundView.model_fields if hasattr(row, name)},
        samples=_samples(row.spread or {}),
        replies={phase: outcomes.get("accepted", 0) for phase, outcomes in row.outcomes.items()},
        refusals=[one for one in mine if one.outcome == "refused"],
        failures=[one for one in mine if one.outcome != "refused"],
    )


def _samples(spreads: Mapping[str, Sequence[Any]]) -> dict[str, int]:
    """Return phase -> samples of a round, those of the metric with the most."""
    samples: dict[str, int] = {}
    for key, values in spreads.items():
        phase, spread = key.partition("_")[0], Spread(*values)
        if spread.samples:
            samples[phase] = max(samples.get(phase, 0), spread.samples)
    return samples
