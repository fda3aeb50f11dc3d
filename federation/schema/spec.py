"""What a network is built for: the shape of an input, the kind of the target, and the number of outputs."""

from math import prod
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from federation.schema.columns import MAX_CLASSES, MAX_DIMENSIONS, MAX_SIDE, AgreedSchema

Target = Literal["binary", "classes", "number"]
"""What is predicted: one of two classes, one of several, or a number (regression)."""

MAX_INPUTS = 50_000_000
"""Values of one input: a network over more would not fit in the memory of a machine."""

Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]


class Spec(BaseModel):
    """Inputs are float32 of ``shape``. Outputs are the probabilities of the classes, or one number.

    A binary target has two outputs with softmax, not one with a sigmoid. The function is the same, the sigmoid of the
    difference of the two; labels, losses, confusion matrix and files are then those of any number of classes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: Annotated[tuple[Side, ...], Field(min_length=1, max_length=MAX_DIMENSIONS)]
    outputs: Annotated[int, Field(ge=1, le=MAX_CLASSES)]
    target: Target

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.inputs > MAX_INPUTS:
            raise ValueError(f"{self.inputs:,} values in an input, at most {MAX_INPUTS:,} are possible")
        expected = {"number": self.outputs == 1, "binary": self.outputs == 2, "classes": self.outputs != 2}
        if not expected[self.target]:
            raise ValueError(f"{self.outputs:,} outputs do not fit a target of the kind {self.target}")
        return self

    @property
    def inputs(self) -> int:
        """Number of values in one input."""
        return prod(self.shape)

    @property
    def is_number(self) -> bool:
        """Whether the target is a number, not a class."""
        return self.target == "number"

    @property
    def classes(self) -> int:
        """Number of classes; 0 for a target that is a number."""
        return 0 if self.is_number else self.outputs

    @classmethod
    def of_classes(cls, shape: tuple[int, ...], classes: int) -> Self:
        """Return the spec of inputs with so many classes."""
        return cls(shape=shape, outputs=classes, target="binary" if classes == 2 else "classes")

    @classmethod
    def agreed(cls, schema: AgreedSchema) -> Self:
        """Return the spec of data that clients bring."""
        if schema.task == "number":
            return cls(shape=schema.inputs, outputs=1, target="number")
        return cls.of_classes(schema.inputs, len(schema.classes))
