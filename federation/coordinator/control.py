"""Requests of people to an active run, and the one queue of replies and wake-ups that its thread waits on."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator

from federation.coordinator.ledger import Participation
from federation.transport.exchange import Reply


class RunStopped(Exception):
    """A person stopped the run."""


class RunInterrupted(Exception):
    """The dashboard is ending; the run can be resumed."""


class Control:
    """Takes requests from any thread; each notifies the run's thread, which checks for them in every wait.

    Parameters
    ----------
    num_rounds : int
        The run ends when this many rounds are committed; ``raise_rounds`` changes it.
    participation : Participation
        The minimum of clients, below which the run waits, and the excluded ones; ``reload_participation`` changes them.
    """

    def __init__(self, num_rounds: int = 1, participation: Participation | None = None) -> None:
        self.num_rounds, self._participation = num_rounds, participation or Participation(1)
        self.included: queue.SimpleQueue[int] = queue.SimpleQueue()
        """Clients that a person has included again; emptied by the run's thread."""
        self._mailbox: queue.SimpleQueue[Reply | None] = queue.SimpleQueue()
        self._stop, self._interrupt, self._pause = threading.Event(), threading.Event(), threading.Event()
        self._end, self._outdated = threading.Event(), threading.Event()
        self._outdated.set()
        self._lock = threading.Lock()
        self._closed = False
        self._waiting_since: float | None = None
        self._wait_seconds = 0.0

    # -- requests, from any thread ------------------------------------------------------------------------------------

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
        """Pause after the current round."""
        self._pause.set()
        self.wake()

    def end_pause(self) -> None:
        """End the pause, or withdraw the request for one."""
        self._pause.clear()
        self.wake()

    def raise_rounds(self, num_rounds: int) -> None:
        """Let the run have as many rounds; fewer than it has change nothing, nor do more once it has finished."""
        with self._lock:
            self.num_rounds = max(self.num_rounds, num_rounds)
        self.wake()

    def reload_participation(self, included: int | None = None) -> None:
        """Let the run's thread read anew what people have decided, before it uses it next.

        ``included`` is a client that is admitted again, also if the run has suspended it, unless it is excluded.
        """
        self._outdated.set()
        if included is not None:
            self.included.put(included)
        self.wake()

    def wait_longer(self, seconds: float) -> bool:
        """Move the deadline of the wait for clients; False if the run is not waiting for clients."""
        with self._lock:
            if self._waiting_since is None:
                return False
            self._wait_seconds += seconds
        self.wake()
        return True

    def wake(self) -> None:
        """End the present wait of the run's thread."""
        self._mailbox.put(None)

    # -- for the lane, on its loop ------------------------------------------------------------------------------------

    def deliver(self, reply: Reply) -> None:
        """Hand a reply to the run's thread; after the end of the run, release what it holds of the reply budget."""
        self._mailbox.put(reply)
        if self._closed:
            self.close()

    # -- for the run's thread -----------------------------------------------------------------------------------------

    def try_finish(self, committed: int, read_num_rounds: Callable[[], int]) -> bool:
        """Return whether the last round is committed.

        ``read_num_rounds`` is called at the end only, for rounds that were added while the run was about to start; and
        without the lock, because it may last until the database is back. Rounds that are added later are the ledger's
        business, which then queues the run again.
        """
        if committed < self.num_rounds:
            return False
        self.raise_rounds(read_num_rounds())
        return committed >= self.num_rounds

    def read_participation(self, read: Callable[[], Participation]) -> None:
        """Call ``read`` where people have decided anew since the last call; one that raises is due again."""
        if self._outdated.is_set():
            self._outdated.clear()
            try:
                self._participation = read()
            except BaseException:
                self._outdated.set()
                raise

    @contextlib.contextmanager
    def waiting(self, seconds: float) -> Iterator[None]:
        """Within the block the run waits for clients, with a deadline in ``seconds`` that people may move."""
        with self._lock:
            self._waiting_since, self._wait_seconds = time.monotonic(), seconds
        try:
            yield
        finally:
            with self._lock:
                self._waiting_since = None

    def expire_wait(self) -> float | None:
        """End the wait if its deadline has passed, and return how many seconds it lasted; else return None."""
        with self._lock:
            if self._waiting_since is None or time.monotonic() <= self.deadline:
                return None
            self._waiting_since = None
            return self._wait_seconds

    @property
    def deadline(self) -> float:
        """The deadline of the wait for clients, on the monotonic clock."""
        return (self._waiting_since or 0.0) + self._wait_seconds

    @property
    def min_clients(self) -> int:
        """The run waits below this number of clients."""
        return self._participation.min_clients

    @property
    def excluded(self) -> frozenset[int]:
        """The ids of the clients that get no tasks."""
        return self._participation.excluded

    @property
    def pausing(self) -> bool:
        """Whether the run is paused or is to pause after the current round."""
        return self._pause.is_set()

    @property
    def stopping(self) -> bool:
        """Whether a person has asked for the end of the run."""
        return self._stop.is_set()

    @property
    def has_mail(self) -> bool:
        """Whether a reply or a wake-up is waiting."""
        return not self._mailbox.empty()

    def check(self) -> None:
        """Raise RunStopped or RunInterrupted if the run is to end."""
        if self._stop.is_set():
            raise RunStopped
        if self._interrupt.is_set():
            raise RunInterrupted

    def next_reply(self, timeout_seconds: float) -> Reply | None:
        """Wait for the next reply; None at the timeout or after a wake-up. Raises as ``check`` does."""
        self.check()
        try:
            waits = timeout_seconds > 0
            reply = self._mailbox.get(timeout=timeout_seconds) if waits else self._mailbox.get_nowait()
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
        """Wait until the timeout or the end of the run; replies stay in the queue. Raises as ``check`` does."""
        self._end.wait(seconds)
        self.check()

    def close(self) -> None:
        """The run is over: release every reply that is left."""
        self._closed = True
        with contextlib.suppress(queue.Empty):
            while True:
                if (reply := self._mailbox.get_nowait()) is not None:
                    reply.release()
