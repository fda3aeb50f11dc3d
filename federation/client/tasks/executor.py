"""Runs tasks through a ClientApp, one after the other, and makes the replies. Knows no socket."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, Context, Message, Metadata, RecordDict
from numpy.typing import NDArray

from federation.client.outbox import ClientTask, OutgoingReply
from federation.client.tasks.failures import app_frames, error_sentence, shorten
from federation.client.tasks.inputs import Config, TaskInputs
from federation.client.tasks.legacy_apps import check_function, content_of_reply, is_legacy
from federation.client.tasks.run_states import RunStates
from federation.learning.client_app import Work
from federation.progress import Reporter, TaskCancelled, reporting_to
from federation.protocol.messages import ContentHeader, Offer, Task
from federation.run.metric_names import MAX_LIST, clean_metrics, dropped_sentence
from federation.run.pooling import MAX_COUNTS
from federation.weights.content_ids import content_id
from federation.weights.flower_content import app_answer
from federation.weights.layout import Layout
from federation.weights.legacy_content import FunctionMissing, legacy_content
from federation.weights.records import values_of

log = logging.getLogger(__name__)

SERVER_NODE_ID = 1
TIME_TO_LIVE_SECONDS = 86_400.0


class Executor:
    """Runs the ClientApp, with a Context for the present run. Only the worker's thread may use it.

    Parameters
    ----------
    node_config : Mapping[str, Any]
        What the ClientApp finds in ``context.node_config``, such as ``partition-id``.
    recent_log : Callable[[], list[str]], optional
        Returns the last lines of the client's log, which go with a failed reply; None: the client keeps them.
    name : str, optional
        Begins the lines of the log where several clients write one.
    states : RunStates, optional
        Keeps what training leaves in the Context's state.
    inputs : TaskInputs, optional
        Shared by the executors of one worker.
    """

    def __init__(
        self, work: Work, node_config: Mapping[str, Any], recent_log: Callable[[], list[str]] | None = None,
        name: str = "", states: RunStates | None = None, inputs: TaskInputs | None = None,
    ) -> None:  # fmt: skip
        self._inputs = inputs or TaskInputs()
        self._states = states or RunStates()
        self._begin = f"{name}, " if name else ""
        self._work, self._recent_log = work, recent_log
        self._node_config = dict(node_config)
        self._logged: set[str] = set()
        self._context: Context | None = None

    def warm_up(self) -> None:
        """Import what is slow to import, so that the first task need not wait for it."""
        self._work.warm()

    def run(self, client_task: ClientTask, node_id: int, reporter: Reporter) -> OutgoingReply | None:
        """Run the task and return the reply to offer; None for a task that was cancelled before its end."""
        started = time.monotonic()
        try:
            with reporting_to(reporter):
                reply = self._answer(client_task, node_id)
        except TaskCancelled:
            return None
        except FunctionMissing as missing:
            log.warning("%srun %d: %s", self._begin, client_task.task.run_id, missing)
            message_id = client_task.task.message_id
            reply = OutgoingReply(Offer(message_id=message_id, error=str(missing), not_implemented=True))
        except BaseException as error:  # CancelledError, SystemExit, a panic of a native library
            if client_task.cancelled:  # the app may have wrapped TaskCancelled in an error of its own
                return None
            reply = self._failed(client_task.task, error)
        if client_task.cancelled:
            return None
        self._log_dropped(reply.offer.metrics)
        offer = reply.offer.model_copy(update={"seconds": time.monotonic() - started})
        return OutgoingReply(offer, reply.content)

    def _failed(self, task: Task, error: BaseException) -> OutgoingReply:
        """Log the error, and return the reply that describes it."""
        log.error("%srun %d, round %d: %s failed", self._begin, task.run_id, task.round, task.phase, exc_info=error)
        frames, lines = app_frames(error), self._recent_log() if self._recent_log is not None else None
        failure = {"frames": frames, "log": lines}
        return OutgoingReply(Offer(message_id=task.message_id, error=error_sentence(error, frames), failure=failure))

    def _answer(self, client_task: ClientTask, node_id: int) -> OutgoingReply:
        task = client_task.task
        config = self._inputs.config(task)
        if task.phase == "prepare":
            return OutgoingReply(Offer(message_id=task.message_id, data=self._work.prepare(config)))
        content = RecordDict({"config": self._inputs.config_record(task)})
        if client_task.content is not None and task.content is not None:
            content["arrays"] = self._inputs.arrays(task.content, client_task.content)
        context = self._context_of(task, node_id, config)
        check_function(self._work.app, task.phase)
        legacy = is_legacy(self._work.app)
        message = _message(task, node_id, legacy_content(task.phase, content) if legacy else content)
        reply = self._work.app(message, context)
        if legacy and not reply.has_error():
            names = [row[0] for row in task.content.layout] if task.content is not None else []
            content, metrics = content_of_reply(task.phase, names, reply)
            self._log_dropped(metrics)
            reply = Message(content, reply_to=message)
        elif not legacy and task.phase == "train" and context.state.array_records:
            self._states.write(task.run_id, context.state)
        return _reply(task, reply, self._inputs.layout(task.content) if task.content is not None else None)

    def _log_dropped(self, metrics: Mapping[str, object]) -> None:
        """Log once for each reason which metrics the server will drop."""
        for reason, names in clean_metrics(metrics)[1].items():
            if reason not in self._logged:
                self._logged.add(reason)
                log.warning("%s%s", self._begin, dropped_sentence(reason, names))

    def _context_of(self, task: Task, node_id: int, config: Config) -> Context:
        """Return the run's Context, whose state lasts until a task of another run comes."""
        if self._context is None or self._context.run_id != task.run_id:
            plain = {k: v for k, v in config.items() if isinstance(v, bool | int | float | str)}
            hyphened = {k.replace("_", "-"): v for k, v in plain.items()}  # as Flower's own apps spell their options
            run_config = hyphened | plain | task.config.get("app_config", {})
            state = self._states.read(task.run_id)
            self._context = Context(task.run_id, node_id, self._node_config, state, run_config)
        return self._context


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


def _reply(task: Task, message: Message, layout: Layout | None) -> OutgoingReply:
    """Turn the ClientApp's answer into an offer and the content that goes with it; ``layout`` is of the task's own."""
    if message.has_error():
        return OutgoingReply(
            Offer(message_id=task.message_id, error=shorten(message.error.reason or "the app gave no reason"))
        )
    metrics, examples, arrays = app_answer(message.content)
    metrics = {k: v[: MAX_COUNTS.get(k, MAX_LIST) + 1] if isinstance(v, list) else v for k, v in metrics.items()}
    header, buffer = _pack(task, arrays, layout) if arrays is not None else (None, None)
    offer = Offer(message_id=task.message_id, metrics=metrics, num_examples=examples, content=header)
    return OutgoingReply(offer, buffer)


def _pack(task: Task, record: ArrayRecord, expected: Layout | None) -> tuple[ContentHeader, bytearray | memoryview]:
    names = list(record)
    wanted = [entry.name for entry in expected.entries] if expected is not None else names
    if sorted(names) == sorted(wanted):
        names = wanted
    arrays = [values_of(record[name]) for name in names]
    layout = Layout.of(names, arrays)
    # The id only distinguishes the contents of one connection: the message's id serves, and needs no hash of the bytes.
    content = content_id(task.message_id.encode())
    if task.content is not None and layout == expected:
        layout, header = expected, task.content.model_copy(update={"id": content})
    else:
        layout = Layout.from_json(layout.to_json())  # which refuses other dtypes
        header = ContentHeader(id=content, size_bytes=layout.size_bytes, layout=layout.to_json())
    return header, _as_one_buffer(arrays[0]) if len(arrays) == 1 and arrays[0].size else layout.pack(arrays)


def _as_one_buffer(array: NDArray[Any]) -> memoryview:
    """Return the bytes of a single array without a copy: it is its own buffer."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data
