"""Runs of Flower Apps in Flower's database, which tells what passes through it, and Flower's Runtime API."""

import json
import logging
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from fastapi import FastAPI
from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware

from federation.apps.archive import ApprovedApp
from federation.apps.happenings import Content, Header, metrics_of
from federation.apps.poll_signal import Signal
from federation.apps.traffic import AppTraffic
from federation.flwr_internals import (
    NOOP_FEDERATION_ID,
    NOOP_FLWR_AID,
    TASK_TOKEN_HEADER,
    Fab,
    ObjectTree,
    ProtobufTranslationMiddleware,
    PullAppMessagesRequest,
    SqlLinkState,
    SubStatus,
    TaskType,
    confirm_message_received,
    create_runtime_router,
    get_nodes,
    get_object_body,
    get_object_children_ids_from_object_content,
    get_object_type_from_object_content,
    http_error_translator,
    iterate_object_tree,
    pull_messages,
    pull_object,
    pull_task_input,
    push_messages,
    push_object,
    push_task_output,
)
from federation.server.fab_signing import FabSigner
from federation.server.lost_messages import copy_of

log = logging.getLogger(__name__)

TOKEN_HEADER = TASK_TOKEN_HEADER.encode()
MAX_RECORD_BYTES = 1024 * 1024
"""A larger record is not read for its metrics."""
EXAMPLES = ("num-examples", "num_examples")
LEGACY = ("fitres.", "evaluateres.")
"""So begin the names of the records in which apps of Flower's older API (NumPyClient) send what they measured."""


class WatchedState(SqlLinkState):
    """Flower's database, which tells the active run of an app, ``traffic``, what passes through it."""

    traffic: AppTraffic | None = None
    signal: Signal
    signer: FabSigner
    visible: Callable[[], set[int]] = staticmethod(set)
    """The nodes that the app sees: SuperNodes alone, and admitted ones."""

    def store_fab(self, fab: Fab) -> str:
        """Store a FAB, signed with this server's key."""
        return super().store_fab(Fab(fab.hash_str, fab.content, self.signer.verifications(fab.content)))

    def get_nodes(self, run_id: int) -> set[int]:
        """Return the nodes that a run may send messages to."""
        found = super().get_nodes(run_id)
        return found & self.visible() if self._traffic_of(run_id) is not None else found

    def store_message_and_object_tree(
        self, message: Message, object_tree: ObjectTree, session_id: str
    ) -> tuple[bool, list[str]]:
        """Store a message without its objects."""
        traffic = self._traffic_of(message.metadata.run_id)
        if traffic is not None and not message.metadata.reply_to_message_id and traffic.is_full:
            return False, []
        stored, missing = super().store_message_and_object_tree(message, object_tree, session_id)
        if stored and traffic is not None:
            ids = {one.object_id for one in iterate_object_tree(object_tree)}
            traffic.stored(_header_of(message), {one for one in ids if not self.object_store.get(one)})
        return stored, missing

    def store_object(self, run_id: int, session_id: str, object_id: str, object_content: bytes) -> bool:
        """Store an object of a message."""
        traffic = self._traffic_of(run_id)
        if traffic is not None and not traffic.has_room_for(len(object_content)):
            log.warning("an app's messages take more memory than they may: an object of one is refused")
            return False
        stored = super().store_object(run_id, session_id, object_id, object_content)
        if stored and traffic is not None:
            traffic.object_stored(object_id, len(object_content))
        return stored

    def get_message_ins(self, node_id: int, limit: int | None, *, run_id: int | None = None) -> list[Message]:
        """Hand out the messages that wait for a node."""
        messages = super().get_message_ins(node_id, limit, run_id=run_id)
        for one in messages:
            if (traffic := self._traffic_of(one.metadata.run_id)) is not None:
                traffic.taken(one.metadata.message_id, copy_of(self, one))
        return messages

    def get_message_res(self, message_ids: set[str], run_id: int) -> list[Message]:
        """Hand out replies, or errors in their place."""
        replies = super().get_message_res(message_ids, run_id)
        if replies and (traffic := self._traffic_of(run_id)) is not None:
            traffic.forget([one.metadata.reply_to_message_id for one in replies])
        return replies

    def _traffic_of(self, run_id: int) -> AppTraffic | None:
        traffic = self.traffic
        return traffic if traffic is not None and traffic.run_id == run_id else None

    def content_of(self, message_id: str) -> Content:
        """Return the scalars of a message whose objects are all there; its weights are not looked at."""
        try:
            return _read_content(self.object_store.get, message_id)
        except Exception:  # of a reply that breaks Flower's form: the app will find out
            log.warning("a message of an app cannot be read for its metrics", exc_info=True)
            return Content()


def _header_of(message: Message) -> Header:
    metadata = message.metadata
    is_reply = bool(metadata.reply_to_message_id)
    error = (message.error.reason or f"Flower's error {message.error.code}") if message.has_error() else None
    return Header(
        metadata.message_id, metadata.message_type, metadata.group_id,
        metadata.src_node_id if is_reply else metadata.dst_node_id, metadata.reply_to_message_id, error,
    )  # fmt: skip


def _read_content(get: Callable[[str], bytes | None], message_id: str) -> Content:
    (content_id,) = get_object_children_ids_from_object_content(get(message_id) or b"")
    names: dict[str, str] = json.loads(get_object_body(get(content_id) or b"", RecordDict))
    metrics: dict[str, Mapping[str, object]] = {}
    content = Content()
    for name, object_id in names.items():
        data = get(object_id) or b""
        kind = get_object_type_from_object_content(data) if len(data) <= MAX_RECORD_BYTES else ""
        if kind == "ConfigRecord":
            config = dict(ConfigRecord.inflate(data))
            if isinstance(number := config.get("server-round"), int):
                content.round = number
            if name.startswith(LEGACY) and name.endswith(".metrics"):
                metrics[""] = {**metrics.get("", {}), **config}
        elif kind == "MetricRecord" and name.startswith(LEGACY):
            metrics[""] = {**metrics.get("", {}), **dict(MetricRecord.inflate(data))}
        elif kind == "MetricRecord":
            metrics[name] = dict(MetricRecord.inflate(data))
    content.metrics = metrics_of(metrics)
    for name in list(content.metrics):
        if name.rpartition("/")[2] in EXAMPLES:
            content.num_examples = int(content.metrics.pop(name))
    return content


class AppRunInFlower:
    """One run of an app in Flower's database, from its start to ``finish``. For worker threads."""

    def __init__(self, state: WatchedState, app: ApprovedApp, settings: Mapping[str, Any]) -> None:
        self._state = state
        state.store_fab(Fab(app.hash, app.fab, {}))
        run_id = state.create_run(
            app.app_id, app.version, app.hash, dict(settings), NOOP_FEDERATION_ID, None, NOOP_FLWR_AID,
            TaskType.SERVER_APP,
        )  # fmt: skip
        self._task_id = state.get_run_info(run_ids=[run_id])[0].primary_task_id or 0
        self.token = state.claim_task(self._task_id) or ""
        self.traffic = state.traffic = AppTraffic(run_id, state.content_of, state.signal)

    def result(self) -> tuple[str, str]:
        """Return how Flower says that the run ended (completed, failed or stopped), and why; empty before."""
        status = self._state.get_run_info(run_ids=[self.traffic.run_id])[0].status
        return status.sub_status, status.details

    def finish(self, reason: str) -> None:
        """End the run: its token is void, SuperNodes drop what they have of it, and its objects are deleted."""
        self._state.finish_task(self._task_id, SubStatus.STOPPED, reason)
        self._state.traffic = None
        self.traffic.close()
        self._state.object_store.delete_objects_in_run(self.traffic.run_id)


def asked_messages(body: bytes) -> list[str]:
    """Return the ids of the messages whose answers a request of the Runtime API asks for; raises ValueError."""
    try:
        return list(PullAppMessagesRequest.FromString(body).message_ids)
    except Exception as error:
        raise ValueError("no request for messages") from error


def app_of_flower(*more: Middleware) -> FastAPI:
    """Return an application for routers of Flower's, whose messages are protobuf; ``more`` is the inner middleware."""
    errors = Middleware(BaseHTTPMiddleware, dispatch=http_error_translator)
    return FastAPI(openapi_url=None, middleware=[errors, Middleware(ProtobufTranslationMiddleware), *more])


def runtime_app(factory: object) -> FastAPI:
    """Return Flower's Runtime API over HTTP. Callers let few paths through: of the others there are no handlers."""
    app = app_of_flower()
    app.state.runtime_state_factory = factory
    app.state.runtime_handlers = SimpleNamespace(
        confirm_message_received=confirm_message_received, get_nodes=get_nodes, pull_messages=pull_messages,
        pull_object=pull_object, pull_task_input=pull_task_input, push_messages=push_messages, push_object=push_object,
        push_task_output=push_task_output,
    )  # fmt: skip
    app.state.superexec_auth_secret = None
    app.include_router(create_runtime_router("SuperLink"))
    return app
