"""A client as the lane and its dispatcher see it, whatever carries its frames.

Everything here runs on the Flower server's event loop; other threads may read the attributes of a ``Peer``.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal

from federation.protocol import messages
from federation.run.events import Progress
from federation.transport.admission import Admission
from federation.transport.exchange import Assignment, Member


class Peer(ABC):
    """A client that may be given tasks: who it is, what it holds, and how frames go to it.

    ``session`` is another one with each start of its process. ``expected`` holds the assignments whose contents the
    client may send, by content id.
    """

    lane: ClassVar[Literal["stream", "fleet"]] = "stream"

    def __init__(self, session: str) -> None:
        self._member = Member(0, "", {}, "")
        self.client_id, self.node_id, self.name, self.public_key = 0, 0, "", ""
        self.admitted = False
        self.data: Mapping[str, object] = {}
        self.session = session
        self.close_reason = self.problem = ""
        self.expected: dict[str, Assignment] = {}
        self.progress: Progress | None = None

    def set_client(self, admission: Admission, public_key: str, node_id: int) -> None:
        """Set who the client is, as the application has decided."""
        self.client_id, self.name, self.node_id = admission.client_id, admission.name, node_id
        self.public_key, self.admitted = public_key, admission.state == "admitted"

    def member(self) -> Member:
        """Return the client as a run sees it. From any thread; made anew only where something has changed."""
        known = self._member
        if known.name is not self.name or known.data is not self.data or known.session is not self.session:
            self._member = known = Member(self.client_id, self.name, self.data, self.session)
        return known

    @property
    def is_ready(self) -> bool:
        """Whether the client may be given tasks. From any thread."""
        return self.admitted

    @property
    @abstractmethod
    def last_heard_at(self) -> float:
        """When the client gave its last sign of life, on the monotonic clock."""

    @property
    @abstractmethod
    def last_piece_at(self) -> float:
        """When the last byte of a content came, on the monotonic clock."""

    @abstractmethod
    def send(self, frame: messages.Frame, *, at_once: bool = True) -> None:
        """Send a frame. One that need not go ``at_once`` may go with the next one."""

    @abstractmethod
    def send_task(self, assignment: Assignment) -> None:
        """Send a task with its content."""

    def stop_sending(self, assignment: Assignment) -> None:
        """Send no more of a task that is over, and expect no more of its content."""
        incoming = assignment.incoming
        if incoming is not None and self.expected.get(incoming.content_id) is assignment:
            del self.expected[incoming.content_id]

    @abstractmethod
    def end(self, code: messages.Close, reason: str) -> None:
        """Tell the client that it is disconnected, and end its connection."""

    @abstractmethod
    def fail(self, error: messages.BadFrame) -> None:
        """End the connection by the error of a frame that its listener was given."""

    @abstractmethod
    def close(self) -> None:
        """The connection is over: send nothing more, but a bye that ``end`` was given."""
