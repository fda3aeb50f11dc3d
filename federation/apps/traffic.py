"""The messages of an app's run as they pass through Flower's database: which wait, which are answered, what they say.

Knows nothing of flwr. Called in worker threads; polls of both ports wait for it on their own event loops.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Literal

from federation.apps.poll_signal import Signal

MAX_OPEN = 10_000
"""Messages that an app may have without an answer."""
MAX_HELD_BYTES = 2 * 1024**3
"""Of messages and answers that the app has not fetched: they are in the memory of the dashboard."""

Scalars = dict[str, float]


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

    ``seconds`` since the SuperNode took the message, ``waited`` until it did.
    """

    message_id: str
    node_id: int
    metrics: Scalars
    num_examples: int | None
    error: str | None
    seconds: float | None
    waited: float | None
    bytes_down: int
    bytes_up: int
    at: float


@dataclass(frozen=True, slots=True)
class Reported:
    """What the app's process logged: a round of so many has begun, or metrics were measured at the server."""

    round: int
    rounds: int | None = None
    metrics: Scalars = field(default_factory=dict)


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
    metrics: Scalars = field(default_factory=dict)
    num_examples: int | None = None


@dataclass(slots=True)
class _Transfer:
    header: Header
    missing: set[str]
    bytes: int = 0


@dataclass(slots=True)
class _Open:
    node_id: int
    sent_at: float
    bytes: int
    taken_at: float | None = None
    state: Literal["waiting", "taken", "answered"] = "waiting"


class AppTraffic:
    """The messages of one run of Flower's. ``read`` returns what a message says, once all of it is there.

    ``signal`` is woken when a message or an answer is whole.
    """

    def __init__(self, run_id: int, read: Callable[[str], Content], signal: Signal) -> None:
        self.run_id, self._read, self.signal = run_id, read, signal
        self.happenings: SimpleQueue[Happening] = SimpleQueue()
        self._lock = threading.Lock()
        self._transfers: dict[str, _Transfer] = {}
        self._open: dict[str, _Open] = {}
        self._held_bytes = 0

    # -- from Flower's database, in worker threads --------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether the app has as many messages without an answer as it may."""
        return len(self._open) + len(self._transfers) >= MAX_OPEN or not self.has_room_for(0)

    def has_room_for(self, size_bytes: int) -> bool:
        """Whether an object of that size may be stored."""
        return self._held_bytes + size_bytes < MAX_HELD_BYTES

    def stored(self, header: Header, missing: Collection[str]) -> None:
        """A message is in the database; ``missing`` are its objects that are not."""
        with self._lock:
            transfer = self._transfers[header.message_id] = _Transfer(header, set(missing))
        if not transfer.missing:
            self._complete(transfer)

    def object_stored(self, object_id: str, size_bytes: int) -> None:
        """An object is in the database."""
        with self._lock:
            touched = [one for one in self._transfers.values() if object_id in one.missing]
            for one in touched[:1]:
                one.bytes += size_bytes
                self._held_bytes += size_bytes
            for one in touched:
                one.missing.discard(object_id)
            whole = [one for one in touched if not one.missing]
        for one in whole:
            self._complete(one)

    def taken(self, message_ids: Collection[str]) -> None:
        """A SuperNode has got messages."""
        with self._lock:
            for message_id in message_ids:
                if (one := self._open.get(message_id)) is not None:
                    one.taken_at, one.state = time.monotonic(), "taken"

    def _complete(self, transfer: _Transfer) -> None:
        header = transfer.header
        with self._lock:
            if self._transfers.pop(header.message_id, None) is None:
                return
        content = Content() if header.error is not None else self._read(header.message_id)
        now = time.monotonic()
        with self._lock:
            if not header.reply_to:
                self._open[header.message_id] = _Open(header.node_id, now, transfer.bytes)
                said: Happening = Sent(
                    header.message_id, header.node_id, header.kind, header.group, content.round, now
                )  # fmt: skip
            else:
                asked = self._open.get(header.reply_to)
                taken = asked.taken_at if asked is not None else None
                said = Answered(
                    header.reply_to, header.node_id, content.metrics, content.num_examples, header.error,
                    now - taken if taken is not None else None,
                    taken - asked.sent_at if asked is not None and taken is not None else None,
                    asked.bytes if asked is not None else 0, transfer.bytes, now,
                )  # fmt: skip
                if asked is not None:
                    asked.state, asked.bytes = "answered", asked.bytes + transfer.bytes
                else:
                    self._held_bytes -= transfer.bytes
        self.happenings.put(said)
        self.signal.wake()

    # -- for polls, on their event loops ------------------------------------------------------------------------------

    def has_mail(self, node_id: int) -> bool:
        """Whether a message waits for a SuperNode."""
        with self._lock:
            return any(one.node_id == node_id and one.state == "waiting" for one in self._open.values())

    def has_answers(self, message_ids: Collection[str]) -> bool:
        """Whether all those messages are answered, or unknown."""
        with self._lock:
            return all(
                (one := self._open.get(message_id)) is None or one.state == "answered" for message_id in message_ids
            )

    def has_an_answer(self, message_ids: Collection[str]) -> bool:
        """Whether one of those messages is answered, or unknown."""
        with self._lock:
            return not message_ids or any(
                (one := self._open.get(message_id)) is None or one.state == "answered" for message_id in message_ids
            )

    def forget(self, message_ids: Collection[str]) -> None:
        """The app has got the answers to these messages, where there are some."""
        with self._lock:
            for message_id in message_ids:
                if (one := self._open.get(message_id)) is not None and one.state == "answered":
                    self._held_bytes -= one.bytes
                    del self._open[message_id]

    def close(self) -> None:
        """The run is over: polls that wait for it are answered."""
        with self._lock:
            self._open.clear()
            self._transfers.clear()
            self._held_bytes = 0
        self.signal.wake()


def metrics_of(records: Mapping[str, Mapping[str, object]]) -> Scalars:
    """Return the numbers of metric records by name; with several records the name of each stands before its own."""
    found: Scalars = {}
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


MAX_METRICS = 200
"""Of one reply: an app that puts its weights among the metrics must not fill the database."""
