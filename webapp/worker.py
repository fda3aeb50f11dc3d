"""A thread that works again and again, with pauses, until it is stopped."""

import threading


class Worker:
    """Calls ``work`` on a thread of its own from ``start`` to ``stop``; subclasses say what that does.

    Any thread may call ``wake``. Work that takes long looks at ``stopped`` meanwhile.
    """

    stop_seconds = 5.0
    """So long ``stop`` waits for the work under way."""

    def __init__(self, name: str, woken: threading.Event | None = None) -> None:
        self.stopped, self.woken = threading.Event(), woken or threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin, at once."""
        self._thread.start()

    def wake(self) -> None:
        """End the present pause."""
        self.woken.set()

    def stop(self, deadline_seconds: float | None = None) -> None:
        """End after the present work, and wait for that until the deadline; the next process goes on."""
        self.stopped.set()
        self.wake()
        if self.is_running:
            self._thread.join(self.stop_seconds if deadline_seconds is None else deadline_seconds)

    @property
    def is_running(self) -> bool:
        """Whether the thread has begun and not ended."""
        return self._thread.is_alive()

    def work(self) -> float | None:
        """Do what there is to do, and return for how many seconds to pause; None: until ``wake``."""
        raise NotImplementedError

    def _run(self) -> None:
        pause: float | None = 0.0
        while not self.stopped.is_set():
            self.woken.wait(pause)
            self.woken.clear()
            if not self.stopped.is_set():
                pause = self.work()
