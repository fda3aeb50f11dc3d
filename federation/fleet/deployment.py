"""The run of Flower's LinkState by which SuperNodes get messages. For worker threads: each call asks its database."""

import hashlib
import importlib.metadata
import logging
import threading
import time
from dataclasses import dataclass
from functools import cache
from typing import cast

from flwr.app import Message, Metadata, RecordDict

from federation.fleet.bundle import APP_ID, bundle_files
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


class Deployment:
    """A run in LinkState, under way from the first message to ``finish``, whose app is Meadow's bundle."""

    def __init__(self, state: LinkState) -> None:
        self._state, self._store = state, state.object_store
        self._lock = threading.Lock()
        self._run_id = self._task_id = 0
        self._open: set[str] = set()
        """The messages of the present run that are not deleted."""
        self._headers: dict[str, Message] = {}
        """Replies, by the message they answer, whose objects have not all arrived."""

    def end_left_runs(self) -> None:
        """End the runs that an earlier process left under way, and delete its messages: nobody waits for replies.

        Due before any other call. Without it a SuperNode's next poll would take such a message.
        """
        for left in self._state.get_run_info(statuses=[Status.PENDING, Status.STARTING, Status.RUNNING]):
            if left.primary_task_id is not None:
                self._state.finish_task(left.primary_task_id, SubStatus.STOPPED, "the dashboard was started anew")
        if self._state.num_message_ins():
            for run in self._state.get_run_info():
                self._state.cleanup_run(run.run_id)

    def _start(self) -> None:
        """Begin a run."""
        version = importlib.metadata.version("meadow")
        bundle = built_bundle(version)
        fab_hash = self._state.store_fab(Fab(hashlib.sha256(bundle).hexdigest(), bundle, {}))
        self._run_id = self._state.create_run(
            APP_ID, version, fab_hash, {}, NOOP_FEDERATION_ID, None, NOOP_FLWR_AID, TaskType.SERVER_APP
        )
        task_id = self._state.get_run_info(run_ids=[self._run_id])[0].primary_task_id or 0
        self._state.claim_task(task_id)
        if not self._state.activate_task(task_id):
            raise NotPosted("Flower's database did not begin a run")
        self._task_id = task_id

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
                self._state.cleanup_run(self._run_id)
                self._headers.clear()
                self._open.clear()
                self._task_id = 0
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
                self._state.cleanup_run(self._run_id)
                self._task_id = 0


@cache
def built_bundle(version: str) -> bytes:
    """Return the FAB. flwr's builder takes half a second to import: only those wait for it who need it."""
    from federation.flwr_internals import build_fab_from_files

    return build_fab_from_files(bundle_files(version))[0]
