"""A SuperNode without its processes: Flower's own client of the Fleet API, and a ClientApp called in a thread."""

import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import Context, Error, Message, RecordDict
from flwr.common.config import get_fused_config_from_fab
from flwr.supercore.fab import Fab
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from flwr.supercore.run import Run, RunNotRunningException
from flwr.supernode.fleet_http_connection import http_request_response

from federation.client.tasks.supernode import app
from federation.fleet.bundle import APP_ID
from tests.support.flower_apps import client_app_of

Answering = Callable[[Message, Context], Message | None]
"""Returns the reply to a message; None: the process ends without one, and the next one polls anew."""


def once(act: Answering) -> Answering:
    """Act on the first train message of the second round, and answer all others."""
    done = threading.Event()

    def answer(message: Message, context: Context) -> Message | None:
        if message.metadata.message_type == "train" and message.metadata.group_id == "2" and not done.is_set():
            done.set()
            return act(message, context)
        return app(message, context)

    return answer


class LightNode:
    """Polls in a thread until ``end``. ``seen`` are the messages that it got, ``runs`` and ``fabs`` what they are of.

    ``answer`` stands for the app of Meadow's bundle; the ClientApp of another FAB is run as it came.
    """

    def __init__(self, address: str, answer: Answering = app, *, partition: int = 0, dataset: str = "synthetic",
                 key: ec.EllipticCurvePrivateKey | None = None, authority: Path | None = None) -> None:  # fmt: skip
        self._address, self._answer = address, answer
        self._transport: dict[str, Any] = {"insecure": authority is None}
        if authority is not None:
            self._transport["root_certificates"] = authority.read_bytes()
        # A key that Flower makes is unregistered at the end. A heartbeat beside that is answered 401, for which
        # Flower sends its own process, here that of the tests, a SIGINT.
        key = key or ec.generate_private_key(ec.SECP384R1())
        self._keys = (key, key.public_key())
        self._config: dict[str, bool | int | float | str]
        self._config = {"dataset": dataset, "partition-id": partition, "num-partitions": 2}
        self.seen: list[Message] = []
        self.errors: list[BaseException] = []
        self.runs: dict[int, Run] = {}
        self.fabs: dict[int, Fab] = {}
        self._states: dict[int, RecordDict] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.end()

    def end(self) -> None:
        """Poll no more; the node says that it goes when the server answers its last poll."""
        self._ended.set()

    def _live(self) -> None:
        with http_request_response(
            self._address, authentication_keys=self._keys, max_retries=0, **self._transport
        ) as node:
            node_id, receive, send, get_run, get_fab, pull, push, confirm = node
            while not self._ended.is_set():
                try:
                    received = receive()
                except RunNotRunningException:  # it is not listed: a SuperNode polls again after a while
                    self._ended.wait(0.2)
                    continue
                if received is None:
                    continue
                header, tree = received
                run_id = header.metadata.run_id
                if run_id not in self.runs:
                    run = self.runs[run_id] = get_run(run_id)
                    self.fabs[run_id] = get_fab(run.fab_hash, run_id)
                contents = {one.object_id: pull(run_id, one.object_id) for one in iterate_object_tree(tree)}
                message = inflate_object_from_contents(header.metadata.message_id, contents)
                assert isinstance(message, Message)
                message.metadata.__dict__["_message_id"] = header.metadata.message_id
                confirm(run_id, header.metadata.message_id)
                self.seen.append(message)
                if (reply := self._run_app(message, node_id)) is not None:
                    self._push(reply, send, push)

    def _run_app(self, message: Message, node_id: int) -> Message | None:
        """Run the app of the message's run with what a SuperNode gives it; it keeps the state of each series."""
        run = self.runs[message.metadata.run_id]
        fab = self.fabs[run.run_id].content
        config = get_fused_config_from_fab(fab, run)
        state = self._states.setdefault(run.series_id, RecordDict())
        context = Context(run.run_id, node_id, self._config, state, config)
        if run.fab_id == APP_ID:
            return self._answer(message, context)
        try:
            return client_app_of(fab)(message, context)
        except Exception as error:
            return Message(Error(2, f"{type(error)}:<{error}>"), reply_to=message)

    def _push(self, reply: Message, send: Callable[..., Any], push: Callable[..., Any]) -> None:
        with no_object_id_recompute():
            reply.metadata.__dict__["_message_id"] = reply.object_id
            objects = get_all_nested_objects(reply)
            try:
                wanted, session = send(reply, get_object_tree(reply), 0.1)
                for object_id in wanted:
                    push(reply.metadata.run_id, session, object_id, objects[object_id].deflate())
            except (Exception, RunNotRunningException) as error:  # a refusal; a SuperNode logs it and polls on
                self.errors.append(error)
