"""/api/options: what a run can be made of."""

from dataclasses import asdict
from typing import Any, get_args

from fastapi import APIRouter
from pydantic import BaseModel, Field

from federation.run.config import Dataset, Loss, Network, Optimizer, Partitioner, RunConfig, StrategyName
from federation.run.strategies import STRATEGIES
from webapp.routes.api.errors import REFUSED

router = APIRouter(prefix="/api", tags=["options"], responses=REFUSED)


class OptionOfStrategy(BaseModel):
    """A number that a strategy takes in ``strategy_options``; ``default`` null is the run's learning rate."""

    words: str = Field(examples=["Pull towards the global weights; 0 is FedAvg"])
    default: float | None
    least: float
    most: float
    below: bool = Field(description="Whether it must stay below ``most``.")
    whole: bool = Field(description="Whether it is a whole number.")


class Options(BaseModel):
    """Names and limits. ``fields`` is the JSON schema of each field of a run, with default, least and most."""

    networks: list[str] = Field(examples=[["mlp", "cnn"]])
    datasets: list[str]
    partitioners: list[str]
    strategies: list[str]
    optimizers: list[str]
    losses: list[str]
    fields: dict[str, dict[str, Any]]
    strategy_options: dict[str, dict[str, OptionOfStrategy]] = Field(description="Of each strategy, by their names.")


@router.get("/options")
def list_options() -> Options:
    """Return what POST /api/runs takes."""
    return Options(
        networks=_names(Network), datasets=_names(Dataset), partitioners=_names(Partitioner),
        strategies=_names(StrategyName), optimizers=_names(Optimizer), losses=_names(Loss),
        fields=RunConfig.model_json_schema()["properties"],
        strategy_options={
            name: {key: OptionOfStrategy(**asdict(option)) for key, option in described.options.items()}
            for name, described in STRATEGIES.items()
        },
    )  # fmt: skip


def _names(literal: Any) -> list[str]:
    return list(get_args(literal))
