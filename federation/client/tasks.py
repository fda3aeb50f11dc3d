"""A task that has arrived whole, and the reply to it, as the client's threads pass them on."""

import threading
from dataclasses import dataclass, field

from federation.protocol.messages import Offer, Task
from federation.weights.layout import Buffer


@dataclass(frozen=True)
class ClientTask:
    """A task with the content that it names. ``cancelled`` is set, in any thread, when the server cancels it."""

    task: Task
    content: Buffer | None
    cancelled: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class OutgoingReply:
    """An offer and the content that it describes; kept until the server acknowledges it."""

    offer: Offer
    content: bytearray | memoryview | None = None

    @property
    def content_id(self) -> str:
        """Id of the content; empty where there is none."""
        return self.offer.content.id if self.offer.content is not None else ""

    @property
    def size_bytes(self) -> int:
        """Size of the content; 0 where there is none."""
        return self.offer.content.size_bytes if self.offer.content is not None else 0
