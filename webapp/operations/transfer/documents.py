"""What an exported run is made of: its members, and the schema of each row."""

from math import isfinite
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, model_validator

from federation.run.config import MAX_CLIENTS, MAX_ROUNDS
from federation.run.events import Outcome, Phase
from federation.run.pooling import MAX_POOLED_CLASSES
from federation.schema.columns import AgreedSchema

FORMAT: Literal["meadow-run"] = "meadow-run"
VERSION: Literal[1] = 1
MANIFEST, RUN, CARD, CSV = "manifest.json", "run.json", "MODEL_CARD.md", "metrics.csv"
MODELS = {"last": "model.npz", "best": "model-best.npz"}
KERAS = "model.keras"

MAX_ID = 2**53 - 1
Text = Annotated[str, Field(max_length=4000, pattern=r"^[^\x00]*$")]
Word = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00\"\\]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Amount = Annotated[int, Field(ge=0, le=MAX_ID)]
RoundNumber = Annotated[int, Field(ge=0, le=MAX_ROUNDS)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
ClientNumber = Annotated[int, Field(ge=1, le=MAX_CLIENTS)]
"""Clients are numbered from 1 in an archive, because ids of another Meadow mean nothing."""
Metrics = Annotated[dict[Word, Number | None], Field(max_length=500)]


Spread = Annotated[list[Amount | Number], Field(min_length=6, max_length=8)]
"""The fields of ``webapp.db.spread.Spread``; the worst client is a number of the archive, or 0."""


def _stored(value: JsonValue, depth: int = 0) -> JsonValue:
    """Return free JSON that every database holds; raises ValueError for NaN, U+0000, huge numbers, deep nesting."""
    if isinstance(value, float) and not isfinite(value):
        raise ValueError("a number is not finite")
    if isinstance(value, int) and abs(value) > MAX_ID:
        raise ValueError("a number is too large")
    if isinstance(value, str) and "\x00" in value:
        raise ValueError("a text has a null character")
    if isinstance(value, dict | list):
        if depth > 20:
            raise ValueError("it is nested too deep")
        for one in (*value, *value.values()) if isinstance(value, dict) else value:
            _stored(one, depth + 1)
    return value


Json = Annotated[JsonValue, AfterValidator(_stored)]


class Document(BaseModel):
    """A part of an archive: no field more, none less, and no value of another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ClientDocument(Document):
    """A client of the run, by its name and the sha256 of its public key."""

    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
    key_sha256: Sha256
    versions: Annotated[dict[Word, Text | None], Field(max_length=20)]
    app: Text | None
    dataset: Text | None
    train_samples: Amount
    address: Annotated[str | None, Field(max_length=64, pattern=r"^[^\x00]*$")] = None
    """Only in archives for which a person asked for addresses."""


class ModelDocument(Document):
    """Weights of a round: ``sha256`` and ``size_bytes`` are those of Meadow's own checkpoint."""

    round: RoundNumber
    sha256: Sha256
    size_bytes: Amount


class BestDocument(Document):
    """The best value of a metric."""

    round: RoundNumber
    value: Number
    loss: Number | None = None
    clients: Amount | None = None


class Origin(Document):
    """Where an imported run comes from."""

    run_id: Amount
    meadow: Text
    exported_at: AwareDatetime
    manifest_sha256: Sha256


class RunDocument(Document):
    """A run without its rows."""

    format: Literal["meadow-run"]
    version: Literal[1]
    run_id: Amount
    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
    config: Annotated[dict[Word, Json], Field(max_length=100)]
    state: Literal["stopped", "completed", "failed", "interrupted", "cancelled"]
    reason: Text | None
    stop_rule: Literal["target", "patience", "time", "traffic"] | None = None
    note: Text
    tags: Annotated[list[Annotated[str, Field(max_length=30)]], Field(max_length=10)]
    num_rounds: RoundNumber
    current_round: RoundNumber
    last_metrics: Metrics
    best_metrics: Annotated[dict[Word, BestDocument], Field(max_length=500)]
    excluded: Annotated[list[ClientNumber], Field(max_length=MAX_CLIENTS)]
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    active_seconds: Seconds
    versions: Annotated[dict[Word, Text], Field(max_length=20)]
    exported_at: AwareDatetime
    origin: Origin | None
    clients: Annotated[list[ClientDocument], Field(max_length=MAX_CLIENTS)]
    models: dict[Literal["last", "best"], ModelDocument]
    agreed_schema: AgreedSchema | None = None
    """What the clients of a run on their own data agreed on."""


ConfusionRow = Annotated[list[Amount], Field(min_length=2, max_length=MAX_POOLED_CLASSES)]


class ConfusionDocument(Document):
    """The confusion matrix of a round over clients: a square."""

    counts: Annotated[list[ConfusionRow], Field(min_length=2, max_length=MAX_POOLED_CLASSES)]
    clients: Amount

    @model_validator(mode="after")
    def _is_square(self) -> Self:
        if any(len(row) != len(self.counts) for row in self.counts):
            raise ValueError("a confusion matrix has as many columns as rows")
        return self


class RoundRow(Document):
    """A committed round."""

    round: RoundNumber
    attempt: Amount
    committed_at: AwareDatetime
    elapsed_seconds: Seconds = 0.0
    seconds: Seconds
    train_seconds: Seconds
    aggregate_seconds: Seconds
    evaluate_seconds: Seconds
    bytes_down: Amount
    bytes_up: Amount
    outcomes: dict[Phase, dict[Outcome, Amount]]
    metrics: Metrics
    spread: Annotated[dict[Word, Spread], Field(max_length=500)] | None
    checkpoint: ModelDocument
    confusion: ConfusionDocument | None = None


class ReplyRow(Document):
    """The outcome of one client's task."""

    round: RoundNumber
    attempt: Amount
    phase: Phase
    client: ClientNumber
    outcome: Outcome
    reason: Text | None
    num_examples: Amount | None
    seconds: Seconds | None
    offered_at_seconds: Seconds | None
    received_at_seconds: Seconds | None
    bytes_down: Amount
    bytes_up: Amount


class PointRow(Document):
    """One value of a metric; ``client`` null is the mean over clients, ``value`` null one that is not finite."""

    round: RoundNumber
    phase: Literal["train", "evaluate", "server"]
    client: ClientNumber | None
    name: Word
    value: Number | None
    kind: Literal["finite", "nan", "inf", "-inf"]


class EventRow(Document):
    """An event of the run."""

    type: Literal["run", "round", "reply", "client", "note", "server_evaluation"]
    at: AwareDatetime
    client: ClientNumber | None
    data: Annotated[dict[Word, Json], Field(max_length=100)]


class MemberDocument(Document):
    """A file of the archive."""

    name: Word
    size_bytes: Amount
    sha256: Sha256


class Manifest(Document):
    """Every other file of the archive, with its hash."""

    format: Literal["meadow-run"]
    version: Literal[1]
    members: Annotated[list[MemberDocument], Field(max_length=20)]


ROWS: dict[str, type[Document]] = {"rounds": RoundRow, "replies": ReplyRow, "metrics": PointRow, "events": EventRow}
"""Tables of an archive, each a JSON array in ``NAME.json`` with a row a line."""
