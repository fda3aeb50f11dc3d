"""What most runs leave as it is: optimizer, loss, timeouts, checks of updates, seeds, and which metrics are better."""

import secrets
from typing import Annotated, get_args

from pydantic import Field, ValidationInfo, field_validator

from federation.run.choices import (
    CLASS_WEIGHTS,
    LOSSES,
    NORM_RULES,
    OPTIMIZERS,
    WITH_MOMENTUM,
    ClassWeights,
    Loss,
    NormRule,
    Optimizer,
    loss_for,
)
from federation.run.fields.clients import ClientFields
from federation.run.fields.model import KERAS
from federation.run.metric_goals import names_of
from federation.run.networks import KERAS_NETWORKS, Dataset
from federation.run.options import Group, Shown


class AdvancedFields(ClientFields):
    """Options with defaults that most runs keep."""

    batch_size: Annotated[int, Shown("Batch size", Group.ADVANCED, when=KERAS)] = Field(
        32, ge=1, le=65_536, description="Samples per training step."
    )
    optimizer: Annotated[Optimizer, Shown("Optimizer", Group.ADVANCED, choices=OPTIMIZERS, when=KERAS)] = Field(
        "adam", description="The client's optimizer, created anew each round."
    )
    momentum: Annotated[float, Shown("Momentum", Group.ADVANCED, when=("optimizer", *WITH_MOMENTUM))] = Field(
        0.0, ge=0, lt=1, description="Share of the last step that is added to the next; Adam has moments of its own."
    )
    weight_decay: Annotated[float, Shown("Weight decay", Group.ADVANCED, when=KERAS)] = Field(
        0.0, ge=0, le=1,
        description="L2 as in PyTorch's SGD and Adam: each weight, times this, is added to its gradient; AdamW's own.",
    )  # fmt: skip
    loss: Annotated[Loss, Shown("Loss", Group.ADVANCED, choices=LOSSES, when=KERAS)] = Field(
        "auto", description="Sparse categorical cross-entropy for classes, mean squared error for a number."
    )
    frozen_layers: Annotated[str, Shown("Frozen layers", Group.ADVANCED, empty="none", when=KERAS)] = Field(
        "", max_length=500, description="Names of layers that are not trained: “*, !classes” trains the last one alone."
    )
    personal_layers: Annotated[str, Shown("Personal layers", Group.ADVANCED, empty="none", when=KERAS)] = Field(
        "", max_length=500,
        description="Names of layers that each client keeps, such as “classes”; the traffic below counts them as sent.",
    )  # fmt: skip
    class_weights: Annotated[
        ClassWeights, Shown("Class weights", Group.ADVANCED, choices=CLASS_WEIGHTS, when=KERAS)
    ] = Field("off", description="Balanced: a sample's loss counts inversely to the client's samples of its class.")
    steps_per_epoch: Annotated[
        int | None, Shown("Steps per epoch", Group.ADVANCED, empty="whole epoch", when=KERAS)
    ] = Field(None, ge=1, le=1_000_000, description="Batches per epoch.")
    round_timeout_seconds: Annotated[float, Shown("Round timeout", Group.ADVANCED, unit="seconds")] = Field(
        600, gt=0, le=86_400, description="Later updates are not aggregated."
    )
    quorum_timeout_seconds: Annotated[float, Shown("Client wait timeout", Group.ADVANCED, unit="seconds")] = Field(
        600, gt=0, le=604_800, description="How long the run waits for clients before it fails."
    )
    norm_rule: Annotated[NormRule, Shown("Update norm check", Group.ADVANCED, choices=NORM_RULES)] = Field(
        "off", description="For updates far above the round's median norm, from three updates on."
    )
    norm_limit: Annotated[
        float, Shown("Norm threshold (× median)", Group.ADVANCED, when=("norm_rule", "clip", "reject"))
    ] = Field(3.0, gt=1, le=1e6, description="The largest norm of an update that passes the check.")
    max_weight_share: Annotated[
        float | None, Shown("Maximum weight per client", Group.ADVANCED, unit="percent", empty="no limit")
    ] = Field(None, gt=0, le=1, description="Largest share of a round's samples that one client counts for.")
    seed: Annotated[int, Shown("Seed", Group.ADVANCED, empty="random")] = Field(
        default_factory=lambda: secrets.randbelow(2**31), ge=0, lt=2**31,
        description="For weights, partitions, shuffling and client sampling.",
    )  # fmt: skip
    data_seed: Annotated[int | None, Shown("Data seed", Group.ADVANCED, empty="the run's seed", when=KERAS)] = Field(
        None, ge=0, lt=2**31, description="For partitions alone: runs with other seeds then train on the same split."
    )

    minimize_metrics: Annotated[str, Shown("Metrics to minimize", Group.ADVANCED, empty="those with common names")] = (
        Field("", max_length=500, description="Separated by commas; loss, error, mae and the like are known.")
    )
    maximize_metrics: Annotated[str, Shown("Metrics to maximize", Group.ADVANCED, empty="those with common names")] = (
        Field("", max_length=500, description="Separated by commas; of any other metric no round is called the best.")
    )

    @field_validator("loss", mode="after")
    @classmethod
    def _loss_fits_the_target(cls, loss: str, info: ValidationInfo) -> str:
        """Data that clients bring have a target that is known once these have agreed on a schema."""
        if info.data.get("network") in KERAS_NETWORKS and info.data.get("dataset") in get_args(Dataset):
            loss_for(loss, "classes")
        return loss

    @field_validator("maximize_metrics", mode="after")
    @classmethod
    def _one_goal_for_a_metric(cls, maximize: str, info: ValidationInfo) -> str:
        if both := names_of(maximize) & names_of(info.data.get("minimize_metrics")):
            raise ValueError(f"{min(both)} is to be minimized as well; choose one")
        return maximize
