"""What a client owes its server, over all connections: tasks not done yet, and replies not acknowledged yet."""

import queue
import threading
from collections.abc import Callable

from federation.client.executor import KeptReply, TakenTask
from federation.protocol.messages import Offer, ProgressFrame

Say = Callable[[Offer | ProgressFrame], None]


class Pending:
    """Shared by the connection's thread, which takes tasks and hears of acknowledgements, and the thread that works.

    ``node_id`` is what Flower calls this client, as the server said last; 0 before.
    """

    def __init__(self) -> None:
        self.queue: queue.SimpleQueue[TakenTask | None] = queue.SimpleQueue()
        self.node_id = 0
        self._lock = threading.Lock()
        self._say: Say | None = None
        self._taken: dict[str, TakenTask] = {}
        self._kept: dict[str, KeptReply] = {}

    def ids(self) -> list[str]:
        """Message ids that a server need not send again."""
        with self._lock:
            return [*self._taken, *self._kept]

    # -- the thread that works ------------------------------------------------------------------------------------

    def tell(self, frame: ProgressFrame) -> None:
        """Send a progress frame if there is a connection."""
        with self._lock:
            if self._say is not None:
                self._say(frame)

    def finish(self, message_id: str, reply: KeptReply | None) -> None:
        """The task is over: offer the reply, now or when the connection is back. None: there is nothing to offer."""
        with self._lock:
            taken = self._taken.pop(message_id, None)
            if reply is None or taken is None or taken.cancelled.is_set():
                return
            self._kept[message_id] = reply
            if self._say is not None:
                self._say(reply.offer)

    # -- the connection's thread ----------------------------------------------------------------------------------

    def attach(self, say: Say, node_id: int) -> None:
        """Offer what is kept over a connection that was welcomed, and from now on whatever becomes ready."""
        with self._lock:
            self._say, self.node_id = say, node_id
            for reply in self._kept.values():
                say(reply.offer)

    def detach(self) -> None:
        """The connection is gone."""
        with self._lock:
            self._say = None

    def take(self, tasks: list[TakenTask]) -> None:
        """Queue tasks for the thread that works."""
        for taken in tasks:
            with self._lock:
                self._taken[taken.task.message_id] = taken
            self.queue.put(taken)

    def knows(self, message_id: str) -> bool:
        """Whether the task was taken, or its reply is kept."""
        return message_id in self._taken or message_id in self._kept

    def kept(self, message_id: str) -> KeptReply | None:
        """Return the reply that is kept under that id."""
        return self._kept.get(message_id)

    def drop(self, message_id: str) -> None:
        """The server has the reply, or does not want it."""
        with self._lock:
            self._kept.pop(message_id, None)

    def cancel(self, message_id: str) -> None:
        """The server needs the task no more, done or not."""
        with self._lock:
            self._kept.pop(message_id, None)
            taken = self._taken.get(message_id)
        if taken is not None:
            taken.cancelled.set()

    def cancel_all(self) -> None:
        """Give up everything: the process ends."""
        with self._lock:
            everything = list(self._taken.values())
        for taken in everything:
            taken.cancelled.set()
        self.queue.put(None)
