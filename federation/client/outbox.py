"""What a client keeps over all its connections: tasks that are not done, and replies that are not acknowledged yet."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from federation.protocol.messages import Offer, ProgressFrame, Task
from federation.weights.layout import Buffer

Send = Callable[[Offer | ProgressFrame], None]


@dataclass(eq=False)
class ClientTask:
    """A task with the content that it names. ``cancelled`` is set, in any thread, when the server cancels it."""

    task: Task
    content: Buffer | None
    cancelled: bool = False


@dataclass(frozen=True)
class OutgoingReply:
    """An offer and the content that it describes; kept until the server acknowledges it."""

    offer: Offer
    content: bytearray | memoryview | None = None


class Outbox:
    """Shared by the connection's thread, which adds tasks and acknowledges replies, and the worker's thread.

    ``enqueue`` hands a task to the worker. ``node_id`` is Flower's id of this client, as the server named it last; 0
    before.
    """

    def __init__(self, enqueue: Callable[[ClientTask], None]) -> None:
        self.node_id = 0
        self._enqueue = enqueue
        self._lock = threading.Lock()
        self._send: Send | None = None
        self._tasks: dict[str, ClientTask] = {}
        self._replies: dict[str, OutgoingReply] = {}

    def held_ids(self) -> list[str]:
        """Return the message ids of tasks that the server need not send again. From any thread."""
        with self._lock:
            return [*self._tasks, *self._replies]

    # -- the worker's thread --------------------------------------------------------------------------------------

    def send_progress(self, frame: ProgressFrame) -> None:
        """Send a progress frame if there is a connection."""
        with self._lock:
            if self._send is not None:
                self._send(frame)

    def finish_task(self, message_id: str, reply: OutgoingReply | None) -> None:
        """The task is over: offer the reply, now or when the connection is back. None: there is nothing to offer."""
        with self._lock:
            task = self._tasks.pop(message_id, None)
            if reply is None or task is None or task.cancelled:
                return
            self._replies[message_id] = reply
            if self._send is not None:
                self._send(reply.offer)

    # -- the connection's thread ----------------------------------------------------------------------------------

    def attach(self, send: Send) -> None:
        """Offer all kept replies over a connection that was welcomed, and each further one when it is ready."""
        with self._lock:
            self._send = send
            for reply in self._replies.values():
                send(reply.offer)

    def detach(self) -> None:
        """The connection is closed."""
        with self._lock:
            self._send = None

    def add_tasks(self, tasks: list[ClientTask]) -> None:
        """Queue tasks for the worker."""
        for task in tasks:
            with self._lock:
                self._tasks[task.task.message_id] = task
            self._enqueue(task)

    def holds(self, message_id: str) -> bool:
        """Return whether the task is queued or worked on, or its reply is kept."""
        return message_id in self._tasks or message_id in self._replies

    def reply(self, message_id: str) -> OutgoingReply | None:
        """Return the reply that is kept under that id."""
        return self._replies.get(message_id)

    def acknowledge(self, message_id: str) -> None:
        """Keep a reply no more: the server has it, or does not want it."""
        with self._lock:
            self._replies.pop(message_id, None)

    def cancel(self, message_id: str) -> None:
        """The server has cancelled the task, done or not."""
        with self._lock:
            self._replies.pop(message_id, None)
            task = self._tasks.get(message_id)
        if task is not None:
            task.cancelled = True

    # -- from any thread ------------------------------------------------------------------------------------------

    def cancel_all(self) -> None:
        """Cancel every task: the process ends."""
        with self._lock:
            tasks = list(self._tasks.values())
        for task in tasks:
            task.cancelled = True
