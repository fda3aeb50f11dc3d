"""Clients of one process get each content once: one of them checks its hash, the others compare the bytes."""

import pytest

from federation.client.content_assembly import ContentAssembly
from federation.protocol.messages import PIECE_BYTES, BadFrame, ContentHeader, Task, pieces
from federation.simulation.contents import SharedContents
from federation.weights.content_ids import content_id


def task_with(content: bytes, name: str = "t") -> Task:
    header = ContentHeader(id=content_id(content), size_bytes=len(content), layout=[("w", [len(content)], "uint8")])
    return Task(message_id=name, run_id=1, round=1, phase="train", deadline_seconds=1, config={}, content=header)


@pytest.mark.parametrize("size", [100, PIECE_BYTES + 100])
def test_the_second_client_gets_the_buffer_of_the_first(size: int) -> None:
    shared, content, found = SharedContents(), bytes(range(256)) * (size // 256 + 1), []
    for _ in range(2):
        assembly = ContentAssembly(shared)
        assert assembly.add_task(task_with(content)) == []
        *first, last = pieces(content_id(content), content)
        assert all(assembly.add_piece(piece) == [] for piece in first)
        (complete,) = assembly.add_piece(last)
        found.append(complete.content)
    assert found[0] is found[1] and bytes(found[0] or b"") == content


@pytest.mark.parametrize("wrong", [b"other", b"con", b"contents"])
def test_other_bytes_under_the_id_of_a_known_content_are_refused(wrong: bytes) -> None:
    shared, content = SharedContents(), b"content"
    first, second = ContentAssembly(shared), ContentAssembly(shared)
    for assembly in (first, second):
        assembly.add_task(task_with(content))
    first.add_piece(next(pieces(content_id(content), content)))
    with pytest.raises(BadFrame):
        second.add_piece(next(pieces(content_id(content), wrong.ljust(len(content), b"!"))))


def test_only_the_last_contents_are_kept() -> None:
    shared = SharedContents()
    for name in "abc":
        shared.keep(name, name.encode())
    assert [shared.find(name) for name in "abc"] == [None, b"b", b"c"]
