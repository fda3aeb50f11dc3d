"""What is known of the messages of an app's run: those that were sent, answered, or logged, and what they say."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from federation.run.events import Metrics

MAX_METRICS = 200
"""Of one reply: an app that puts its weights among the metrics must not fill the database."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An instruction, whole in the database ``at`` a reading of the monotonic clock.

    ``kind`` is Flower's message type, ``round`` what its config names.
    """

    message_id: str
    node_id: int
    kind: str
    group: str
    round: int | None
    at: float


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply, whole in the database ``at`` a reading of the monotonic clock.

    ``seconds`` since the SuperNode took the message.
    """

    message_id: str
    node_id: int
    metrics: Metrics
    num_examples: int | None
    error: str | None
    seconds: float | None
    bytes_down: int
    bytes_up: int
    at: float


@dataclass(frozen=True, slots=True)
class Reported:
    """What the app's process logged: a round of so many has begun, or metrics were measured at the server."""

    round: int
    rounds: int | None = None
    metrics: Metrics = field(default_factory=dict)


Happening = Sent | Answered | Reported


@dataclass(slots=True)
class Header:
    """What is known of a message before its objects are there."""

    message_id: str
    kind: str
    group: str
    node_id: int
    """The SuperNode that it goes to or comes from."""
    reply_to: str
    error: str | None = None


@dataclass(slots=True)
class Content:
    """The scalars of a message: the round that its config names, its metrics, and the number of examples."""

    round: int | None = None
    metrics: Metrics = field(default_factory=dict)
    num_examples: int | None = None


def metrics_of(records: Mapping[str, Mapping[str, object]]) -> Metrics:
    """Return the numbers of metric records by name; with several records the name of each stands before its own."""
    found: Metrics = {}
    for name, record in records.items():
        prefix = f"{name}/" if len(records) > 1 else ""
        for key, value in record.items():
            values = {f"{prefix}{key}": value} if not isinstance(value, list) else {
                f"{prefix}{key}[{index}]": one for index, one in enumerate(value[:10])
            }  # fmt: skip
            found |= {one: float(number) for one, number in values.items() if isinstance(number, int | float)}
            if len(found) >= MAX_METRICS:
                return found
    return found
