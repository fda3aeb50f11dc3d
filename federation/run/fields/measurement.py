"""What a run measures besides the metrics that its clients report. None of it changes what is learned."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from federation.run.choices import (
    CLIENT_EVALUATIONS,
    CLIENT_METRICS,
    DIAGNOSTICS,
    SERVER_EVALUATIONS,
    ClientEvaluation,
    ClientMetrics,
    Diagnostics,
    ServerEvaluation,
)
from federation.run.fields.advanced import AdvancedFields
from federation.run.fields.model import KERAS
from federation.run.networks import KERAS_NETWORKS, TEST_SPLITS, has_test_split
from federation.run.options import Group, Shown


class MeasurementFields(AdvancedFields):
    """Options of measurements."""

    diagnostics: Annotated[Diagnostics, Shown("Diagnostics", Group.ADVANCED, choices=DIAGNOSTICS)] = Field(
        "off", description="Norm and cosine of each update, fairness over clients; losses cost two evaluations a task."
    )
    client_metrics: Annotated[
        ClientMetrics, Shown("Evaluation metrics", Group.ADVANCED, choices=CLIENT_METRICS, when=KERAS)
    ] = Field(
        "auto", description="AUC, F1, balanced accuracy, sensitivity and specificity; MAE, RMSE and R² for a number."
    )
    server_evaluation: Annotated[
        ServerEvaluation,
        Shown("Evaluation at the server", Group.ADVANCED, choices=SERVER_EVALUATIONS, when=("dataset", *TEST_SPLITS)),
    ] = Field(
        "off", description="Of each round's weights, beside the clients' evaluation; needs TensorFlow at the server."
    )  # fmt: skip
    client_evaluation: Annotated[
        ClientEvaluation, Shown("Evaluation by clients", Group.CLIENTS, choices=CLIENT_EVALUATIONS)
    ] = Field("on", description="On each client's own test data.")

    @field_validator("server_evaluation", mode="after")
    @classmethod
    def _there_is_a_test_split(cls, value: ServerEvaluation, info: ValidationInfo) -> ServerEvaluation:
        known = "network" in info.data and "dataset" in info.data and info.data.get("evaluated_run") is None
        if value != "off" and known and not has_test_split(info.data["network"], info.data["dataset"]):
            networks, datasets = ", ".join(KERAS_NETWORKS), ", ".join(TEST_SPLITS)
            raise ValueError(f"needs a network of Meadow ({networks}) and a dataset with a test split ({datasets})")
        if value != "off" and info.data.get("personal_layers"):
            raise ValueError("the server has no whole model to evaluate: personal layers stay at the clients")
        return value

    @field_validator("client_evaluation", mode="after")
    @classmethod
    def _somebody_evaluates(cls, value: ClientEvaluation, info: ValidationInfo) -> ClientEvaluation:
        if value == "off" and (info.data.get("kind") != "evaluation" or info.data.get("server_evaluation") == "off"):
            raise ValueError("may be off in a run that only evaluates, where the server evaluates")
        return value
