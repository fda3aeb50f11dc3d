"""The settings of the networks that Meadow builds."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from federation.run.choices import ACTIVATIONS
from federation.run.fields.model import ModelFields
from federation.run.networks import (
    APPLICATIONS,
    MAX_IMAGE_SIZE,
    MIN_IMAGE_SIZE,
    Activation,
    read_layer_sizes,
)
from federation.run.options import Group, Shown

DENSE = ("network", "mlp", "cnn")
MAX_TEXT = 100


class NetworkFields(ModelFields):
    """Sizes of layers, dropout and activation; the size of images."""

    hidden_units: Annotated[str, Shown("Hidden units", Group.MODEL, when=("network", "mlp"))] = Field(
        "128", max_length=MAX_TEXT, description="Of each hidden layer, separated by commas: “128, 64”."
    )
    filters: Annotated[str, Shown("Filters", Group.MODEL, when=("network", "cnn"))] = Field(
        "32, 64", max_length=MAX_TEXT, description="Of each convolution, separated by commas; each halves the image."
    )
    dropout: Annotated[float, Shown("Dropout", Group.MODEL, when=DENSE)] = Field(
        0.2, ge=0, lt=1, description="Share of hidden units that a training step drops at random."
    )
    activation: Annotated[Activation, Shown("Activation", Group.MODEL, choices=ACTIVATIONS, when=DENSE)] = Field(
        "relu", description="Of the hidden layers and convolutions."
    )

    image_size: Annotated[
        int | None, Shown("Image size", Group.MODEL, empty="that of the network", when=("network", *APPLICATIONS))
    ] = Field(
        None, ge=MIN_IMAGE_SIZE, le=MAX_IMAGE_SIZE,
        description="Height and width in pixels, to which images are scaled; a smaller one is faster.",
    )  # fmt: skip

    @field_validator("image_size", mode="after")
    @classmethod
    def _is_large_enough(cls, size: int | None, info: ValidationInfo) -> int | None:
        application = APPLICATIONS.get(info.data.get("network", ""))
        if size is not None and application is not None and size < application.least:
            raise ValueError(f"{info.data['network']} takes images of at least {application.least} pixels")
        return size

    @field_validator("hidden_units", "filters", mode="after")
    @classmethod
    def _are_sizes(cls, text: str) -> str:
        return ", ".join(map(str, read_layer_sizes(text)))
