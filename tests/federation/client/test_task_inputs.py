"""What the tasks of a process share: texts that differ in the message id, the config for apps, and the arrays."""

import copy
import gc
import json
from contextlib import nullcontext

import numpy as np
import pytest
from flwr.app import Array, Context, Message
from flwr.clientapp import ClientApp

from federation.client.frame_handler import decode
from federation.client.outbox import ClientTask
from federation.client.tasks.executor import Executor
from federation.client.tasks.inputs import TaskInputs
from federation.learning.client_app import Work
from federation.protocol.messages import BadFrame, ContentHeader, Task, decode_server
from federation.transport.exchange import Content, Exchange
from federation.weights.content_ids import content_id
from federation.weights.layout import Layout, NumpyArray
from federation.weights.records import LazyArray

WEIGHTS: list[NumpyArray] = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array([7], np.int64)]
LAYOUT = Layout.of(["a", "b"], WEIGHTS)
CONTENT = bytes(LAYOUT.pack(WEIGHTS))
HEADER = ContentHeader(id=content_id(CONTENT), size_bytes=len(CONTENT), layout=LAYOUT.to_json())
CONFIG = {"server-round": 3, "lr": 0.5, "layers": [1, 2], "nested": {"x": 1}, "nothing": None}
REST = {"run_id": 1, "round": 3, "phase": "train", "deadline_seconds": 9.0, "config": CONFIG,
        "content": HEADER.model_dump()}  # fmt: skip


def text_of(message_id: str, **changed: object) -> str:
    """Return a task's frame as the server writes it."""
    return json.dumps({"type": "task", "message_id": message_id, **REST, **changed}, separators=(",", ":"))


def task(message_id: str, **changed: object) -> Task:
    decoded = decode(text_of(message_id, **changed))
    assert isinstance(decoded, Task)
    return decoded


@pytest.mark.parametrize("text", [
    text_of("1-3-1-train-7-0a"),
    text_of("1-3-1-train-8-0a"),
    text_of("é"),
    text_of(""),
    text_of("1").replace('"1"', '"1\\u002d2"'),
    text_of("x" * 100),
    text_of("1")[:-1] + ',"message_id":"2"}',
    text_of("1")[:-1] + ',"type":"grant"}',
    '{"type":"ack","message_id":"1","refused":null}',
])  # fmt: skip
def test_a_frame_is_read_as_the_protocol_reads_it(text: str) -> None:
    for _ in range(2):
        assert decode(text) == decode_server(text)


@pytest.mark.parametrize("text", [
    text_of("x" * 101), text_of("1", round=-1), text_of("1")[:-1], '{"type":"task","message_id":"1",}',
    '{"type":"task","message_id":"1","round":1}',
])  # fmt: skip
def test_what_the_protocol_refuses_is_refused_each_time(text: str) -> None:
    for _ in range(2):
        with pytest.raises(BadFrame) as expected:
            decode_server(text)
        with pytest.raises(BadFrame) as refused:
            decode(text)
        assert str(refused.value) == str(expected.value)


def test_tasks_that_differ_in_the_message_id_share_config_and_header() -> None:
    one, other = task("1-1"), task("1-2")
    assert (one.message_id, other.message_id) == ("1-1", "1-2")
    assert one.config is other.config and one.content is other.content
    assert task("1-1", round=4).config is not one.config


def test_the_texts_of_the_server_are_recognized() -> None:
    exchange = Exchange(1, 3, 1, "train", 9.0, lambda _: None, content=Content(LAYOUT, CONTENT))
    exchange.add_tasks([(7, CONFIG), (8, CONFIG)], "0a")
    one, other = (decode(assignment.task_text()) for assignment in exchange.waiting.values())
    assert isinstance(one, Task) and isinstance(other, Task)
    assert one.message_id != other.message_id and one.config is other.config and one.content is other.content


def test_a_config_that_is_no_record_leaves_the_next_one_as_it_is() -> None:
    inputs, good, bad = TaskInputs(), task("1"), task("2", config={"lr": [[1]]})
    assert inputs.config_record(good)["lr"] == 0.5
    assert inputs.config(bad) == {"lr": [[1]]}
    with pytest.raises(TypeError):
        inputs.config_record(bad)
    assert inputs.config_record(good)["lr"] == inputs.config(good)["lr"] == 0.5


def test_what_an_app_changes_reaches_no_other_client() -> None:
    seen, app = list[dict[str, object]](), ClientApp()

    @app.train()
    def train(message: Message, _: Context) -> Message:
        config, arrays = message.content.config_records["config"], message.content.array_records["arrays"]
        seen.append(copy.deepcopy(dict(config)))
        layers = config["layers"]
        assert isinstance(layers, list)
        layers.append(9)  # type: ignore[arg-type]
        config["lr"] = 7.0
        values = arrays["a"].numpy()
        values[:] = -1
        del arrays["b"]
        return Message(message.content, reply_to=message)

    inputs = TaskInputs(keep_content=True)
    executors = [Executor(Work(app, dict, {}), {}, inputs=inputs) for _ in range(2)]
    for number, executor in enumerate(executors):
        reply = executor.run(ClientTask(task(f"1-{number}"), CONTENT), 0, lambda *_: None)
        assert reply is not None and reply.offer.error is None
    assert seen == [{"server-round": 3, "lr": 0.5, "layers": [1, 2], "nested": '{"x": 1}'}] * 2


def test_a_config_that_has_changed_is_read_anew() -> None:
    inputs = TaskInputs()
    for lr in (0.5, 1, True, 0.25):
        record = inputs.config_record(task("1", config={"lr": lr}))
        assert record["lr"] == lr and type(record["lr"]) is type(lr)
    assert dict(inputs.config_record(task("1", config={"rate": 1}))) == {"rate": 1}
    assert dict(inputs.config_record(task("1", config={"rate": 1, "app_config": {"rate": 2}}))) == {"rate": 2}


@pytest.mark.parametrize("keeps", [False, True])
def test_only_where_others_get_the_same_content_its_memory_is_kept(keeps: bool) -> None:
    app, content = ClientApp(), bytearray(CONTENT)

    @app.train()
    def train(message: Message, _: Context) -> Message:
        message.content.array_records["arrays"]["a"].numpy()
        return Message(message.content, reply_to=message)

    executor = Executor(Work(app, dict, {}), {}, inputs=TaskInputs(keep_content=keeps))
    executor.run(ClientTask(task("1-1"), content), 0, lambda *_: None)
    gc.collect()
    with pytest.raises(BufferError) if keeps else nullcontext():  # views forbid to resize it
        content.clear()


def test_a_content_is_unpacked_once_and_another_one_anew() -> None:
    inputs, unpacked = TaskInputs(keep_content=True), list[object]()
    for scale, buffer in ((1, CONTENT), (1, CONTENT), (2, bytes(LAYOUT.pack([array * 2 for array in WEIGHTS])))):
        arrays = inputs.arrays(HEADER, buffer)
        for name, array in zip("ab", WEIGHTS, strict=True):
            np.testing.assert_array_equal(arrays[name].numpy(), array * scale)
        assert isinstance(arrays["a"], LazyArray)
        unpacked.append(arrays["a"].values)
    assert unpacked[0] is unpacked[1] and unpacked[1] is not unpacked[2]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_reply_is_described_by_its_own_layout(dtype: str) -> None:
    app = ClientApp()

    @app.train()
    def train(message: Message, _: Context) -> Message:
        record = message.content.array_records["arrays"]
        record["a"] = Array(record["a"].numpy().astype(dtype))
        return Message(message.content, reply_to=message)

    reply = Executor(Work(app, dict, {}), {}).run(ClientTask(task("1-1"), CONTENT), 0, lambda *_: None)
    assert reply is not None and reply.offer.content is not None and reply.content is not None
    assert reply.offer.content.layout == [("a", [2, 3], dtype), ("b", [1], "int64")]
    assert reply.offer.content.size_bytes == len(reply.content) == 6 * np.dtype(dtype).itemsize + 8
    assert reply.offer.content.id != HEADER.id
