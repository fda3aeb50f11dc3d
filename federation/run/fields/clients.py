"""Which clients take part in a run, and how many of them in a round."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from federation.run.choices import MAX_CLIENTS, ClientId
from federation.run.fields.training import TrainingFields
from federation.run.options import Group, Shown
from federation.run.rounds.schedules import MAX_TEXT, SCHEDULED, check_schedule
from federation.run.strategies import clients_needed


class ClientFields(TrainingFields):
    """Minimum, share and selection of clients."""

    min_clients: Annotated[int, Shown("Minimum clients per round", Group.CLIENTS, quick=True)] = Field(
        2, ge=1, le=MAX_CLIENTS, validate_default=True,
        description="The run waits below this number; a round needs as many accepted updates.",
    )  # fmt: skip
    fraction_train: Annotated[float, Shown("Clients sampled per round", Group.CLIENTS, unit="percent")] = Field(
        1.0,
        gt=0,
        le=1,
        description="Share of the eligible clients that trains, rounded down; sampled at random each round.",
    )
    fraction_train_schedule: Annotated[str, Shown("Sampling schedule", Group.CLIENTS, empty="constant")] = Field(
        "", max_length=MAX_TEXT,
        description="Share by round, in fractions: “1, 0.5, 0.25”, “step 10 0.5” or “cosine 0.1”.",
    )  # fmt: skip
    clients: Annotated[list[ClientId] | None, Shown("Clients", Group.CLIENTS, empty="all with this dataset")] = Field(
        None, max_length=MAX_CLIENTS, description="Ids of the clients that may take part; null: all."
    )

    max_clients: Annotated[int | None, Shown("Maximum clients per run", Group.CLIENTS, empty="all eligible")] = Field(
        None, ge=1, le=MAX_CLIENTS, validate_default=True,
        description="The run takes no more, which leaves the others to runs that are active at the same time.",
    )  # fmt: skip

    @field_validator("max_clients", mode="after")
    @classmethod
    def _no_fewer_than_the_minimum(cls, max_clients: int | None, info: ValidationInfo) -> int | None:
        least = info.data.get("min_clients", 1)
        if max_clients is not None and max_clients < least:
            raise ValueError(f"min_clients is {least:,}, so that max_clients cannot be {max_clients:,}")
        return max_clients

    @field_validator("fraction_train_schedule", mode="after")
    @classmethod
    def _shares_are_a_schedule(cls, text: str) -> str:
        check_schedule(text, SCHEDULED["fraction_train"])
        return text

    @field_validator("min_clients", mode="after")
    @classmethod
    def _enough_for_the_strategy(cls, min_clients: int, info: ValidationInfo) -> int:
        if "strategy" in info.data and "strategy_options" in info.data:
            strategy = info.data["strategy"]
            needed = clients_needed(strategy, info.data["strategy_options"])
            if min_clients < needed:
                needs = f"{strategy} with these options needs {needed:,} clients"
                raise ValueError(f"{needs}, min_clients is {min_clients:,}")
        return min_clients
