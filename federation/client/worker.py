"""The thread of a client that works: takes one task after the other, tells how far it is, and hands the reply over."""

import logging
import threading
import time
from collections.abc import Callable

from federation.client.console import SHOW_SECONDS, Display
from federation.client.executor import Desk, TakenTask
from federation.client.outbox import Pending
from federation.progress import TaskCancelled
from federation.protocol.messages import PROGRESS_SECONDS, ProgressFrame

log = logging.getLogger(__name__)


class Ticker:
    """What ``report_progress`` calls within a task: mostly a look at the clock, seldom a frame or a new bar."""

    def __init__(self, taken: TakenTask, tell: Callable[[ProgressFrame], None], display: Display) -> None:
        self._taken, self._tell, self._display = taken, tell, display
        self._show_at = self._tell_at = time.monotonic() + SHOW_SECONDS

    def __call__(self, batch: int, batches: int | None, loss: float | None) -> None:
        """Note that a batch is done; raises TaskCancelled when the server needs the task no more."""
        if self._taken.cancelled.is_set():
            raise TaskCancelled
        now = time.monotonic()
        if now < self._show_at:
            return
        self._show_at = now + SHOW_SECONDS
        self._display.progress(self._taken.task, batch, batches, loss)
        if now >= self._tell_at:
            self._tell_at = now + PROGRESS_SECONDS
            said = (int(batch), None if batches is None else int(batches), None if loss is None else float(loss))
            message_id = self._taken.task.message_id
            self._tell(ProgressFrame(message_id=message_id, batch=said[0], batches=said[1], loss=said[2]))


class Worker:
    """Works until ``Pending`` says that there is no more to do."""

    def __init__(self, desk: Desk, pending: Pending, display: Display, failed: Callable[[], None]) -> None:
        self._desk, self._pending, self._display, self._failed = desk, pending, display, failed
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def start(self) -> None:
        """Begin to take tasks."""
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether the thread is there, working or not."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Give up what is under way, at its next batch, and what waits."""
        self._pending.cancel_all()

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the thread; False when it is still there after ``seconds``."""
        self._thread.join(seconds)
        return not self.is_running

    def _run(self) -> None:
        try:
            self._desk.warm()
            while (taken := self._pending.queue.get()) is not None:
                self._do(taken)
        except Exception:
            log.exception("the thread that works failed")
            self._failed()

    def _do(self, taken: TakenTask) -> None:
        started = time.monotonic()
        reply = None
        if not taken.cancelled.is_set():
            reply = self._desk.run(taken, self._pending.node_id, Ticker(taken, self._pending.tell, self._display))
        self._pending.finish(taken.task.message_id, reply)
        outcome = "abandoned" if reply is None else "failed" if reply.offer.error is not None else "done"
        self._display.close(taken.task, outcome, time.monotonic() - started)
