"""What a run measures besides the metrics that its clients report. None of it changes what is learned."""

from typing import Annotated

from pydantic import Field

from federation.run.choices import DIAGNOSTICS, Diagnostics
from federation.run.fields.advanced import AdvancedFields
from federation.run.options import Group, Shown


class MeasurementFields(AdvancedFields):
    """Options of measurements."""

    diagnostics: Annotated[Diagnostics, Shown("Diagnostics", Group.ADVANCED, choices=DIAGNOSTICS)] = Field(
        "off", description="Norm and cosine of each update, fairness over clients; losses cost two evaluations a task."
    )
