"""Frames: each is read as it was written; anything else is refused with a reason."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.protocol import messages
from federation.weights.content_ids import content_id


def test_every_text_frame_is_read_as_it_was_written() -> None:
    content = messages.ContentHeader(id="ab" * 32, size_bytes=8, layout=[("w", [2], "float32")])
    client: list[messages.Frame] = [
        messages.Hello(public_key="k", signature="s", name="site-a", versions={"protocol": 1}, pending=["m"]),
        messages.ProgressFrame(message_id="m", batch=3, batches=10, loss=0.5),
        messages.Offer(message_id="m", metrics={"loss": 0.5}, num_examples=10, seconds=1.5, content=content),
    ]
    server: list[messages.Frame] = [
        messages.Challenge(nonce="n", time="2026-01-01T00:00:00+00:00", versions={"protocols": [1]}),
        messages.Welcome(state="pending", client_id=1, node_id=str(2**63), limits={}),
        messages.Task(
            message_id="m", run_id=1, round=0, phase="train", deadline_seconds=60.0, config={}, content=content
        ),
        messages.Grant(message_id="m"),
        messages.Ack(message_id="m", refused="late"),
        messages.Cancel(message_id="m"),
        messages.Bye(code=4503, reason="stopping"),
    ]
    assert [messages.decode_client(messages.encode(frame)) for frame in client] == client
    assert [messages.decode_server(messages.encode(frame)) for frame in server] == server


@pytest.mark.parametrize(("text", "says"), [
    ("", "not JSON"),
    ("[]", "valid dictionary"),
    ('{"type": "hello"}', "public_key"),
    ('{"type": "progress", "message_id": "m", "batch": -1}', "batch"),
    ('{"type": "offer", "message_id": "m", "content": {"id": "zz", "size_bytes": 1, "layout": []}}', "content.id"),
    ("[" * 100_000, "not JSON"),
])  # fmt: skip
def test_a_text_that_is_not_a_frame_is_refused_with_the_field(text: str, says: str) -> None:
    with pytest.raises(messages.BadFrame, match=says):
        messages.decode_client(text)


def test_a_refusal_is_short_however_long_what_it_refuses_is() -> None:
    for frame in ({"type": "x" * 100_000}, {**OFFER, "data": {"samples": {"x" * 50_000: 1}}}, {"type": [["x"] * 5000]}):
        with pytest.raises(messages.BadFrame) as refused:
            messages.decode_client(json.dumps(frame))
        assert len(str(refused.value)) < 300


HELLO = {"type": "hello", "public_key": "k", "signature": "s", "name": "site-a"}
OFFER = {"type": "offer", "message_id": "m"}
FRAME = {"file": "f", "line": 1, "function": "g", "code": "c"}
NO_TEXT: tuple[object, ...] = ([], {}, 5, 1.5, True, math.nan, "x" * 10_000, "\ud800")
NO_NUMBER: tuple[object, ...] = ("5", [], {}, True, -1, 1.5, math.nan, math.inf, 10**400)


@pytest.mark.parametrize(("frame", "field", "values"), [
    (HELLO, "data.dataset", NO_TEXT), (HELLO, "data.source", NO_TEXT), (HELLO, "data.app", NO_TEXT),
    (HELLO, "data.partition", NO_NUMBER), (HELLO, "data.partitions", NO_NUMBER), (HELLO, "data.classes", NO_NUMBER),
    (HELLO, "data.samples", ("5", [], True, -1, 1.5, {"train": "5"}, {"test": 10**400})),
    (HELLO, "data.input_shape", ("5", 5, {}, ["5"], [-1], [math.nan], [1] * 1000)),
    (HELLO, "data.label_counts", ("5", 5, {}, ["5"], [-1], [True], [10**400])),
    (HELLO, "data", ([], 5, "x", None, True)), (HELLO, "facts", ([], 5, "x", None, True)),
    (HELLO, "facts.platform", NO_TEXT), (HELLO, "facts.python", NO_TEXT), (HELLO, "facts.hostname", NO_TEXT),
    (HELLO, "facts.process", NO_TEXT), (HELLO, "facts.cpus", NO_NUMBER),
    (HELLO, "facts.memory_bytes", ("5", [], True, -1, math.nan, math.inf, 10**400)),
    (HELLO, "versions", ([], 5, None, {"x" * 200: "1"}, {str(one): "1" for one in range(100)})),
    (HELLO, "versions.flwr", ([], {}, 1.5, True, math.nan, None, "x" * 1000)),
    (HELLO, "pending", ("x", {}, None, [5], ["x" * 200], ["x"] * 200)),
    (HELLO, "name", ("", "x" * 100, 5, None, "\ud800")), (HELLO, "public_key", (5, None, "x" * 10_000)),
    (OFFER, "seconds", ("5", -1, True, math.nan, math.inf, [])), (OFFER, "follows", (1, "yes", None)),
    (OFFER, "message_id", (5, None, "x" * 200)), (OFFER, "metrics", ([], 5, "x", None)), (OFFER, "error", ([], 5, {})),
    (OFFER, "data", ([], 5, "x")), (OFFER, "data.samples", ("5", [], {"train": math.nan})),
    (OFFER, "data.classes", NO_NUMBER), (OFFER, "data.label_counts", (["5"], {}, "x", [None])),
    (OFFER, "data.input_shape", ("5", [None], {})),
    (OFFER, "failure", ([], 5, "x")), (OFFER, "failure.frames", ("x", {}, None, [5], [{"file": "f"}], [FRAME] * 11)),
    (OFFER, "failure.frames", ([FRAME | {"line": "1"}], [FRAME | {"line": -1}], [FRAME | {"code": "x" * 201}])),
    (OFFER, "failure.log", ("x", {}, [5], ["\ud800"], ["x" * 301], ["x"] * 201)),
    (OFFER, "content", ([], 5, {"id": "0" * 64, "size_bytes": True, "layout": []})),
    (OFFER, "content", ({"id": "0" * 64, "size_bytes": 10**400, "layout": []}, {"id": "0" * 64, "layout": [[1]]})),
    ({"type": "progress", "message_id": "m"}, "batch", NO_NUMBER),
    ({"type": "progress", "message_id": "m", "batch": 1}, "loss", ("x", [], True)),
])  # fmt: skip
def test_a_field_of_another_type_or_size_is_refused_and_named(
    frame: dict[str, Any], field: str, values: tuple[object, ...]
) -> None:
    outer, _, inner = field.partition(".")
    for value in values:
        with pytest.raises(messages.BadFrame) as refused:
            messages.decode_client(json.dumps({**frame, outer: {inner: value} if inner else value}))
        assert f"{frame['type']}.{field}" in str(refused.value), (value, str(refused.value))
        assert len(str(refused.value)) < 300 and refused.value.code == messages.Close.BAD_FRAME


def test_unknown_fields_of_a_description_are_dropped() -> None:
    hello = messages.decode_client(json.dumps({**HELLO, "data": {"dataset": "digits", "more": [[[1]]]}}))
    assert isinstance(hello, messages.Hello)
    assert hello.data == {"dataset": "digits"}


@given(st.text() | st.dictionaries(st.text(), st.none() | st.integers() | st.text()).map(json.dumps))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(messages.BadFrame):
        messages.decode_client(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_read_as_a_piece(frame: bytes) -> None:
    if len(frame) <= messages.HEADER_BYTES:
        with pytest.raises(messages.BadFrame):
            messages.read_piece(frame)
    else:
        content, offset, data = messages.read_piece(frame)
        assert bytes.fromhex(content) + offset.to_bytes(8, "big") + data == frame


@pytest.mark.parametrize("size", [0, 1, messages.PIECE_BYTES, messages.PIECE_BYTES + 1, 3 * messages.PIECE_BYTES + 5])
def test_pieces_are_at_most_four_mebibytes_and_together_are_the_content(size: int) -> None:
    buffer = bytes(range(256)) * (size // 256) + bytes(size % 256)
    name, whole = content_id(buffer), bytearray()
    for frame in messages.pieces(name, buffer):
        assert len(frame) <= messages.MAX_FRAME_BYTES
        content, offset, data = messages.read_piece(frame)
        assert (content, offset) == (name, len(whole))
        whole += data
    assert whole == buffer
