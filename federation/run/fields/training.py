"""How a run trains: strategy, rounds, and the clients' local training."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from federation.run.choices import MAX_ROUNDS, STRATEGY_NOTES, AppKey, AppValue, StrategyName
from federation.run.fields.model import TRAINED
from federation.run.fields.network import NetworkFields
from federation.run.options import Group, Shown
from federation.run.rounds.schedules import MAX_TEXT, SCHEDULED, check_schedule
from federation.run.strategies import with_defaults


class TrainingFields(NetworkFields):
    """Strategy, rounds, epochs and learning rate."""

    strategy: Annotated[StrategyName, Shown("Strategy", Group.TRAINING, notes=STRATEGY_NOTES)] = Field(
        "FedAvg", description="The Flower strategy that aggregates the updates."
    )
    strategy_options: dict[str, float] = Field(
        default_factory=dict, max_length=20, description="Options of the strategy; defaults where missing."
    )
    app_config: Annotated[
        dict[AppKey, AppValue], Shown("App options", Group.TRAINING, empty="none", when=("network", "custom", "app"))
    ] = Field(
        default_factory=dict, max_length=100,
        description="For your own ClientApp, found in context.run_config and in the message's config; a JSON object.",
    )  # fmt: skip
    num_rounds: Annotated[int, Shown("Rounds", Group.TRAINING, quick=True)] = Field(
        3, ge=1, le=MAX_ROUNDS, description="Rounds to complete; round 0 is not counted."
    )
    local_epochs: Annotated[int, Shown("Local epochs", Group.TRAINING, when=TRAINED)] = Field(
        1, ge=1, le=1000, description="Passes over a client's data per round."
    )
    learning_rate: Annotated[float, Shown("Learning rate", Group.TRAINING, when=TRAINED)] = Field(
        0.003, gt=0, le=100, description="Of the client's optimizer."
    )

    local_epochs_schedule: Annotated[
        str, Shown("Local epochs schedule", Group.TRAINING, empty="constant", when=TRAINED)
    ] = Field("", max_length=MAX_TEXT, description="By round, as for the learning rate; rounded to whole epochs.")
    learning_rate_schedule: Annotated[
        str, Shown("Learning rate schedule", Group.TRAINING, empty="constant", when=TRAINED)
    ] = Field(
        "", max_length=MAX_TEXT,
        description="By round: “step 10 0.5” halves it every 10 rounds, “cosine 0.001” ends there, or “0.1, 0.05”.",
    )  # fmt: skip
    evaluate_every: Annotated[int, Shown("Evaluate every (rounds)", Group.TRAINING)] = Field(
        1,
        ge=1,
        le=MAX_ROUNDS,
        description="Rounds from one evaluation to the next; the last round is always evaluated.",
    )

    @field_validator("local_epochs_schedule", "learning_rate_schedule", mode="after")
    @classmethod
    def _is_a_schedule(cls, text: str, info: ValidationInfo) -> str:
        check_schedule(text, SCHEDULED[str(info.field_name).removesuffix("_schedule")])
        return text

    @field_validator("strategy_options", mode="after")
    @classmethod
    def _options_fit(cls, options: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        if "strategy" in info.data:
            with_defaults(info.data["strategy"], options, 0.1)
        return options
