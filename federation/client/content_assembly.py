"""Tasks and contents of one connection: tasks that wait for their content, and the content that arrived last."""

import hashlib

import numpy as np

from federation.client.outbox import ClientTask
from federation.protocol.messages import BadFrame, ContentHeader, Task, read_piece
from federation.weights.layout import Buffer

OTHER_BYTES = "a content whose sha256 does not match its id"


class Contents:
    """The contents that other connections of the process have received whole, by id: here none."""

    def find(self, _content: str) -> Buffer | None:
        """Return the content with that id, whose hash was checked; None where it is not known."""
        return None

    def keep(self, _content: str, buffer: Buffer) -> Buffer:
        """Take a content that is whole, and return the buffer to use for it."""
        return buffer


class ContentAssembly:
    """Assembles contents from pieces. The server sends one content after the other, and none twice in a row.

    Only the thread that reads the connection may use it. Clients in one process share ``contents``: one of them hashes
    the bytes that it gets, for the others they are compared.
    """

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._waiting: list[Task] = []
        self._header: ContentHeader | None = None
        self._parts: Buffer = b""
        self._received, self._digest = 0, hashlib.sha256()
        """A content is hashed while it arrives: the rest is on its way meanwhile."""
        self._content: Buffer | None = None
        self._known: Buffer | None = None
        """The content under way, where another connection has it already."""

    def add_task(self, task: Task) -> list[ClientTask]:
        """Add a task; it is returned at once where nothing of its content is missing."""
        if task.content is None:
            return [ClientTask(task, None)]
        if self._header is None or self._header.id != task.content.id:
            self._header, self._content, self._received = task.content, None, 0
            self._digest = hashlib.sha256()
        self._waiting.append(task)
        return self._complete_tasks()

    def add_piece(self, frame: bytes) -> list[ClientTask]:
        """Add a piece and return the tasks that waited for it; raises BadFrame for one that does not fit."""
        name, offset, data = read_piece(frame)
        if self._header is None or name != self._header.id or self._content is not None:
            return []
        if offset == 0:  # a content that was broken off starts over
            whole = len(data) == self._header.size_bytes
            self._received, self._digest = 0, hashlib.sha256()
            known = self._contents.find(name)
            self._known = known if known is not None and len(known) == self._header.size_bytes else None
            self._parts = data if whole or self._known is not None else bytearray(self._header.size_bytes)
        if offset != self._received or offset + len(data) > self._header.size_bytes:
            size, expected = self._header.size_bytes, self._received
            raise BadFrame(f"a piece at byte {offset:,} of {size:,}, expected at byte {expected:,}")
        if self._known is not None:
            if not _are_equal(memoryview(self._known)[offset : offset + len(data)], data):
                raise BadFrame(OTHER_BYTES)
        else:
            if isinstance(self._parts, bytearray):
                self._parts[offset : offset + len(data)] = data
            self._digest.update(data)
        self._received += len(data)
        return self._complete_tasks()

    def discard_task(self, message_id: str) -> None:
        """Remove a task that was cancelled; its content stays, for the next task may name it."""
        self._waiting = [task for task in self._waiting if task.message_id != message_id]

    def _complete_tasks(self) -> list[ClientTask]:
        if self._header is None or self._received < self._header.size_bytes:
            return []
        if self._content is None:
            if self._known is None and self._digest.hexdigest() != self._header.id:
                raise BadFrame(OTHER_BYTES)
            self._content = self._known or self._contents.keep(self._header.id, self._parts)
            self._known, self._parts = None, b""
        complete = [t for t in self._waiting if t.content is not None and t.content.id == self._header.id]
        self._waiting = [t for t in self._waiting if t not in complete]
        return [ClientTask(task, self._content) for task in complete]


def _are_equal(one: Buffer, other: Buffer) -> bool:
    """Compare bytes; memoryviews compare their elements one by one."""
    return np.array_equal(np.frombuffer(one, np.uint8), np.frombuffer(other, np.uint8))
