"""The thread ``queue``: it takes requests to stop runs and to start the next one, and works them off one by one.

It owns the order of requests and their answers; what a stop and a start are is the supervisor's business.
"""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from federation.coordinator.queue.active_runs import ActiveRun
from federation.coordinator.retrying_ledger import RETRY_SECONDS
from federation.run.events import StoreUnavailable

ANSWER_SECONDS = 1.0
"""So long a request waits for a slow store."""


@dataclass(eq=False, slots=True)
class Request:
    """A request to stop a run, or without one only to start the next.

    ``active`` is the start of the run that was under way when the request came. A cancelled ``answer``: nobody waits
    for it, and the request counts as accepted.
    """

    run_id: int | None = None
    by: str | None = None
    active: ActiveRun | None = None
    answer: Future[bool] = field(default_factory=Future)

    def is_accepted(self) -> bool:
        """Wait for the answer, ``ANSWER_SECONDS`` at most; True if there is none then, and there will be none."""
        wait([self.answer], ANSWER_SECONDS)
        return self.answer.cancel()

    def reply(self, answer: bool | BaseException) -> bool:
        """Answer; False if nobody waits for it any more."""
        if not self.answer.set_running_or_notify_cancel():
            return False
        if isinstance(answer, BaseException):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)
        return True


class QueueThread:
    """Works off requests with ``stop`` and ``start_next``, which alone may start and stop runs. Any thread may post.

    ``stop`` returns whether the run is stopped, or raises. ``start_next`` returns whether a start need not be tried
    again; it is called after each request, but not while a stop is accepted and not written.
    """

    def __init__(self, stop: Callable[[Request], bool], start_next: Callable[[], bool]) -> None:
        self._stop, self._start_next = stop, start_next
        self._requests: SimpleQueue[Request] = SimpleQueue()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="queue", daemon=True)

    def start(self) -> None:
        """Begin to work off requests."""
        self._thread.start()

    def post(self, request: Request) -> Request:
        """Hand over a request; it is returned."""
        self._requests.put(request)
        return request

    def end(self) -> None:
        """End after the request under way."""
        self._ended.set()
        self.post(Request())

    def wait(self, deadline_seconds: float) -> bool:
        """Wait for the end of the thread; False at the deadline."""
        if self._thread.ident is not None:
            self._thread.join(deadline_seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        stops: list[Request] = []
        delay: float | None = None
        while not self._ended.is_set():
            request = None
            with contextlib.suppress(Empty):
                request = self._requests.get(timeout=delay)
            if request is not None and request.run_id is not None:
                stops.append(request)
            stops = [one for one in stops if not self._work_off(one)]
            started = not stops and self._start_next()
            delay = None if started else RETRY_SECONDS
            if request is not None and request.run_id is None:
                request.reply(started)

    def _work_off(self, request: Request) -> bool:
        """Stop a run; False if that must be tried again: the store is away, and the request counts as accepted."""
        try:
            request.reply(self._stop(request))
        except BaseException as error:
            return request.reply(error) or not isinstance(error, StoreUnavailable)
        return True
