"""A run of Flower's LinkState by which SuperNodes get messages. For worker threads: each call asks its database."""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from flwr.app import Message, Metadata, RecordDict

from federation.flwr_internals import (
    NOOP_FEDERATION_ID,
    NOOP_FLWR_AID,
    SUPERLINK_NODE_ID,
    ErrorCode,
    Fab,
    LinkState,
    Status,
    SubStatus,
    TaskType,
    get_all_nested_objects,
    get_object_tree,
    inflate_object_from_contents,
    iterate_object_tree,
    no_object_id_recompute,
    remove_content_from_message,
)

log = logging.getLogger(__name__)

TIME_TO_LIVE_SECONDS = 7 * 86_400.0
"""Deadlines are the run's: Flower must not drop a message before."""

POST_TRIES = 5
"""Flower counts the references to shared weights without a lock of its own, and a post may meet a deletion."""


class NotPosted(Exception):
    """Flower did not take a message; the sentence says why."""


@dataclass(frozen=True, slots=True)
class NodeReply:
    """A SuperNode's answer: its content, or the reason that Flower gives for none."""

    content: RecordDict | None
    error: str | None


@dataclass(frozen=True, slots=True)
class NodeApp:
    """What SuperNodes run: id (publisher/name), version and bytes of a FAB, and its settings with their defaults.

    ``is_legacy``: its ClientApp was made of a ``client_fn``, whose messages have records of other names.
    """

    app_id: str
    version: str
    fab: bytes
    settings: Mapping[str, object]
    is_legacy: bool = False


class Deployment:
    """A run in LinkState, under way from the first message to ``finish``.

    ``app`` returns its app once it begins, which finds in ``context.run_config`` those ``options`` that it has among
    its settings. A run with the same ``series`` as an earlier one has the ``Context.state`` that SuperNodes kept of it.
    """

    def __init__(self, state: LinkState, app: Callable[[], NodeApp], options: Mapping[str, object] | None = None,
                 series: str | None = None, *, is_legacy: bool = False) -> None:  # fmt: skip
        self.is_legacy = is_legacy
        self._state, self._store = state, state.object_store
        self._app, self._options, self._series = app, options or {}, series
        self._lock = threading.Lock()
        self._run_id = self._task_id = 0
        self._open: set[str] = set()
        """The messages of the present run that are not deleted."""
        self._headers: dict[str, Message] = {}
        """Replies, by the message they answer, whose objects have not all arrived."""

    def _start(self) -> None:
        """Begin a run."""
        app = self._app()
        fab_hash = self._state.store_fab(Fab(hashlib.sha256(app.fab).hexdigest(), app.fab, {}))
        options: dict[str, Any] = {name: value for name, value in self._options.items() if name in app.settings}
        self._run_id = self._state.create_run(
            app.app_id, app.version, fab_hash, options, NOOP_FEDERATION_ID, None, NOOP_FLWR_AID, TaskType.SERVER_APP,
            series_id=self._known_series(), series_description=self._series,
        )  # fmt: skip
        task_id = self._state.get_run_info(run_ids=[self._run_id])[0].primary_task_id or 0
        self._state.claim_task(task_id)
        if not self._state.activate_task(task_id):
            raise NotPosted("Flower's database did not begin a run")
        self._task_id = task_id

    def _known_series(self) -> int | None:
        if self._series is None:
            return None
        known = self._state.get_run_series(federation_ids=[NOOP_FEDERATION_ID])
        return next((one.series_id for one in known if one.description == self._series), None)

    @property
    def objects(self) -> int:
        """How many objects Flower keeps in memory: messages under way, their weights, and replies."""
        return len(self._store)

    def keep_alive(self) -> None:
        """Tell LinkState that the run is under way, at least every 60 s; begin another one where it has given up."""
        with self._lock:
            if self._task_id and not self._state.acknowledge_task_heartbeat(self._task_id):
                log.warning(
                    "Flower ended the run of the SuperNodes, which was not heard of for a minute: another begins"
                )
                self._forget_run()
                self._start()

    def post(self, node_id: int, content: RecordDict, kind: str, group: str) -> str:
        """Put a message into a SuperNode's mailbox and return its id; raises NotPosted.

        ``kind`` is Flower's type of message (train, evaluate, query), ``group`` what the node's log calls the round.
        """
        with self._lock:
            if not self._task_id:
                self._start()
            run_id = self._run_id
        for _ in range(POST_TRIES):
            message = Message(content, metadata=Metadata(
                run_id=run_id, message_id="", src_node_id=SUPERLINK_NODE_ID, dst_node_id=node_id,
                reply_to_message_id="", group_id=group, created_at=time.time(), ttl=TIME_TO_LIVE_SECONDS,
                message_type=kind,
            ))  # type: ignore[call-overload]  # fmt: skip
            try:
                return self._store_message(message)
            except KeyError:  # shared weights were deleted between two looks at them
                with self._lock:
                    self._open.discard(message.metadata.message_id)
            except NotPosted:
                self.delete(message.metadata.message_id)
                raise
        raise NotPosted("Flower's store of objects did not take the message")

    def _store_message(self, message: Message) -> str:
        with no_object_id_recompute():
            message.metadata.__dict__["_message_id"] = message.object_id
            run_id = message.metadata.run_id
            with self._lock:
                self._open.add(message.metadata.message_id)
            tree, objects = get_object_tree(message), get_all_nested_objects(message)
            session = self._state.start_session(run_id)
            stored, missing = self._state.store_message_and_object_tree(
                remove_content_from_message(message), tree, session
            )
            if not stored:
                raise NotPosted("Flower's database did not take the message: the SuperNode is not registered")
            for object_id in missing:
                if not self._state.store_object(run_id, session, object_id, objects[object_id].deflate()):
                    raise NotPosted("Flower's store of objects did not take the message")
        return message.metadata.message_id

    def reply_to(self, message_id: str) -> NodeReply | None:
        """Return the whole reply to a message; None where it, or a part of it, has not arrived yet.

        There is none to a message whose run Flower has ended: the SuperNode cannot push it.
        """
        if message_id not in self._open:
            return None
        header = self._headers.get(message_id)
        if header is None:
            found = self._state.get_message_res(message_ids={message_id}, run_id=self._run_id)
            if not found:
                return None
            header = found[0]
            if header.has_error() and header.error.code == ErrorCode.NODE_UNAVAILABLE:
                self._store.delete(header.metadata.message_id)  # Flower made it; the SuperNode's own may come yet
                return None
            self._headers[message_id] = header
        if header.has_error():
            if self._store.get(header.metadata.message_id) == b"":  # the SuperNode pushes it yet
                return None
            return NodeReply(None, header.error.reason or f"Flower's error {header.error.code}")
        root = header.metadata.message_id
        contents: dict[str, bytes] = {}
        for one in iterate_object_tree(self._store.get_object_tree(root)):
            if not (data := self._state.get_object(self._run_id, one.object_id)):
                return None
            contents[one.object_id] = data
        return NodeReply(cast(Message, inflate_object_from_contents(root, contents)).content, None)

    def delete(self, message_id: str) -> None:
        """Delete a message, its reply, and what both hold."""
        header = self._headers.pop(message_id, None)
        self._state.delete_messages({message_id})  # first: no reply is taken for it from now on
        self._store.delete(message_id)
        if header is not None:
            self._store.delete(header.metadata.message_id)
        with self._lock:
            self._open.discard(message_id)
            if not self._open and len(self._store):  # a reply came that nobody looked for
                self._store.delete_objects_in_run(self._run_id)

    def finish(self) -> None:
        """End the run: SuperNodes drop what they have of it."""
        with self._lock:
            if self._task_id:
                self._state.finish_task(self._task_id, SubStatus.STOPPED, "the dashboard stopped")
                self._forget_run()

    def _forget_run(self) -> None:
        self._state.cleanup_run(self._run_id)
        self._headers.clear()
        self._open.clear()
        self._task_id = 0


def end_left_runs(state: LinkState) -> None:
    """End the runs that an earlier process left under way, and delete its messages: nobody waits for replies.

    Due before any other call. Without it a SuperNode's next poll would take such a message.
    """
    for left in state.get_run_info(statuses=[Status.PENDING, Status.STARTING, Status.RUNNING]):
        if left.primary_task_id is not None:
            state.finish_task(left.primary_task_id, SubStatus.STOPPED, "the dashboard was started anew")
    if state.num_message_ins():
        for run in state.get_run_info():
            state.cleanup_run(run.run_id)
