"""Tasks under way: any order of events, and thousands that end at once.

The dispatcher and the connections are the real ones; only the socket below each connection is the test's.
"""

import asyncio
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.websockets import WebSocket

from federation.protocol import messages
from federation.run.events import Event
from federation.transport.admission import Admission, Limits
from federation.transport.assignment_states import AssignmentState
from federation.transport.connection import Connection
from federation.transport.dispatcher import Dispatcher
from federation.transport.exchange import Exchange, Reply
from federation.weights.content_ids import content_id
from federation.weights.layout import Entry, Layout

LAYOUT = Layout((Entry("w", (10,), "float32"),))
WEIGHTS = bytes(LAYOUT.size_bytes)


class Socket:
    """Takes everything that is written to it, and keeps nothing."""

    def __init__(self) -> None:
        self.writable = asyncio.Event()
        self.writable.set()
        self.last_heard_at = self.last_piece_at = time.monotonic()

    def write(self, *parts: bytes) -> None:
        pass


def make_connection(client_id: int, process: str = "first") -> Connection:
    async def never(*_: Any) -> Any:
        raise AssertionError("nothing is received or sent but by the socket")

    scope = {"type": "websocket", "extensions": {"meadow.socket": Socket()}}
    connection = Connection(WebSocket(scope, never, never), asyncio.Semaphore(1))
    hello = messages.Hello(public_key="k", signature="s", name=f"c{client_id}", facts={"process": process})
    connection.identify(hello, Admission(client_id, hello.name, "admitted"), client_id)
    return connection


class Lane:
    """A dispatcher, the connections of its clients, and what it delivered."""

    def __init__(self, limits: Limits) -> None:
        self.connections: dict[int, Connection] = {}
        self.events: list[Event] = []
        self.replies: list[Reply] = []
        self.dispatcher = Dispatcher(limits, self.events.append, self.connections.get)

    def start(self, round_number: int, clients: range) -> Exchange:
        exchange = Exchange(1, round_number, 1, "train", 60.0, self.replies.append, layout=LAYOUT)
        exchange.add_tasks([(client_id, {"server-round": round_number}) for client_id in clients], "u")
        exchange.bind(self.dispatcher.cancel, self.dispatcher.replies.give_back)
        self.dispatcher.dispatch(exchange)
        return exchange

    def connect(self, client_id: int, process: str, held: list[str]) -> None:
        connection = make_connection(client_id, process)
        if (older := self.connections.get(client_id)) is not None:
            older.expected.clear()
        self.connections[client_id] = connection
        self.dispatcher.client_connected(connection, held)

    def disconnect(self, client_id: int) -> None:
        if self.connections.pop(client_id, None) is not None:
            self.dispatcher.client_disconnected(client_id)


S = AssignmentState

# -- any order of events ----------------------------------------------------------------------------------------------

CLIENTS = range(1, 3)
SENT = ("offer", "offer small", "offer empty", "offer error", "offer wrong", "piece", "half a piece", "wrong piece",
        "progress")  # fmt: skip
HAPPENS = ("connect", "connect anew", "reconnect", "reconnect with it", "disconnect", "broke the protocol", "start",
           "cancel", "release", "wait")  # fmt: skip
OFTEN = ("start", "offer", "disconnect", "connect") * 4
"""Most other events end tasks: these are drawn more often, so that there are tasks to end."""
EVENTS = st.tuples(st.sampled_from(SENT + HAPPENS + OFTEN), st.sampled_from(CLIENTS))


class Scenario:
    """One order of events, each passed on as the lane passes it on."""

    def __init__(self) -> None:
        self.lane = Lane(Limits(budget_bytes=LAYOUT.size_bytes, reconnect_seconds=0.0, stall_seconds=60.0))
        self.exchange: Exchange | None = None
        self.rounds = 0
        self.started: list[str] = []
        for client_id in CLIENTS:
            self.lane.connect(client_id, "first", [])

    def task_of(self, client_id: int) -> str | None:
        waiting = self.exchange.waiting.values() if self.exchange is not None else ()
        return next((one.message_id for one in waiting if one.client_id == client_id), None)

    async def play(self, event: str, client_id: int) -> None:
        lane, connection, task = self.lane, self.lane.connections.get(client_id), self.task_of(client_id)
        if event == "connect" and connection is None:
            lane.connect(client_id, "first", [])
        elif event == "connect anew":
            lane.connect(client_id, f"process {len(lane.events)}", [])
        elif event.startswith("reconnect"):
            lane.connect(client_id, "first", [task] if task and event == "reconnect with it" else [])
        elif event == "disconnect":
            lane.disconnect(client_id)
        elif event == "broke the protocol" and connection is not None:
            lane.dispatcher.refuse_client(client_id, "it sent garbage")
            lane.disconnect(client_id)
        elif event == "start" and (self.exchange is None or not self.exchange.waiting):
            self.rounds += 1
            self.exchange = lane.start(self.rounds, CLIENTS)
            self.started += [f"1-{self.rounds}-1-train-{one}-u" for one in CLIENTS]
        elif event == "cancel" and self.exchange is not None:
            self.exchange.close()
        elif event == "release":
            for reply in lane.replies:
                reply.release(reuse_memory=True)
        elif event == "wait":
            await asyncio.sleep(0)
        elif event in SENT and connection is not None and task is not None:
            self.send(connection, task, event)

    def send(self, connection: Connection, task: str, event: str) -> None:
        content = content_id(task.encode())
        if "piece" in event:
            offset, size = {"piece": (0, 40), "half a piece": (0, 20), "wrong piece": (8, 8)}[event]
            name = bytes.fromhex(content) + offset.to_bytes(8, "big")
            self.lane.dispatcher.handle_frame(connection, name + WEIGHTS[:size])
            return
        header = messages.ContentHeader(id=content, size_bytes=len(WEIGHTS), layout=LAYOUT.to_json())
        frames: dict[str, messages.Frame] = {
            "offer": messages.Offer(message_id=task, num_examples=1, content=header),
            "offer small": messages.Offer(message_id=task, num_examples=1, content=header, follows=True),
            "offer empty": messages.Offer(message_id=task, num_examples=1),
            "offer error": messages.Offer(message_id=task, error="the disk is full"),
            "offer wrong": messages.Offer(
                message_id=task, content=header.model_copy(update={"layout": [("w", [5, 2], "float32")]})
            ),
            "progress": messages.ProgressFrame(message_id=task, batch=1),
        }
        self.lane.dispatcher.handle_frame(connection, messages.encode(frames[event]))

    def check(self) -> None:
        waiting = list(self.exchange.waiting.values()) if self.exchange is not None else []
        budget = self.lane.dispatcher.replies.budget
        assert self.lane.dispatcher.snapshot().assignments == len(waiting)
        if self.exchange is not None:
            assert self.exchange.away == sum(one.state is S.AWAY for one in waiting)
        assert all((one.state is S.AWAY) == (one.client_id not in self.lane.connections) for one in waiting)
        held = sum(one.incoming.granted_bytes for one in waiting if one.incoming is not None)
        held += sum(reply.granted_bytes for reply in self.lane.replies if reply.content is not None)
        assert budget.used_bytes == held
        assert budget.waiting == sum(one.state is S.QUEUED for one in waiting)
        expected = [one for connection in self.lane.connections.values() for one in connection.expected.values()]
        assert {id(one) for one in expected} == {id(one) for one in waiting if one.state is S.RECEIVING}


@settings(max_examples=150, deadline=None, database=None)
@given(st.lists(EVENTS, min_size=30, max_size=60))
def test_in_any_order_of_events_each_task_is_settled_once_and_the_budget_is_whole(
    events: list[tuple[str, int]],
) -> None:
    async def work() -> None:
        scenario = Scenario()
        await scenario.play("start", 1)
        for event, client_id in events:
            await scenario.play(event, client_id)
            scenario.check()
        await scenario.play("cancel", 1)
        await scenario.play("release", 1)
        scenario.check()
        replies = [f"1-{one.exchange.round}-1-train-{one.client_id}-u" for one in scenario.lane.replies]
        assert sorted(replies) == sorted(scenario.started)
        assert all((one.reason is None) == (one.outcome == "accepted") for one in scenario.lane.replies)
        assert scenario.lane.dispatcher.replies.budget.used_bytes == 0

    asyncio.run(work())


# -- many at once -----------------------------------------------------------------------------------------------------

MANY = 5000


@pytest.mark.parametrize("way", ["not connected", "connection lost", "broke the protocol: garbage", "cancelled"])
def test_thousands_of_tasks_that_end_at_once_are_settled_one_after_the_other(way: str) -> None:
    """Settling one must not settle the next within it, which overflows the stack, nor look at all others."""

    async def work() -> float:
        lane = Lane(Limits(reconnect_seconds=0.05))
        if way != "not connected":
            lane.connections.update({client_id: make_connection(client_id) for client_id in range(MANY)})
        begin = time.monotonic()
        exchange = lane.start(1, range(MANY))
        if way == "connection lost":
            for client_id in range(MANY):
                lane.disconnect(client_id)
            assert lane.replies == [], "each may come back"
            while exchange.waiting:
                await asyncio.sleep(0.01)
        elif way == "cancelled":
            exchange.close()
        elif way != "not connected":
            for client_id in range(MANY):
                lane.dispatcher.refuse_client(client_id, way)
        spent = time.monotonic() - begin
        assert [reply.reason for reply in lane.replies] == [way] * MANY
        assert lane.dispatcher.snapshot().assignments == 0
        return spent

    assert asyncio.run(work()) < 5


def test_a_client_that_is_away_is_not_lost_as_long_as_another_one_works() -> None:
    async def work() -> None:
        lane = Lane(Limits(reconnect_seconds=0.0))
        for client_id in (1, 2):
            lane.connect(client_id, "first", [])
        exchange = lane.start(1, range(1, 3))
        lane.disconnect(1)
        await asyncio.sleep(0.05)
        assert [one.client_id for one in exchange.waiting.values()] == [1, 2]
        (task,) = [one.message_id for one in exchange.waiting.values() if one.client_id == 2]
        lane.dispatcher.handle_frame(lane.connections[2], messages.encode(messages.Offer(message_id=task, error="no")))
        await asyncio.sleep(0.05)
        assert [(one.client_id, one.outcome, one.reason) for one in lane.replies] == [
            (2, "failed", "no"), (1, "lost", "connection lost")
        ]  # fmt: skip

    asyncio.run(work())
