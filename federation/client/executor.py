"""Runs a server's tasks through a ClientApp, one after the other, and makes the offers. Knows no socket."""

import json
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, Metadata, RecordDict
from numpy.typing import NDArray

from federation.progress import Reporter, TaskCancelled, reporting_to
from federation.protocol.messages import MAX_ERROR_CHARACTERS, ContentHeader, Offer, Task
from federation.weights.content_ids import content_id
from federation.weights.layout import Layout, LayoutMismatch
from federation.weights.records import record_of, values_of

if TYPE_CHECKING:
    from federation.learning.client_app import Work

log = logging.getLogger(__name__)

SERVER_NODE_ID = 1
TIME_TO_LIVE_SECONDS = 86_400.0
Config = dict[str, Any]
Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True)
class TakenTask:
    """A task with the content it names; ``cancelled`` is set when the server needs it no more."""

    task: Task
    content: Buffer | None
    cancelled: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class KeptReply:
    """What is kept until the server acknowledges it: the offer, and the content that it describes."""

    offer: Offer
    content: bytearray | memoryview | None = None

    @property
    def content_id(self) -> str:
        """Id of the content; empty where there is none."""
        return self.offer.content.id if self.offer.content is not None else ""

    @property
    def size_bytes(self) -> int:
        """Size of the content."""
        return self.offer.content.size_bytes if self.offer.content is not None else 0


class Desk:
    """Where tasks are worked on: the ClientApp with a Context for the run in hand.

    Parameters
    ----------
    node_config : Mapping[str, Any]
        What a ClientApp finds in ``context.node_config``, such as ``partition-id``.
    """

    def __init__(self, work: "Work", node_config: Mapping[str, Any]) -> None:
        self._work = work
        self._node_config = dict(node_config)
        self._context: Context | None = None
        self._last_config: tuple[Config, ConfigRecord] = ({}, ConfigRecord())

    def warm(self) -> None:
        """Bring in what is slow to import, so that the first task need not wait for it."""
        self._work.warm()

    def run(self, taken: TakenTask, node_id: int, reporter: Reporter) -> KeptReply | None:
        """Do the task and return the reply to offer; None for a task that was cancelled before its end."""
        started = time.monotonic()
        try:
            with reporting_to(reporter):
                reply = self._answer(taken, node_id)
        except TaskCancelled:
            return None
        except (Exception, SystemExit) as error:
            if taken.cancelled.is_set():  # what it interrupted may have wrapped TaskCancelled in an error of its own
                return None
            log.exception("round %d: %s failed", taken.task.round, taken.task.phase)
            reply = KeptReply(Offer(message_id=taken.task.message_id, error=_sentence(error)))
        if taken.cancelled.is_set():
            return None
        offer = reply.offer.model_copy(update={"seconds": time.monotonic() - started})
        return KeptReply(offer, reply.content)

    def _answer(self, taken: TakenTask, node_id: int) -> KeptReply:
        task = taken.task
        config = {k: v for k, v in task.config.items() if v is not None and k != "clients"}
        if task.phase == "prepare":
            return KeptReply(Offer(message_id=task.message_id, data=self._work.prepare(config)))
        content = RecordDict({"config": self._record_of(config)})
        if taken.content is not None and task.content is not None:
            content["arrays"] = _unpack(task.content, taken.content)
        context = self._context_of(task, node_id, config)
        return _reply(task, self._work.app(_message(task, node_id, content), context))

    def _record_of(self, config: Config) -> ConfigRecord:
        """Return the config as a record: the last one with what has changed, for making one anew takes its time."""
        plain = {k: json.dumps(v) if isinstance(v, dict) else v for k, v in config.items()}  # a record holds no dict
        known, last = self._last_config
        if plain.keys() == known.keys():
            record = last.copy()
            for key, value in plain.items():
                if value != known[key] or type(value) is not type(known[key]) or isinstance(value, list):
                    record[key] = value
        else:
            record = ConfigRecord(plain)
        self._last_config = (plain, record)
        return record.copy()

    def _context_of(self, task: Task, node_id: int, config: Config) -> Context:
        """Return the run's Context: its state lasts as long as the run's tasks keep coming."""
        if self._context is None or self._context.run_id != task.run_id:
            plain = {k: v for k, v in config.items() if isinstance(v, bool | int | float | str)}
            self._context = Context(task.run_id, node_id, self._node_config, RecordDict(), plain)
        return self._context


def _unpack(header: ContentHeader, buffer: Buffer) -> ArrayRecord:
    """Return the arrays of a content, as views of it that cannot be written to: the next task has the same content."""
    layout = Layout.from_json(header.layout)
    arrays = layout.unpack(memoryview(buffer).toreadonly())
    return record_of((entry.name, array) for entry, array in zip(layout.entries, arrays, strict=True))


def _message(task: Task, node_id: int, content: RecordDict) -> Message:
    metadata = Metadata(
        run_id=task.run_id,
        message_id=task.message_id,
        src_node_id=SERVER_NODE_ID,
        dst_node_id=node_id,
        reply_to_message_id="",
        group_id=str(task.round),
        created_at=time.time(),
        ttl=TIME_TO_LIVE_SECONDS,
        message_type=task.phase,
    )
    # The other constructor takes run and sender from the process, and this process serves one run after the other.
    return Message(content, metadata=metadata)  # type: ignore[call-overload, no-any-return]


def _reply(task: Task, message: Message) -> KeptReply:
    """Turn the ClientApp's answer into an offer and the content that goes with it."""
    if message.has_error():
        return KeptReply(
            Offer(message_id=task.message_id, error=_shorten(message.error.reason or "the app gave no reason"))
        )
    metrics: dict[str, Any] = {}
    for record in message.content.metric_records.values():
        metrics.update({k: v for k, v in record.items() if isinstance(v, int | float)})
    examples = metrics.pop("num-examples", None)
    header, buffer = _pack(task, list(message.content.array_records.values()))
    return KeptReply(Offer(message_id=task.message_id, metrics=metrics, num_examples=examples, content=header), buffer)


def _pack(task: Task, records: list[ArrayRecord]) -> tuple[ContentHeader | None, bytearray | memoryview | None]:
    if not records:
        return None, None
    if len(records) > 1:
        raise LayoutMismatch(f"the reply holds {len(records)} array records, there may be one")
    names = list(records[0])
    asked = [row[0] for row in task.content.layout] if task.content is not None else names
    if sorted(names) == sorted(asked):
        names = asked
    arrays = [values_of(records[0][name]) for name in names]
    layout = Layout.from_json(Layout.of(names, arrays).to_json())
    # The id tells contents of one connection apart: that of the message will do, and costs no pass over the bytes.
    header = ContentHeader(
        id=content_id(task.message_id.encode()), size_bytes=layout.size_bytes, layout=layout.to_json()
    )
    return header, _as_one_buffer(arrays[0]) if len(arrays) == 1 and arrays[0].size else layout.pack(arrays)


def _as_one_buffer(array: NDArray[Any]) -> memoryview:
    """Return the bytes of a single array, which is its own buffer: it need not be copied."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data


def _sentence(error: BaseException) -> str:
    return _shorten(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_ERROR_CHARACTERS else line[: MAX_ERROR_CHARACTERS - 1] + "…"
