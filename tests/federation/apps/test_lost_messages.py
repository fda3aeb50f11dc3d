"""A message of an app that a SuperNode took and did not answer is sent once more; the app gets one answer at most."""

import asyncio
import contextlib
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, Metadata, RecordDict
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents

from federation.apps.archive import ApprovedApp
from federation.apps.happenings import Answered
from federation.flwr_internals import SUPERLINK_NODE_ID, ErrorCode
from federation.server.app_host import AppHost
from federation.server.flower import Nodes
from federation.server.flower_apps import AppRunInFlower
from federation.server.lost_messages import GIVEN_UP, send_again
from tests.support.migrated import lay_nodes


class App:
    """A run of an app with one SuperNode, whose polls and replies the test makes."""

    def __init__(self, folder: Path) -> None:
        nodes = Nodes(lay_nodes(folder) / "linkstate.db")
        self.state, self.host = nodes.state, AppHost(nodes, dict, 1_000_000)
        self.node_id = self.state.create_node("owner", "owner", b"a key", 30)
        self.state.activate_node(self.node_id, 30)
        self.traffic = AppRunInFlower(self.state, ApprovedApp(b"a FAB", "", "lab/app", "1"), {}).traffic
        (self.info,) = self.state.get_run_info()
        assert self.info.primary_task_id is not None and self.state.activate_task(self.info.primary_task_id)

    def push(self, message: Message, objects: int = 100) -> str:
        """Store a message or a reply, with so many of its objects."""
        with no_object_id_recompute():
            message.metadata.__dict__["_message_id"] = message.object_id
            contents, session = get_all_nested_objects(message), self.state.start_session(self.info.run_id)
            header = Message(RecordDict(), metadata=message.metadata)  # type: ignore[call-overload]
            _, missing = self.state.store_message_and_object_tree(header, get_object_tree(message), session)
            for object_id in missing[:objects]:
                self.state.store_object(self.info.run_id, session, object_id, contents[object_id].deflate())
            return str(message.metadata.message_id)

    def ask(self) -> str:
        arrays = ArrayRecord({"w": Array(np.zeros(3))})
        content = RecordDict({"config": ConfigRecord({"server-round": 1}), "arrays": arrays})
        return self.push(Message(content, metadata=Metadata(
            run_id=self.info.run_id, message_id="", src_node_id=SUPERLINK_NODE_ID, dst_node_id=self.node_id,
            reply_to_message_id="", group_id="1", created_at=time.time(), ttl=600.0, message_type="train",
        )))  # type: ignore[call-overload]  # fmt: skip

    def poll(self) -> Message:
        """Poll as a SuperNode does, take what waits, with its objects, and confirm it."""
        asyncio.run(self.host.wait_for_mail(self.node_id))
        (message,) = self.state.get_message_ins(self.node_id, 1)
        assert message.metadata.message_id in self.inflated(message)
        self.state.object_store.delete(message.metadata.message_id)
        return message

    def inflated(self, message: Message) -> dict[str, Message]:
        """Return the message with its content, by its id."""
        root, store = message.metadata.message_id, self.state.object_store
        contents = {one.object_id: store.get(one.object_id) or b"" for one in
                    iterate_object_tree(store.get_object_tree(root))}  # fmt: skip
        return {root: inflate_object_from_contents(root, contents)}  # type: ignore[dict-item]

    def answer(self, message: Message, value: float, objects: int = 100) -> None:
        self.push(
            Message(RecordDict({"arrays": ArrayRecord({"w": Array(np.full(3, value))})}), reply_to=message), objects
        )

    def answers(self, message_id: str) -> list[Message]:
        return self.state.get_message_res({message_id}, self.info.run_id)


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path)


def test_a_lost_message_comes_again_whole_and_the_app_sees_one_answer_of_several(app: App) -> None:
    message_id = app.ask()
    first = app.poll()
    app.answer(first, 1.0, objects=1)  # its process is killed while it sends its reply
    second = app.poll()
    assert (first.metadata.message_id, second.metadata.message_id) == (message_id, message_id)
    assert second.metadata.created_at == first.metadata.created_at, "the app's TTL counts from its first sending"
    app.answer(second, 2.0)
    app.answer(first, 3.0)
    (reply,) = app.answers(message_id)
    (whole,) = app.inflated(reply).values()
    assert whole.content.array_records["arrays"]["w"].numpy()[0] == 2.0
    assert all(one.has_error() for one in app.answers(message_id))
    assert not app.traffic.lose(app.node_id) and not app.traffic.has_mail(app.node_id)


def test_a_lost_message_is_sent_again_although_the_poll_that_showed_it_ends_first(app: App) -> None:
    """A poll is answered at once where a task of Meadow's waits for the SuperNode as well."""

    async def poll_while_all_threads_are_busy() -> None:
        loop, go_on = asyncio.get_running_loop(), threading.Event()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, go_on.wait, 20)
        poll = asyncio.ensure_future(app.host.wait_for_mail(app.node_id))
        await asyncio.sleep(0)
        poll.cancel()
        await asyncio.gather(poll, return_exceptions=True)
        go_on.set()
        await busy
        await app.traffic.signal.wait_until(lambda: app.traffic.has_mail(app.node_id), 10)

    message_id = app.ask()
    app.poll()
    asyncio.run(poll_while_all_threads_are_busy())
    assert app.traffic.has_mail(app.node_id)
    assert app.poll().metadata.message_id == message_id


def test_a_lost_message_that_the_database_does_not_take_is_sent_with_the_next_poll(
    app: App, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def rename(table: str, name: str) -> None:
        with contextlib.closing(sqlite3.connect(tmp_path / "linkstate.db")) as connection:
            connection.execute(f"ALTER TABLE {table} RENAME TO {name}")

    async def poll_in_vain() -> None:
        poll = asyncio.ensure_future(app.host.wait_for_mail(app.node_id))
        async with asyncio.timeout(20):
            while "could not be sent again" not in caplog.text:
                await asyncio.sleep(0.01)
        poll.cancel()
        await asyncio.gather(poll, return_exceptions=True)

    message_id = app.ask()
    app.poll()
    rename("message_ins", "elsewhere")
    asyncio.run(poll_in_vain())
    rename("elsewhere", "message_ins")
    assert app.poll().metadata.message_id == message_id


def test_a_message_that_was_lost_twice_ends_with_an_error_and_is_not_sent_again(app: App) -> None:
    message_id = app.ask()
    app.poll()
    second = app.poll()
    (lost,) = app.traffic.lose(app.node_id)
    send_again(app.state, app.traffic, lost)
    assert app.state.get_message_ins(app.node_id, 1) == []
    app.answer(second, 1.0)
    assert app.traffic.has_an_answer([message_id])
    (reply,) = app.answers(message_id)
    assert reply.error.code == ErrorCode.MESSAGE_UNAVAILABLE
    told = [app.traffic.happenings.get_nowait() for _ in range(app.traffic.happenings.qsize())]
    assert [one.error for one in told if isinstance(one, Answered)] == [GIVEN_UP]


def test_a_message_for_which_flower_has_answered_is_not_sent_again(app: App) -> None:
    message_id = app.ask()
    app.poll()
    app.state.deactivate_node(app.node_id)  # as a minute after its last heartbeat
    (reply,) = app.answers(message_id)
    assert reply.error.code == ErrorCode.NODE_UNAVAILABLE
    assert app.traffic.lose(app.node_id) == [] and not app.traffic.is_full
