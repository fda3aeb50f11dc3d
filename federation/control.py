"""What people want of an active run, and the one queue that wakes its thread."""

import queue
import threading
import time

from federation.exchange import Reply


class RunStopped(Exception):
    """A person stopped the run."""


class RunInterrupted(Exception):
    """The dashboard is ending; the run can be resumed."""


class Control:
    """Wishes come from any thread; each wakes the run, which looks at them in every wait."""

    def __init__(self) -> None:
        self.mailbox: queue.SimpleQueue[Reply | None] = queue.SimpleQueue()
        self._stop, self._interrupt = threading.Event(), threading.Event()

    def stop(self) -> None:
        """End the run for good; committed rounds stay."""
        self._stop.set()
        self.wake()

    def interrupt(self) -> None:
        """End the run's thread because the process ends."""
        self._interrupt.set()
        self.wake()

    def wake(self) -> None:
        """Let the run look around."""
        self.mailbox.put(None)

    @property
    def ending(self) -> bool:
        """Whether the run is to end."""
        return self._stop.is_set() or self._interrupt.is_set()

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
            reply = (
                self.mailbox.get(timeout=max(timeout_seconds, 0.0))
                if timeout_seconds > 0
                else self.mailbox.get_nowait()
            )
        except queue.Empty:
            reply = None
        self.check()
        return reply

    def sleep(self, seconds: float) -> None:
        """Wait, unless somebody asks for the end; replies that come are let go."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if (reply := self.next(left)) is not None:
                reply.release()
