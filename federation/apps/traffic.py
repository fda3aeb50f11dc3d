"""The messages of an app's run as they pass through Flower's database: which wait, which are answered, what they say.

Knows nothing of flwr. Called in worker threads; polls of both ports wait for it on their own event loops.
"""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum, auto
from queue import SimpleQueue
from typing import Any, NamedTuple

from federation.apps.happenings import Answered, Content, Happening, Header, Sent
from federation.apps.poll_signal import Signal

MAX_OPEN = 10_000
"""Messages that an app may have without an answer."""
MAX_HELD_BYTES = 2 * 1024**3
"""Of messages and answers that the app has not fetched: they are in the memory of the dashboard."""


@dataclass(slots=True)
class _Transfer:
    header: Header
    missing: set[str]
    bytes: int = 0


class Mail(Enum):
    """Where a message stands. Polls of its SuperNode and the whole answer move it."""

    WAITING = auto()
    """The next poll gets it."""
    TAKEN = auto()
    """A poll got it; the SuperNode works on it."""
    LOST = auto()
    """The SuperNode polls again without an answer: the message, or its process, was lost on the way."""
    ANSWERED = auto()


@dataclass(slots=True)
class _Open:
    node_id: int
    bytes: int
    taken_at: float | None = None
    mail: Mail = Mail.WAITING
    takes: int = 0
    copy: Any = None


class Lost(NamedTuple):
    """A message that was lost: ``copy`` of it, how often a SuperNode took it, and the answers that came in part."""

    message_id: str
    copy: Any
    takes: int
    parts: list[str]


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
        """A message is in the database; ``missing`` are its objects that are not. One that is sent again is known."""
        with self._lock:
            if header.message_id in self._open:
                return
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

    def taken(self, message_id: str, copy: Any) -> None:
        """A SuperNode has got a message; ``copy`` is what it takes to send the message again."""
        with self._lock:
            if (one := self._open.get(message_id)) is not None:
                one.taken_at, one.mail, one.copy, one.takes = time.monotonic(), Mail.TAKEN, copy, one.takes + 1

    def lose(self, node_id: int) -> list[Lost]:
        """Return the messages that a SuperNode took and has not answered, and that it asks for others; each once."""
        found = list[Lost]()
        with self._lock:
            for message_id, one in self._open.items():
                if one.node_id == node_id and one.mail is Mail.TAKEN:
                    one.mail = Mail.LOST
                    parts = [key for key, part in self._transfers.items() if part.header.reply_to == message_id]
                    self._held_bytes -= sum(self._transfers.pop(key).bytes for key in parts)
                    found.append(Lost(message_id, one.copy, one.takes, parts))
        return found

    def wait_again(self, message_id: str) -> None:
        """A lost message is in the database anew."""
        with self._lock:
            if (one := self._open.get(message_id)) is not None and one.mail is Mail.LOST:
                one.mail = Mail.WAITING
        self.signal.wake()

    def keep_taken(self, message_id: str) -> None:
        """A lost message could not be sent again: the SuperNode's next poll shows it anew."""
        with self._lock:
            if (one := self._open.get(message_id)) is not None and one.mail is Mail.LOST:
                one.mail = Mail.TAKEN

    def give_up(self, message_id: str, reason: str) -> None:
        """A lost message has no answer and will have none: Flower says so to the app."""
        with self._lock:
            if (one := self._open.get(message_id)) is None or one.mail is not Mail.LOST:
                return
            one.mail, one.copy = Mail.ANSWERED, None
        self.happenings.put(Answered(
            message_id, one.node_id, {}, None, reason, None, one.bytes, 0, time.monotonic()
        ))  # fmt: skip
        self.signal.wake()

    def _complete(self, transfer: _Transfer) -> None:
        header = transfer.header
        with self._lock:
            if self._transfers.pop(header.message_id, None) is None:
                return
        content = Content() if header.error is not None else self._read(header.message_id)
        now = time.monotonic()
        with self._lock:
            if not header.reply_to:
                self._open[header.message_id] = _Open(header.node_id, transfer.bytes)
                said: Happening = Sent(
                    header.message_id, header.node_id, header.kind, header.group, content.round, now
                )  # fmt: skip
            else:
                known = self._open.get(header.reply_to)
                asked = known or _Open(header.node_id, 0)
                said = Answered(
                    header.reply_to, header.node_id, content.metrics, content.num_examples, header.error,
                    now - asked.taken_at if asked.taken_at is not None else None, asked.bytes, transfer.bytes, now,
                )  # fmt: skip
                asked.mail, asked.copy, asked.bytes = Mail.ANSWERED, None, asked.bytes + transfer.bytes
                if known is None:
                    self._held_bytes -= transfer.bytes
        self.happenings.put(said)
        self.signal.wake()

    # -- for polls, on their event loops ------------------------------------------------------------------------------

    def has_mail(self, node_id: int) -> bool:
        """Whether a message waits for a SuperNode."""
        with self._lock:
            return any(one.node_id == node_id and one.mail is Mail.WAITING for one in self._open.values())

    def has_answers(self, message_ids: Collection[str]) -> bool:
        """Whether all those messages are answered, or unknown."""
        with self._lock:
            return all(map(self._is_answered, message_ids))

    def has_an_answer(self, message_ids: Collection[str]) -> bool:
        """Whether one of those messages is answered, or unknown."""
        with self._lock:
            return not message_ids or any(map(self._is_answered, message_ids))

    def _is_answered(self, message_id: str) -> bool:
        return (one := self._open.get(message_id)) is None or one.mail is Mail.ANSWERED

    def forget(self, message_ids: Collection[str]) -> None:
        """The app has got the answers to these messages, of the SuperNode or of Flower in its place."""
        with self._lock:
            for message_id in message_ids:
                if (one := self._open.pop(message_id, None)) is not None:
                    self._held_bytes -= one.bytes

    def close(self) -> None:
        """The run is over: polls that wait for it are answered."""
        with self._lock:
            self._open.clear()
            self._transfers.clear()
            self._held_bytes = 0
        self.signal.wake()
