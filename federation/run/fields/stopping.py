"""When a run ends before its last round."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from federation.run.fields.measurement import MeasurementFields
from federation.run.metric_goals import SERVER_PHASE, MetricGoals, names_of
from federation.run.options import Group, Shown

MAX_METRIC_VALUE = 1e12


class StopFields(MeasurementFields):
    """Stop rules. A run that one of them ends is completed, with the reason."""

    stop_metric: Annotated[str, Shown("Watched metric", Group.STOPPING)] = Field(
        "evaluate_accuracy", pattern=r"^(train|evaluate|server)_.", max_length=110,
        description="Watched by target and patience: a mean over clients, or server_accuracy or server_loss.",
    )  # fmt: skip
    stop_target: Annotated[float | None, Shown("Target value", Group.STOPPING, empty="none")] = Field(
        None, ge=-MAX_METRIC_VALUE, le=MAX_METRIC_VALUE, description="The run ends once the watched metric reaches it."
    )
    stop_patience: Annotated[int | None, Shown("Patience (rounds)", Group.STOPPING, empty="no limit")] = Field(
        None, ge=1, le=100_000, description="The run ends after as many rounds without an improvement."
    )
    stop_min_change: Annotated[float, Shown("Minimum change", Group.STOPPING)] = Field(
        0.0, ge=0, le=MAX_METRIC_VALUE, description="A smaller change of the watched metric is no improvement."
    )
    stop_seconds: Annotated[float | None, Shown("Time limit", Group.STOPPING, unit="seconds", empty="none")] = Field(
        None, gt=0, le=31_536_000, description="Of active time, waits included; the round under way is completed."
    )
    stop_megabytes: Annotated[float | None, Shown("Traffic limit", Group.STOPPING, unit="megabytes", empty="none")] = (
        Field(None, gt=0, le=1e9, description="Of all rounds, both ways; the round under way is completed.")
    )

    @field_validator("stop_target", "stop_patience", mode="after")
    @classmethod
    def _metric_has_a_goal(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is None or "stop_metric" not in info.data:
            return value
        phase, _, name = info.data["stop_metric"].partition("_")
        if phase == SERVER_PHASE and info.data.get("server_evaluation") == "off":
            raise ValueError("watches a metric of the server, which evaluates nothing: see Evaluation at the server")
        goals = MetricGoals(*(names_of(info.data.get(of)) for of in ("minimize_metrics", "maximize_metrics")))
        if goals.less_is_better(name) is None:
            raise ValueError(f"whether less of {name} is better is unknown: name it under metrics to minimize, or to "
                             "maximize")  # fmt: skip
        return value
