"""What people want of an active run, and the one queue that wakes its thread."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable

from federation.transport.exchange import Reply


class RunStopped(Exception):
    """A person stopped the run."""


class RunInterrupted(Exception):
    """The dashboard is ending; the run can be resumed."""


class Control:
    """Wishes come from any thread; each wakes the run, which looks at them in every wait.

    Parameters
    ----------
    num_rounds : int
        The run ends when so many rounds are committed; ``add_rounds`` makes it more.
    excluded : frozenset[int]
        Clients that are not asked.
    min_clients : int
        The run waits for so many; ``heed`` looks up whether people want another number.
    """

    def __init__(self, num_rounds: int = 1, excluded: frozenset[int] = frozenset(), min_clients: int = 1) -> None:
        self.mailbox: queue.SimpleQueue[Reply | None] = queue.SimpleQueue()
        self.num_rounds, self.excluded, self.min_clients = num_rounds, excluded, min_clients
        self.let_in: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._stop, self._interrupt, self._pause = threading.Event(), threading.Event(), threading.Event()
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._finished = self._closed = False
        self._waiting_since: float | None = None
        self._patience_seconds = 0.0

    # -- wishes -------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End the run for good; committed rounds stay."""
        self._stop.set()
        self._end.set()
        self.wake()

    def interrupt(self) -> None:
        """End the run's thread because the process ends."""
        self._interrupt.set()
        self._end.set()
        self.wake()

    def pause(self) -> None:
        """Pause after the round that is under way."""
        self._pause.set()
        self.wake()

    def go_on(self) -> None:
        """End the pause, or take back the wish for one."""
        self._pause.clear()
        self.wake()

    def add_rounds(self, count: int) -> bool:
        """Let the run go on for so many rounds more; False where it has just done its last one."""
        with self._lock:
            if self._finished:
                return False
            self.num_rounds += count
        self.wake()
        return True

    def exclude(self, client_id: int) -> None:
        """Leave a client out from the next round on."""
        with self._lock:
            self.excluded |= {client_id}
        self.wake()

    def include(self, client_id: int) -> None:
        """Let a client in again that was left out or put aside."""
        with self._lock:
            self.excluded -= {client_id}
        self.let_in.put(client_id)
        self.wake()

    def heed(self, min_clients: Callable[[], int]) -> None:
        """Look up how many clients people want. Whoever looks last has seen what was wanted last."""
        with self._lock:
            self.min_clients = min_clients()
        self.wake()

    def wait_longer(self, seconds: float) -> bool:
        """Move the deadline of the wait for clients; False where the run does not wait for any."""
        with self._lock:
            if self._waiting_since is None:
                return False
            self._patience_seconds += seconds
        self.wake()
        return True

    def wake(self) -> None:
        """Let the run look around."""
        self.mailbox.put(None)

    # -- for the lane -------------------------------------------------------------------------------------------------

    def deliver(self, reply: Reply) -> None:
        """Hand a reply to the run; one that comes after its end gives back what it holds of the budget."""
        self.mailbox.put(reply)
        if self._closed:
            self.close()

    # -- for the run's thread -----------------------------------------------------------------------------------------

    def finish(self, committed: int, wanted: Callable[[], int]) -> bool:
        """Say whether the last round is done; no more can be added from then on.

        ``wanted`` is asked at the end: rounds may have been added while the run was about to start.
        """
        with self._lock:
            if committed >= self.num_rounds:
                self.num_rounds = max(self.num_rounds, wanted())
            self._finished = committed >= self.num_rounds
            return self._finished

    def begin_wait(self, seconds: float) -> None:
        """The run waits for its clients from now on, for so long unless somebody says longer."""
        with self._lock:
            self._waiting_since, self._patience_seconds = time.monotonic(), seconds

    def end_wait(self) -> None:
        """It waits no more: the deadline cannot be moved from now on."""
        with self._lock:
            self._waiting_since = None

    def give_up(self) -> float | None:
        """End the wait where its deadline is over, and return for how many seconds the run was to wait; else None."""
        with self._lock:
            if self._waiting_since is None or time.monotonic() <= self.deadline:
                return None
            self._waiting_since = None
            return self._patience_seconds

    @property
    def deadline(self) -> float:
        """When the wait for clients is over, on the monotonic clock."""
        return (self._waiting_since or 0.0) + self._patience_seconds

    def close(self) -> None:
        """The run is over: release every reply that nobody will look at."""
        self._closed = True
        with contextlib.suppress(queue.Empty):
            while True:
                if (reply := self.mailbox.get_nowait()) is not None:
                    reply.release()

    @property
    def pausing(self) -> bool:
        """Whether the run is to pause, or pauses."""
        return self._pause.is_set()

    def check(self) -> None:
        """Raise RunStopped or RunInterrupted where somebody asked for it."""
        if self._stop.is_set():
            raise RunStopped
        if self._interrupt.is_set():
            raise RunInterrupted

    def next(self, timeout_seconds: float) -> Reply | None:
        """Wait for the next reply; None at the timeout or when something else happened. Raises as ``check`` does."""
        self.check()
        try:
            waits = timeout_seconds > 0
            reply = self.mailbox.get(timeout=timeout_seconds) if waits else self.mailbox.get_nowait()
        except queue.Empty:
            reply = None
        try:
            self.check()
        except (RunStopped, RunInterrupted):
            if reply is not None:
                reply.release()
            raise
        return reply

    def sleep(self, seconds: float) -> None:
        """Wait, unless somebody asks for the end; replies stay in the mailbox."""
        self._end.wait(seconds)
        self.check()
