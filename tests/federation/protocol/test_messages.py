"""Frames: each is read as it was written; anything else is refused with a reason."""

import json

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
