"""/api/options: the options of a run."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from federation.run.strategies import STRATEGIES
from webapp.operations.run_requests import RunRequest
from webapp.pages.start.fields import FIELDS
from webapp.routes.api.errors import REFUSED

router = APIRouter(prefix="/api", tags=["options"], responses=REFUSED)


class OptionOfStrategy(BaseModel):
    """A number that a strategy takes in ``strategy_options``; ``default`` null is the run's learning rate."""

    label: str = Field(examples=["Proximal μ"])
    words: str = Field(examples=["Pull towards the global weights; 0 is FedAvg"])
    default: float | None
    least: float
    most: float
    below: bool = Field(description="Whether the value must be below ``most``.")
    whole: bool = Field(description="Whether the value is a whole number.")


class Options(BaseModel):
    """Names and limits. ``fields`` is the JSON schema of each field of a run, with default, minimum and maximum.

    A field also has the texts of the form: ``label``, ``group``, ``unit`` (percent: a fraction from 0 to 1), ``empty``
    (the meaning of null), ``when`` (another field, then its values with which this field applies) and the words of its
    ``choices``.
    """

    networks: list[str] = Field(examples=[["mlp", "cnn"]])
    datasets: list[str]
    partitioners: list[str]
    strategies: list[str]
    optimizers: list[str]
    losses: list[str]
    fields: dict[str, dict[str, Any]]
    strategy_options: dict[str, dict[str, OptionOfStrategy]] = Field(description="Options of each strategy, by name.")


@router.get("/options")
def list_options() -> Options:
    """Return the options of POST /api/runs."""
    schemas = RunRequest.model_json_schema()["properties"]
    return Options(
        networks=_choices("network"), datasets=_choices("dataset"), partitioners=_choices("partitioner"),
        strategies=_choices("strategy"), optimizers=_choices("optimizer"), losses=_choices("loss"),
        fields={name: {**schema, **_shown(name)} for name, schema in schemas.items()},
        strategy_options={
            name: {
                key: OptionOfStrategy(**asdict(option))
                for key, option in described.options.items()
                if not option.ignored
            }
            for name, described in STRATEGIES.items()
        },
    )  # fmt: skip


def _choices(name: str) -> list[str]:
    return list(FIELDS[name].choices)


def _shown(name: str) -> dict[str, Any]:
    shown = FIELDS[name].shown if name in FIELDS else None
    keys = ("label", "group", "unit", "empty", "when", "choices")
    return {key: value for key in keys if (value := getattr(shown, key, None))}
