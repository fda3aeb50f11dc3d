"""The schemas of what a client says about its software, its machine and its data, and a server about its limits.

The values stay plain dictionaries: they are stored and shown as they are. Fields that are not named here are dropped.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetPydanticSchema, PlainSerializer, with_config
from typing_extensions import TypedDict  # Python 3.11's own keeps too little of itself for pydantic, which brings this

from federation.schema.columns import ClientSchema
from federation.schema.statistics import Histograms

MAX_DESCRIPTION_CHARACTERS = 5000
"""Longer than any path or platform; pages cut what they show."""

MAX_NUMBER = 2**53 - 1
"""The largest whole number that JSON carries to a browser without a loss."""

MAX_DIMENSIONS = 64
MAX_VERSIONS = 50
MAX_CLASSES = 100_000

MAX_TRACEBACK_FRAMES, MAX_FRAME_TEXT_CHARACTERS = 10, 200
MAX_LOG_LINES, MAX_LOG_LINE_CHARACTERS = 200, 300

_STRICT = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)

Text = Annotated[str, Field(max_length=MAX_DESCRIPTION_CHARACTERS)]
Number = Annotated[int, Field(ge=0, le=MAX_NUMBER, strict=True)]
ShortText = Annotated[str, Field(max_length=100, strict=True)]
SampleCounts = dict[ShortText, Number | None]
"""Number of samples that a client trains on (``train``), and that it evaluates on (``test``)."""

ClientKind = Literal["client", "simulated"]
"""A simulated client shares its process with others."""


@with_config(_STRICT)
class Facts(TypedDict, total=False):
    """The machine of a client. ``process`` is another one at each start of the client."""

    platform: Text | None
    python: Text | None
    cpus: Number | None
    memory_bytes: Annotated[float, Field(ge=0, le=MAX_NUMBER)] | None
    hostname: Text | None
    process: Text | None


@with_config(_STRICT)
class PreparedData(TypedDict, total=False):
    """The data of a client as it answers a prepare task: shape of one sample, and training samples of each class.

    The layout is compared with the run's, which rejects it with a reason of its own. ``statistics`` answers a
    statistics run, in place of all others.
    """

    layout: Any
    samples: Number | SampleCounts | None
    input_shape: Annotated[list[Number], Field(max_length=MAX_DIMENSIONS)] | None
    classes: Number | None
    label_counts: Annotated[list[Number], Field(max_length=MAX_CLASSES)] | None
    statistics: Histograms | None


def _as_told(schema: ClientSchema) -> dict[str, Any]:
    return schema.model_dump(mode="json", exclude_none=True)


@with_config(_STRICT)
class HeldData(TypedDict, total=False):
    """The data of a client as its hello tells it; ``app`` names an app of its own.

    ``shares_labels``: it reports its training samples of each class when it prepares. ``schema``: that of data of its
    own, of which ``dataset`` is the name. ``runs_apps``: it is a SuperNode, which runs the app that a run brings.
    """

    dataset: ShortText | None
    partition: Number | None
    partitions: Number | None
    source: Text | None
    app: Text | None
    shares_labels: bool | None
    runs_apps: bool | None
    samples: Number | SampleCounts | None
    input_shape: Annotated[list[Number], Field(max_length=MAX_DIMENSIONS)] | None
    classes: Number | None
    label_counts: Annotated[list[Number], Field(max_length=MAX_CLASSES)] | None
    schema: Annotated[ClientSchema, AfterValidator(_as_told), PlainSerializer(dict)] | None


FrameText = Annotated[str, Field(max_length=MAX_FRAME_TEXT_CHARACTERS)]


@with_config(_STRICT)
class TracebackFrame(TypedDict):
    """One frame of an app's own code: the file without the folders of the machine, and the line of code itself."""

    file: FrameText
    line: Number
    function: FrameText
    code: FrameText


@with_config(_STRICT)
class Failure(TypedDict, total=False):
    """Where a task failed, the innermost frame last; ``log`` is null where the client does not share its log."""

    frames: Annotated[list[TracebackFrame], Field(max_length=MAX_TRACEBACK_FRAMES)]
    log: (
        Annotated[list[Annotated[str, Field(max_length=MAX_LOG_LINE_CHARACTERS)]], Field(max_length=MAX_LOG_LINES)]
        | None
    )


@with_config(_STRICT)
class Limits(TypedDict, total=False):
    """What the server's welcome says that it takes, in bytes."""

    max_frame_bytes: Number
    max_reply_bytes: Number
    unasked_bytes: Number


FactsField = Annotated[dict[str, Any], GetPydanticSchema(lambda _, handler: handler(Facts))]
HeldDataField = Annotated[dict[str, Any], GetPydanticSchema(lambda _, handler: handler(HeldData))]
PreparedDataField = Annotated[dict[str, Any], GetPydanticSchema(lambda _, handler: handler(PreparedData))]
FailureField = Annotated[dict[str, Any], GetPydanticSchema(lambda _, handler: handler(Failure))]
LimitsField = Annotated[dict[str, Any], GetPydanticSchema(lambda _, handler: handler(Limits))]
VersionsField = Annotated[dict[ShortText, ShortText | Number], Field(max_length=MAX_VERSIONS)]


class Description(BaseModel):
    """What a SuperNode says of itself, or why it cannot take part."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    data: HeldDataField = Field(default_factory=dict)
    versions: VersionsField = Field(default_factory=dict)
    facts: FactsField = Field(default_factory=dict)
    error: Text | None = None
