"""The schema of an event's data in an archive: every field that a page reads has its type; others may be anything."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from federation.run.events import Outcome, Phase
from webapp.operations.transfer.documents import (
    Amount,
    ClientNumber,
    Document,
    Metrics,
    RoundNumber,
    Seconds,
    Text,
)

MAX_CLASSES = 100
"""Sides of a confusion matrix."""


class EventData(Document):
    """Data of an event, with further fields that no page reads."""

    model_config = ConfigDict(extra="allow", strict=True)


class RoundData(EventData):
    """A round that was committed, or an attempt that was not."""

    round: RoundNumber
    attempt: Amount
    committed: bool
    reason: Text | None = None
    seconds: Seconds | None = None
    metrics: Metrics = Field(default_factory=dict)
    outcomes: dict[Phase, dict[Outcome, Amount]] = Field(default_factory=dict)


class ReplyData(EventData):
    """The outcome of a task."""

    client_id: ClientNumber | None
    round: RoundNumber
    attempt: Amount
    phase: Phase
    outcome: Outcome
    reason: Text | None


class RunData(EventData):
    """A change of the run's state, or a request of a person."""

    state: Text
    reason: Text | None
    left: Annotated[Text | None, Field(alias="from")] = None
    by: Text | None = None
    name: Text | None = None
    asked: Text | None = None
    to: Text | None = None
    add: Amount = 0
    num_rounds: Amount = 0
    min_clients: Amount = 0
    seconds: Seconds = 0.0
    client: Text | None = None
    client_id: ClientNumber | None = None
    unresolved_clients: Annotated[list[Text], Field(max_length=10_000)] = Field(default_factory=list)


class ClientData(EventData):
    """What became of a client in the run."""

    state: Text
    reason: Text | None = None
    client_id: ClientNumber | None = None
    changes: Amount = 0


class NoteData(EventData):
    """A sentence."""

    sentence: Text


class ServerEvaluationData(EventData):
    """What the server measured of a round."""

    round: RoundNumber
    metrics: Metrics
    samples: Amount
    confusion: Annotated[
        list[Annotated[list[Amount], Field(max_length=MAX_CLASSES)]],
        Field(max_length=MAX_CLASSES, default_factory=list),
    ]


EVENT_DATA: dict[str, type[Any]] = {
    "round": RoundData, "reply": ReplyData, "run": RunData, "client": ClientData, "note": NoteData,
    "server_evaluation": ServerEvaluationData,
}  # fmt: skip
